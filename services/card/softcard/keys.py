"""Which keys a security domain holds: SCP03 sets, the terminals' trust anchor, the card's static key."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.asymmetric import ec

from services.card import tlv
from services.card.apdu import StatusWord
from services.card.securechannel import KEY_SIZE, StaticKeys, check_value, decode_point, decrypt_key, encode_point
from services.card.softcard.applet import Denied, require
from services.card.softcard.memory import Area

KEY_SET = 0x01
"""Key identifier of the first of the three SCP03 keys; the others are 02 and 03."""
ANCHOR = 0x10
"""Key identifier of the key that signs terminals' certificates or their issuers'."""
STATIC = 0x11
"""Key identifier of the card's own key for SCP11a."""
AES, PUBLIC, PRIVATE, CURVE = 0x88, 0xB0, 0xB1, 0xF0
"""Types of keys in PUT KEY and in the key information (GlobalPlatform 2.3 §11.1.8)."""
_CURVES: dict[int, ec.EllipticCurve] = {0x00: ec.SECP256R1(), 0x01: ec.SECP384R1()}
_SCALAR = 32


class KeyStore:
    """The keys in one application's area, by identifier and version."""

    def __init__(self, area: Area) -> None:
        self._area = area

    def versions(self, kid: int) -> list[int]:
        """Lists the versions that a key identifier has, lowest first."""
        prefix = _cell(kid, 0)[:-2]
        return [int(name[-2:], 16) for name in self._area.names() if name.startswith(prefix)]

    def has(self, kid: int, kvn: int) -> bool:
        """Tells whether there is such a key."""
        return self._area.get(_cell(kid, kvn)) is not None

    def key_set(self, kvn: int) -> tuple[int, StaticKeys]:
        """Returns an SCP03 key set and its version; 0 asks for the lowest. Refuses 6A88."""
        versions = self.versions(KEY_SET)
        chosen = kvn or (versions[0] if versions else 0)
        value = self._value(KEY_SET, chosen)
        return chosen, StaticKeys(value[:KEY_SIZE], value[KEY_SIZE : 2 * KEY_SIZE], value[2 * KEY_SIZE :])

    def anchor(self, kvn: int) -> ec.EllipticCurvePublicKey:
        """Returns the terminals' trust anchor; refuses 6A88."""
        value = self._value(ANCHOR, kvn)
        return decode_point(value[1:], _CURVES[value[0]])

    def static(self, kvn: int) -> ec.EllipticCurvePrivateKey:
        """Returns the card's key for SCP11a; refuses 6A88."""
        return ec.derive_private_key(int.from_bytes(self._value(STATIC, kvn), "big"), ec.SECP256R1())

    def put_key_set(self, kvn: int, keys: StaticKeys, replaced: int = 0) -> None:
        """Adds an SCP03 key set, or replaces one; refuses 6A88 and 6A89."""
        self._put(KEY_SET, kvn, keys.enc + keys.mac + keys.dek, replaced)

    def put_anchor(self, data: bytes, replaced: int) -> bytes:
        """Takes the data of PUT KEY for key 10 and answers as that command does; refuses 6A80, 6A88, 6A89."""
        kvn, (point, curve) = _elliptic(data, PUBLIC)
        require(curve in _CURVES, StatusWord.DATA_INVALID)
        try:
            decode_point(point, _CURVES[curve])
        except ValueError:
            raise Denied(StatusWord.DATA_INVALID) from None
        self._put(ANCHOR, kvn, bytes((curve,)) + point, replaced)
        return bytes((kvn,))

    def put_static(self, data: bytes, replaced: int, dek: bytes) -> bytes:
        """Takes the data of PUT KEY for key 11 and answers as that command does; refuses 6A80, 6A88, 6A89."""
        kvn, (encrypted, curve) = _elliptic(data, PRIVATE)
        require(curve == 0 and len(encrypted) == _SCALAR, StatusWord.DATA_INVALID)
        scalar = decrypt_key(dek, encrypted)
        try:
            ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        except ValueError:
            raise Denied(StatusWord.DATA_INVALID) from None
        self._put(STATIC, kvn, scalar, replaced)
        return bytes((kvn,))

    def generate_static(self, data: bytes, replaced: int, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Takes the data of GENERATE KEY and the new key, and answers with its point; refuses 6A80, 6A88, 6A89."""
        kvn = _version(data)
        require(data[1:] == tlv.encode(CURVE, b"\0"), StatusWord.DATA_INVALID)
        self._put(STATIC, kvn, key.private_numbers().private_value.to_bytes(_SCALAR, "big"), replaced)
        return tlv.encode(PUBLIC, encode_point(key.public_key()))

    def delete(self, kid: int | None, kvn: int | None) -> None:
        """Removes the keys that match; refuses 6A88 when none does, 6985 when no SCP03 set would be left."""
        wanted = [
            (identifier, version)
            for identifier in (KEY_SET, ANCHOR, STATIC)
            for version in self.versions(identifier)
            if kid in {None, identifier} and kvn in {None, version}
        ]
        require(wanted, StatusWord.REFERENCE_UNKNOWN)
        sets = {version for identifier, version in wanted if identifier == KEY_SET}
        require(set(self.versions(KEY_SET)) != sets, StatusWord.CONDITIONS)
        for identifier, version in wanted:
            self._area.put(_cell(identifier, version), None)

    def information(self) -> bytes:
        """Lists the keys as `C0{kid kvn type length}` (GlobalPlatform 2.3 §11.3.3.1.1)."""
        entries = []
        for kvn in self.versions(KEY_SET):
            entries += [(kid, kvn, AES, KEY_SIZE) for kid in (KEY_SET, KEY_SET + 1, KEY_SET + 2)]
        entries += [(ANCHOR, kvn, PUBLIC, len(self._value(ANCHOR, kvn)) - 1) for kvn in self.versions(ANCHOR)]
        entries += [(STATIC, kvn, PRIVATE, _SCALAR) for kvn in self.versions(STATIC)]
        return b"".join(tlv.encode(0xC0, bytes(entry)) for entry in entries)

    def _value(self, kid: int, kvn: int) -> bytes:
        value = self._area.get(_cell(kid, kvn))
        if value is None:
            raise Denied(StatusWord.REFERENCE_UNKNOWN)
        return value

    def _put(self, kid: int, kvn: int, value: bytes, replaced: int) -> None:
        if replaced:
            require(self.has(kid, replaced), StatusWord.REFERENCE_UNKNOWN)
        require(kvn == replaced or not self.has(kid, kvn), StatusWord.FILE_EXISTS)
        if replaced:
            self._area.put(_cell(kid, replaced), None)
        self._area.put(_cell(kid, kvn), value)


def parse_key_set(data: bytes, dek: bytes) -> tuple[int, StaticKeys, bytes]:
    """Reads version and three keys of PUT KEY, with the answer to it; refuses 6A80 for a form or check value."""
    kvn = _version(data)
    keys = []
    rest = data[1:]
    for _ in range(3):
        field, check, rest = rest[: 2 + KEY_SIZE], rest[2 + KEY_SIZE : 6 + KEY_SIZE], rest[6 + KEY_SIZE :]
        require(field[:2] == bytes((AES, KEY_SIZE)) and len(field) == 2 + KEY_SIZE, StatusWord.DATA_INVALID)
        key = decrypt_key(dek, field[2:])
        require(hmac.compare_digest(check, b"\x03" + check_value(key)), StatusWord.DATA_INVALID)
        keys.append(key)
    require(not rest, StatusWord.DATA_INVALID)
    return kvn, StaticKeys(*keys), bytes((kvn,)) + b"".join(check_value(key) for key in keys)


def _elliptic(data: bytes, kind: int) -> tuple[int, tuple[bytes, int]]:
    kvn = _version(data)
    require(data[-1:] == b"\0", StatusWord.DATA_INVALID)
    try:
        key, curve = tlv.parse_exactly(data[1:-1], kind, CURVE)
    except tlv.TlvMalformed:
        raise Denied(StatusWord.DATA_INVALID) from None
    require(len(curve) == 1, StatusWord.DATA_INVALID)
    return kvn, (key, curve[0])


def _version(data: bytes) -> int:
    require(data and 0x01 <= data[0] <= 0x7F, StatusWord.DATA_INVALID)
    return data[0]


def _cell(kid: int, kvn: int) -> str:
    return f"key/{kid:02X}/{kvn:02X}"
