"""How a value of this vocabulary refuses what it was given."""

from __future__ import annotations


class Malformed(ValueError):  # noqa: N818 - names what is the case
    """Input that is no value of the asked type.

    `reason` is stable and in UPPER_SNAKE; `advice` says what to do next. Neither ever repeats the input, because the
    input may be personal data and both reach logs.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(advice)
        self.reason = reason
        self.advice = advice
