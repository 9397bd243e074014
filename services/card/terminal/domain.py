"""The security domain of a card: its keys, its applications and its life, in the issuer's session; free data too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.card import tlv
from services.card.apdu import SHORT_LE, Command
from services.card.refusals import CardNotAuthentic, ContentRefused
from services.card.securechannel import StaticKeys, decode_point, encode_point
from services.card.terminal.application import Application
from services.card.terminal.key_set import key_set_answer, key_set_data
from services.card.terminal.own_service import MODULE, ServiceParameters

DOMAIN_AID = bytes.fromhex("A000000151000000")
ANCHOR_KEY, STATIC_KEY = 0x10, 0x11
_CURVES: dict[str, int] = {"secp256r1": 0x00, "secp384r1": 0x01}


class LifeCycle(IntEnum):
    """The states of a card, by their octets in GET DATA 9F70 and SET STATUS."""

    ISSUED = 0x01
    PERSONALISED = 0x07
    ACTIVE = 0x0F
    LOCKED = 0x7F
    TERMINATED = 0xFF


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key that the card has: identifier, version, type (88 AES, B0 public, B1 private) and length in octets."""

    kid: int
    kvn: int
    kind: int
    length: int


@dataclass(frozen=True, slots=True)
class Installed:
    """An application of the card, and the octets that it uses and has reserved."""

    aid: bytes
    used: int
    reserved: int


class SecurityDomain(Application):
    """The card manager."""

    def number(self) -> bytes:
        """Reads the card's number, ten octets."""
        return self._object(0x0045)

    def issuer(self) -> str:
        """Reads the municipality code of the issuer, six digits; refuses CARD_KEY_UNKNOWN on a blank card."""
        return self._object(0x0042).decode("ascii", "replace")

    def life_cycle(self) -> LifeCycle:
        """Reads the card's state; refuses CARD_CONTENT_REFUSED for one that the specification does not have."""
        octets = self._object(0x9F70)
        try:
            return LifeCycle(int.from_bytes(octets, "big"))
        except ValueError:
            raise ContentRefused("use a card of the specification: its state is none of the five") from None

    def keys(self) -> tuple[KeyEntry, ...]:
        """Lists the card's keys."""
        raw = self._data(0x00E0)
        entries = _parsed(raw)
        return tuple(KeyEntry(*item.value) for item in entries if item.tag == 0xC0 and len(item.value) == 4)

    def version_of(self, kid: int) -> int:
        """Returns the highest version of a key; refuses CARD_NOT_AUTHENTIC on a card without it."""
        versions = [entry.kvn for entry in self.keys() if entry.kid == kid]
        if not versions:
            raise CardNotAuthentic("have the issuer give the card its keys for terminals first", key=f"{kid:02X}")
        return max(versions)

    def certificates(self, kid: int, kvn: int) -> bytes:
        """Reads the certificates of a key, `DER ‖ DER`, leaf last; refuses CARD_KEY_UNKNOWN without any."""
        return self.call(Command(0x80, 0xCA, 0xBF, 0x21, _reference(kid, kvn), SHORT_LE))

    def applications(self) -> tuple[Installed, ...]:
        """Lists the applications, in the issuer's session."""
        raw = self.call(Command(0x80, 0xF2, 0x40, 0x00, b"\x4f\x00", SHORT_LE))
        return tuple(_installed(item) for item in _parsed(raw))

    def put_keys(self, replaced: int, version: int, keys: StaticKeys) -> None:
        """Adds (`replaced` 0) or replaces the issuer's keys; refuses CARD_FAILED when the card took others."""
        data = key_set_data(version, keys, self._selection.dek)
        answer = self.call(Command(0x80, 0xD8, replaced, 0x81, data, SHORT_LE))
        if answer != key_set_answer(version, keys):
            raise ContentRefused("put the keys again: the card does not confirm their check values")

    def put_anchor(self, replaced: int, version: int, key: ec.EllipticCurvePublicKey) -> None:
        """Adds or replaces the key, P-256 or P-384, by which the card checks terminals."""
        curve = _CURVES.get(key.curve.name)
        if curve is None:
            raise ContentRefused("give a key of P-256 or P-384")
        data = bytes((version,)) + tlv.encode(0xB0, encode_point(key)) + tlv.encode(0xF0, bytes((curve,))) + b"\0"
        self.call(Command(0x80, 0xD8, replaced, ANCHOR_KEY, data, SHORT_LE))

    def generate_static(self, replaced: int, version: int) -> ec.EllipticCurvePublicKey:
        """Lets the card make its key for SCP11a and returns the public half."""
        data = bytes((version,)) + tlv.encode(0xF0, b"\0")
        answer = self.call(Command(0x80, 0xF1, replaced, STATIC_KEY, data, SHORT_LE))
        try:
            return decode_point(tlv.parse_exactly(answer, 0xB0)[0])
        except ValueError:
            raise ContentRefused("withdraw the card: its key is no point of P-256") from None

    def store_certificates(self, kid: int, kvn: int, certificates: Sequence[x509.Certificate]) -> None:
        """Writes the certificates of a key, leaf last; none removes them."""
        der = b"".join(certificate.public_bytes(Encoding.DER) for certificate in certificates)
        self._store(_reference(kid, kvn) + tlv.encode(0xBF21, der))

    def store_issuer(self, municipality: str) -> None:
        """Writes the issuer's six-digit code, while the card is issued."""
        self._store(tlv.encode(0x42, municipality.encode("ascii", "replace")))

    def install(self, aid: bytes, service: ServiceParameters | None = None) -> None:
        """Installs an application of the specification; an own service with its parameters.

        Refuses CARD_OBJECT_EXISTS, CARD_FULL, CARD_CONTENT_REFUSED.
        """
        module = aid if service is None else MODULE
        parameters = tlv.encode(0xC9, b"" if service is None else service.encode(self._selection.dek))
        fields = (b"", module, aid, b"\0", parameters, b"")
        self.call(Command(0x80, 0xE6, 0x0C, 0x00, b"".join(_field(field) for field in fields), SHORT_LE))

    def delete(self, aid: bytes) -> None:
        """Deletes an application with all that it holds; refuses CARD_KEY_UNKNOWN when it is not there."""
        self.call(Command(0x80, 0xE4, 0x00, 0x00, tlv.encode(0x4F, aid), SHORT_LE))

    def set_life_cycle(self, state: LifeCycle) -> None:
        """Moves the card to another state; refuses CARD_STATE_FORBIDS. Nothing leads out of TERMINATED."""
        self.call(Command(0x80, 0xF0, 0x80, state))

    def _object(self, tag: int) -> bytes:
        try:
            return tlv.parse_exactly(self._data(tag), tag)[0]
        except tlv.TlvMalformed:
            raise ContentRefused("use a card of the specification: a data object is malformed") from None

    def _data(self, tag: int) -> bytes:
        return self.call(Command(0x80, 0xCA, tag >> 8, tag & 0xFF, le=SHORT_LE))

    def _store(self, data: bytes) -> None:
        self.call(Command(0x80, 0xE2, 0x90, 0x00, data))


def _reference(kid: int, kvn: int) -> bytes:
    return tlv.encode(0xA6, tlv.encode(0x83, bytes((kid, kvn))))


def _field(octets: bytes) -> bytes:
    if len(octets) > 0xFF:
        raise ContentRefused("ask for less: the parameters do not fit the command")
    return bytes((len(octets),)) + octets


def _installed(item: tlv.Tlv) -> Installed:
    found = {inner.tag: inner.value for inner in _parsed(item.value)}
    used, reserved = (int.from_bytes(found.get(tag, b""), "big") for tag in (0xC6, 0xC7))
    return Installed(found.get(0x4F, b""), used, reserved)


def _parsed(raw: bytes) -> tuple[tlv.Tlv, ...]:
    try:
        return tlv.parse(raw)
    except tlv.TlvMalformed:
        raise ContentRefused("use a card of the specification: a data object is malformed") from None
