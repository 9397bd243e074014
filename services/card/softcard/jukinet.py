"""The juki-net application (住基ネットAP): resident code, card identity, photograph."""

from __future__ import annotations

from services.card import tlv
from services.card.apdu import StatusWord
from services.card.softcard.applet import Context, Denied, Prover, Rule, require
from services.card.softcard.chip import Chip
from services.card.softcard.files import PersonalisedApplet, cell
from services.card.softcard.memory import Area
from services.card.softcard.pin import DIGITS, Form, Pin
from services.card.softcard.terminals import JUKI_NET
from services.vocabulary.malformed import Malformed
from services.vocabulary.resident_code import ResidentCode

AID = bytes.fromhex("F04A554B490101")
RESIDENT_CODE, IDENTITY, PHOTOGRAPH, PIN = 0x0001, 0x0002, 0x0003, 0x0018
PIN_FORM = Form(4, 4, DIGITS, tries=3)
PHOTOGRAPH_SIZE = 12_288
"""Most octets of a photograph."""
_IDENTITY = (0xDF01, 0xDF02, 0xDF03, 0xDF04, 0xDF05)
_IDENTITY_SIZES = (10, 6, 8, 8, 1)


def _is_terminal(context: Context) -> bool:
    proof = context.proof
    return proof is not None and proof.who is Prover.TERMINAL and JUKI_NET in proof.roles


class JukiNet(PersonalisedApplet):
    """One selection of the juki-net application: the issuer writes it and cannot read it; a juki-net terminal reads it.

    Reading needs the holder's PIN besides the terminal's certificate.
    """

    writable = (RESIDENT_CODE, IDENTITY, PHOTOGRAPH)

    def __init__(self, aid: bytes, area: Area, chip: Chip) -> None:
        self._pin = Pin(area, PIN, PIN_FORM, chip)
        super().__init__(aid, area, chip, (self._pin,))

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""
        return self.personalised_rules()

    def may_use(self, context: Context) -> bool:
        """Lets juki-net terminals in."""
        return _is_terminal(context)

    def may_select(self, context: Context) -> bool:
        """Lets juki-net terminals in, and the issuer, who selects the PIN to set it."""
        return _is_terminal(context) or context.is_issuer

    def content_for(self, context: Context, ef: int) -> bytes:
        """Returns a file to a juki-net terminal after the PIN."""
        require(context.is_in_use, StatusWord.CONDITIONS)
        require(_is_terminal(context) and self._pin.is_proved, StatusWord.SECURITY_STATUS)
        return self.stored(ef)

    def check(self, ef: int, content: bytes) -> None:
        """Refuses 6A80 unless the content is of the file's form."""
        if ef == RESIDENT_CODE:
            require(_is_resident_code(content), StatusWord.DATA_INVALID)
        elif ef == IDENTITY:
            _parse_identity(content)
        else:
            is_jpeg = content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9")
            require(is_jpeg and len(content) <= PHOTOGRAPH_SIZE, StatusWord.DATA_INVALID)

    def is_ready(self) -> bool:
        """Tells whether code, identity and PIN are there, and a photograph exactly if the identity says so."""
        identity = self._area.get(cell(IDENTITY))
        if identity is None or self._area.get(cell(RESIDENT_CODE)) is None or not self._pin.is_set:
            return False
        has_photograph = self._area.get(cell(PHOTOGRAPH)) is not None
        return has_photograph == (_parse_identity(identity)[-1] == b"\x01")


def _is_resident_code(content: bytes) -> bool:
    try:
        ResidentCode(content.decode("ascii"))
    except (UnicodeDecodeError, Malformed):
        return False
    return True


def _parse_identity(content: bytes) -> tuple[bytes, ...]:
    try:
        values = tlv.parse_exactly(content, *_IDENTITY)
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None
    sizes = tuple(len(value) for value in values)
    is_formed = sizes == _IDENTITY_SIZES and all(DIGITS.issuperset(value) for value in values[1:4])
    require(is_formed and values[-1] in {b"\0", b"\x01"}, StatusWord.DATA_INVALID)
    return values
