"""Verifier keys as text (C2SP signed-note): `name+id+key`; pure."""

from __future__ import annotations

import re
from typing import TypeAlias

from services.foundation.audit.cosignature import (
    ED25519_COSIGNATURE,
    MLDSA44_PUBLIC_KEY,
    MLDSA_COSIGNATURE,
    CosignatureVerifier,
    SubtreeVerifier,
)
from services.foundation.audit.note import ED25519, Ed25519Verifier, key_id, strict_base64
from services.foundation.audit.refusals import KeyMalformed, KeyUnsupported

AnyVerifier: TypeAlias = Ed25519Verifier | CosignatureVerifier | SubtreeVerifier
"""A log's key, or one of a witness's."""

_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_SIZES = {ED25519: 32, ED25519_COSIGNATURE: 32, MLDSA_COSIGNATURE: MLDSA44_PUBLIC_KEY}


def parse_vkey(text: str) -> AnyVerifier:
    """Reads a verifier key; refuses VERIFIER_KEY_MALFORMED and VERIFIER_KEY_UNSUPPORTED."""
    match = _VKEY.fullmatch(text)
    key = strict_base64(match[3]) if match else None
    if match is None or not key:
        raise KeyMalformed("a verifier key is written name+id+key")
    name, algorithm, public_key = match[1], key[0], key[1:]
    if key_id(name, algorithm, public_key).hex() != match[2]:
        raise KeyMalformed("the key id does not belong to this name and key", name=name)
    if algorithm not in _SIZES:
        raise KeyUnsupported(
            "give a log's Ed25519 key, or a witness's cosignature/v1 or ML-DSA-44 key", algorithm=algorithm
        )
    if len(public_key) != _SIZES[algorithm]:
        raise KeyMalformed("the key has not the length of its algorithm", name=name)
    if algorithm == MLDSA_COSIGNATURE:
        return SubtreeVerifier(name, public_key)
    return Ed25519Verifier(name, public_key) if algorithm == ED25519 else CosignatureVerifier(name, public_key)
