"""Orders that take four eyes: a text of fixed form, signed as one note by administrators of different roles."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from services.foundation.audit.note import Ed25519Verifier, NoteSigner, open_note
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.refusals import Kind, Refusal

FORMAT = "juki-order/v1"
"""First line of an order's text."""
ROLES_NEEDED = 2
"""Different roles that must have signed."""

_KEYS = ("action", "target", "number", "effective-from", "not-before", "expires", "nonce", "reason")
_ACTION = re.compile(r"[A-Z]+(_[A-Z]+)*")
_TARGET = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_ROLE = re.compile(r"[a-z][a-z-]{0,31}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class OrderRefused(Refusal):
    """An order does not hold; `form` says why: SINGLE_SIGNED, FORGED, EXPIRED, NOT_YET and others."""

    kind = Kind.DENIED
    reason = "ORDER_REFUSED"


class AdministratorsMalformed(Refusal):
    """The file of administrators' keys cannot be used; `line` says where."""

    reason = "ADMINISTRATORS_MALFORMED"


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who may sign orders, in one role."""

    role: str
    verifier: Ed25519Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is ordered."""

    action: str
    """`ADOPT_PURPOSES`."""
    target: str
    """What it is about, `sha256:` and 64 hexadecimal digits."""
    number: int
    """Rises with every order of this action."""
    effective_from: date
    """First day on which it has effect, in Japan."""
    not_before: datetime
    """Instant from which it may be carried out."""
    expires_at: datetime
    """Instant after which it may no longer be carried out; what was carried out before goes on to hold."""
    nonce: str
    """UUID4 by which every log names it."""
    reason: str

    def text(self) -> str:
        """Writes the order; this is what is signed."""
        values = (
            self.action,
            self.target,
            str(self.number),
            self.effective_from.isoformat(),
            self.not_before.astimezone(UTC).strftime(_TIME),
            self.expires_at.astimezone(UTC).strftime(_TIME),
            self.nonce,
            self.reason,
        )
        return "".join(f"{line}\n" for line in (FORMAT, *map(": ".join, zip(_KEYS, values, strict=True))))

    def check_timely(self, now: datetime) -> None:
        """Refuses ORDER_REFUSED with NOT_YET or EXPIRED for an order that may not be carried out at `now`."""
        if now < self.not_before:
            raise _refused("wait until the order may be carried out", "NOT_YET", number=self.number)
        if now >= self.expires_at:
            raise _refused("have the order signed anew: it has expired", "EXPIRED", number=self.number)


def sign_order(order: Order, signers: Sequence[NoteSigner]) -> str:
    """Returns the note of an order with one signature of each signer, in order."""
    text = order.text()
    return f"{text}\n" + "".join(signer.sign(text).removeprefix(f"{text}\n") for signer in signers)


def open_order(note: str, administrators: Sequence[Administrator], action: str) -> Order:
    """Reads an order for `action` and verifies its signatures; whether it is timely is another question.

    Refuses ORDER_REFUSED with the form MALFORMED, FORGED, UNSIGNED, SINGLE_SIGNED, SAME_ROLE or OTHER_ACTION.
    """
    try:
        opened = open_note(note, [one.verifier for one in administrators])
    except Refusal as refusal:
        form = refusal.reason.removeprefix("NOTE_")
        raise _refused("do not trust this order, and ask its signers what they signed", form) from None
    signed = {(one.name, one.key_id) for one in opened.verified}
    roles = {one.role for one in administrators if (one.verifier.name, one.verifier.key_id) in signed}
    if len(signed) < ROLES_NEEDED:
        raise _refused("let a second administrator, of another role, sign it", "SINGLE_SIGNED")
    if len(roles) < ROLES_NEEDED:
        raise _refused("let an administrator of another role sign it", "SAME_ROLE")
    order = parse_order(opened.text)
    if order.action != action:
        raise _refused("give the order for this action", "OTHER_ACTION")
    return order


def parse_order(text: str) -> Order:
    """Reads an order's text, verifying nothing; refuses ORDER_REFUSED with the form MALFORMED."""
    lines = text.split("\n")
    pairs = [line.partition(": ") for line in lines[1:-1]]
    if lines[0] != FORMAT or lines[-1] or tuple(key for key, _, _ in pairs) != _KEYS:
        raise _malformed(f"an order is {FORMAT} and the lines {', '.join(_KEYS)}")
    action, target, number, effective_from, not_before, expires, nonce, reason = (value for _, _, value in pairs)
    forms = ((_ACTION, action), (_TARGET, target), (_NUMBER, number))
    if not all(form.fullmatch(value) for form, value in forms) or not reason.strip():
        raise _malformed("write action, target, number and reason in their forms")
    try:
        order = Order(
            action=action,
            target=target,
            number=int(number),
            effective_from=date.fromisoformat(effective_from),
            not_before=datetime.strptime(not_before, _TIME).replace(tzinfo=UTC),
            expires_at=datetime.strptime(expires, _TIME).replace(tzinfo=UTC),
            nonce=str(uuid.UUID(nonce)),
            reason=reason,
        )
    except ValueError:
        raise _malformed("write days as 2026-12-01, times as 2026-12-01T00:00:00Z, the nonce as a UUID") from None
    if order.text() != text:
        raise _malformed("write every value in its one form")
    return order


def load_administrators(path: Path) -> tuple[Administrator, ...]:
    """Reads the administrators' keys, `<role> <verifier key>` a line, `#` for comments.

    Refuses ADMINISTRATORS_MALFORMED for a file that is not there, a line of another form, or a key that is there twice.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise AdministratorsMalformed("put the administrators' keys there", file=path.name, line=0) from None
    found: list[Administrator] = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith("#"):
            found.append(_administrator(line, path.name, number))
    if len({one.verifier.public_key for one in found}) < len(found):
        raise AdministratorsMalformed("give each administrator a key of their own", file=path.name, line=0)
    return tuple(found)


def _administrator(line: str, file: str, number: int) -> Administrator:
    role, _, vkey = line.strip().partition(" ")
    try:
        verifier = parse_vkey(vkey.strip())
    except Refusal:
        verifier = None
    if not isinstance(verifier, Ed25519Verifier) or _ROLE.fullmatch(role) is None:
        raise AdministratorsMalformed("write a role, a space and an Ed25519 verifier key", file=file, line=number)
    return Administrator(role, verifier)


def _malformed(advice: str) -> OrderRefused:
    return _refused(advice, "MALFORMED")


def _refused(advice: str, form: str, **facts: int) -> OrderRefused:
    return OrderRefused(advice, form=form, **facts)
