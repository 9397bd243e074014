"""Every reason for which the agency refuses, besides those of the rooms it stands on."""

from __future__ import annotations

from services.foundation.refusals import Kind, Refusal


class CountOutOfRange(Refusal):
    """More codes, or fewer, are asked for than one allotment gives."""

    kind = Kind.MALFORMED
    reason = "COUNT_OUT_OF_RANGE"


class CodeSpaceCrowded(Refusal):
    """Random draws hit allotted codes so often that the space must be nearly full."""

    kind = Kind.LIMITED
    reason = "CODE_SPACE_CROWDED"
