"""How a PIN is verified so that no try is ever free."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from services.card.apdu import TRIES_LEFT, Response, StatusWord
from services.card.softcard.applet import Denied, require
from services.card.softcard.chip import Chip
from services.card.softcard.memory import Area

DIGITS = frozenset(b"0123456789")
CAPITALS_AND_DIGITS = DIGITS | frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
PRINTABLE = frozenset(range(0x20, 0x7F))

_SALT = 16
_HISTORY = 0xFFFF


@dataclass(frozen=True, slots=True)
class Form:
    """What PINs of a kind look like, and how many wrong tries block one."""

    minimum: int
    maximum: int
    characters: frozenset[int]
    tries: int

    def has_length_of(self, value: bytes) -> bool:
        """Tells whether a PIN can be this long."""
        return self.minimum <= len(value) <= self.maximum

    def admits(self, value: bytes) -> bool:
        """Tells whether the value may be a PIN."""
        return self.has_length_of(value) and self.characters.issuperset(value)


class Pin:
    """One PIN of an application (暗証番号): a keyed hash, the tries left, and its history, in the application's area.

    The proof that it was given lives with this object, that is, with one selection of the application; it holds only
    while the PIN that was proved is still the PIN, and is not blocked.
    """

    def __init__(self, area: Area, ef: int, form: Form, chip: Chip) -> None:
        self.ef = ef
        self.form = form
        self._area = area
        self._chip = chip
        self._proved: bytes | None = None

    @property
    def is_set(self) -> bool:
        """Tells whether there is a PIN."""
        return self._hash is not None

    @property
    def tries_left(self) -> int:
        """The tries that are left; 0 means blocked."""
        return self._number("left")

    @property
    def is_proved(self) -> bool:
        """Tells whether the PIN has been given, and is still valid."""
        return self._proved is not None and self._proved == self._hash and self.tries_left > 0

    def status(self) -> Response:
        """Answers 63Cx, x the tries left; refuses 6984 when there is no PIN."""
        require(self.is_set, StatusWord.REFERENCE_UNUSABLE)
        return Response(sw=TRIES_LEFT | self.tries_left)

    def verify(self, value: bytes) -> Response:
        """Compares: 9000, or 63Cx; refuses 6984 unset, 6983 blocked, 6700 for a length that no PIN has.

        The try is counted durably before the comparison, so that a card that is torn out when it would say no has
        counted; a blocking is recorded with the try that would cause it, and taken back when the PIN is right.
        """
        stored = self._hash
        if stored is None:
            raise Denied(StatusWord.REFERENCE_UNUSABLE)
        require(self.form.has_length_of(value), StatusWord.WRONG_LENGTH)
        self._proved = None
        left, blocked = self.tries_left, self._number("blocked")
        require(left, StatusWord.PIN_BLOCKED)
        self._put("left", left - 1, 1)
        self._put("blocked", min(blocked + (left == 1), _HISTORY), 2)
        self._area.commit()
        # From here the try is spent: if power is lost now, the next session has one fewer.
        if not hmac.compare_digest(_hash(stored[:_SALT], value), stored[_SALT:]):
            return Response(sw=TRIES_LEFT | (left - 1))
        self._put("left", self.form.tries, 1)
        self._put("blocked", blocked, 2)
        self._area.commit()
        self._proved = stored
        return Response()

    def change(self, new: bytes) -> None:
        """Sets a new PIN after the old one was proved; refuses 6982 otherwise, 6A80 for another form."""
        require(self.is_proved, StatusWord.SECURITY_STATUS)
        self._set(new)

    def reset(self, new: bytes) -> None:
        """Sets a PIN with all its tries, whoever may; refuses 6A80 for another form."""
        first = not self.is_set
        self._set(new)
        self._put("left", self.form.tries, 1)
        if not first:
            self._put("reset", min(self._number("reset") + 1, _HISTORY), 2)

    def use_up(self) -> None:
        """Takes the proof back: the next use asks for the PIN again."""
        self._proved = None

    def history(self) -> bytes:
        """Returns EF (2), tries at most, tries left, times blocked (2), times reset (2)."""
        counts = bytes((self.form.tries, self.tries_left))
        times = self._number("blocked").to_bytes(2, "big") + self._number("reset").to_bytes(2, "big")
        return self.ef.to_bytes(2, "big") + counts + times

    def _set(self, new: bytes) -> None:
        require(self.form.admits(new), StatusWord.DATA_INVALID)
        salt = self._chip.random(_SALT)
        self._area.put(self._cell("hash"), salt + _hash(salt, new))
        self._proved = None

    @property
    def _hash(self) -> bytes | None:
        return self._area.get(self._cell("hash"))

    def _number(self, what: str) -> int:
        return int.from_bytes(self._area.get(self._cell(what)) or b"", "big")

    def _put(self, what: str, number: int, width: int) -> None:
        self._area.put(self._cell(what), number.to_bytes(width, "big"))

    def _cell(self, what: str) -> str:
        return f"pin/{self.ef:04X}/{what}"


def _hash(salt: bytes, value: bytes) -> bytes:
    return hmac.digest(salt, value, hashlib.sha256)
