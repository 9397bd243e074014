"""What the suite is told of the card in the reader: its kind, its keys, its PINs, and what may be done to it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.card.securechannel import StaticKeys
from services.card.terminal.scp03 import KeyAccess

KINDS = ("blank", "resident", "operator")


@dataclass(frozen=True, slots=True, repr=False)
class Specimen:
    """One card, as its specimen file (see the README beside this folder) describes it."""

    kind: str
    number: bytes
    is_expendable: bool
    """Whether the card may be locked, have its PINs blocked, and, when blank, be used up."""
    keys: KeyAccess
    """The issuer's keys; of a blank card, its transport keys."""
    authority: ec.EllipticCurvePrivateKey
    """The key whose public half is the card's trust anchor for terminals."""
    issuers: tuple[x509.Certificate, ...]
    """Whose signature the card's own certificate has."""
    pins: Mapping[str, bytes]

    @property
    def static_keys(self) -> StaticKeys:
        """The issuer's keys themselves."""
        return self.keys.keys_of(self.number, self.keys.version)


def load(path: Path) -> Specimen:
    """Reads a specimen file; raises ValueError, TypeError, KeyError or OSError when it is not as the README says."""
    found = tomllib.loads(path.read_text("utf-8"))
    issuer, kind = found["issuer"], found["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    keys = StaticKeys(*(bytes.fromhex(issuer[name]) for name in ("enc", "mac", "dek")))
    authority = load_pem_private_key((path.parent / found["authority"]).read_bytes(), None)
    if not isinstance(authority, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is P-256")
    return Specimen(
        kind=kind,
        number=bytes.fromhex(found["number"]),
        is_expendable=found["expendable"],
        keys=KeyAccess(keys, issuer["version"]),
        authority=authority,
        issuers=tuple(x509.load_pem_x509_certificates((path.parent / found["issuers"]).read_bytes())),
        pins={name: pin.encode("ascii") for name, pin in found.get("pins", {}).items()},
    )
