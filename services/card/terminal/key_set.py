"""How a set of keys is sent to a card (PUT KEY, GlobalPlatform 2.3 §11.8)."""

from __future__ import annotations

from services.card import tlv
from services.card.securechannel import StaticKeys, check_value, encrypt_key


def key_set_data(version: int, keys: StaticKeys, dek: bytes) -> bytes:
    """Serializes a version and three keys, each encrypted under `dek` and with its check value."""
    return bytes((version,)) + b"".join(_key(key, dek) for key in (keys.enc, keys.mac, keys.dek))


def key_set_answer(version: int, keys: StaticKeys) -> bytes:
    """Returns what a card that took these keys answers."""
    return bytes((version,)) + b"".join(check_value(key) for key in (keys.enc, keys.mac, keys.dek))


def _key(key: bytes, dek: bytes) -> bytes:
    return tlv.encode(0x88, encrypt_key(dek, key)) + b"\x03" + check_value(key)
