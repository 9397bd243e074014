"""What goes into the derivation of a card's key (NIST SP 800-108r1, counter mode, CMAC over AES-256)."""

from __future__ import annotations

from enum import Enum

_KEY_BITS = 128


class Purpose(Enum):
    """What a set of keys is for; each is derived from a master key of its own. Values are labels in the token."""

    TRANSPORT = "juki-transport-master"
    """The keys with which a card leaves production, shared with its maker."""
    CARD = "juki-card-master"
    """The issuer's keys of a card that it has issued."""
    SERVICE = "juki-service-master"
    """The keys of an own service's area on a card."""


def derivation_input(purpose: Purpose, context: bytes, which: int) -> bytes:
    """Returns the block whose CMAC under the master key is the 16-octet key `which` of a set (1 ENC, 2 MAC, 3 DEK).

    It is `[1]₄ ‖ label ‖ 00 ‖ context ‖ which ‖ [128]₄`: one block, since a key is as long as a CMAC. `context` is the
    card's number (10 octets), for a service followed by its number (2 octets); lengths are fixed by the purpose, so no
    two keys have the same input.
    """
    label = purpose.value.encode("ascii")
    return b"\0\0\0\x01" + label + b"\0" + context + bytes((which,)) + _KEY_BITS.to_bytes(4, "big")
