"""Ordering a purposes table: the order's text, its signatures, and the two files that every node reads."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from deploy.pki.files import PUBLIC_DIRECTORY, make_directory, write_atomic, write_once
from deploy.pki.refusals import KeyUnreadable
from services.confirmation.adopting import ACTION, ORDER_FILE, TABLE_FILE, read_kept
from services.confirmation.refusals import PurposesTableRefused
from services.confirmation.rules.admission import JAPAN
from services.foundation.audit.note import NoteSigner, parse_note
from services.foundation.orders import Order, OrderRefused, parse_order, sign_order

LIFETIME = timedelta(days=30)
"""How long nodes may take to adopt a table."""
_SLACK = timedelta(minutes=5)
_RENEWAL = timedelta(days=7)

HAND_OVER_KEY = "hand-over.key"
"""File of a body's key directory that holds its X25519 private key, PEM PKCS#8."""


def order_for(data: bytes, *, number: int, now: datetime, reason: str, effective_from: date | None = None) -> Order:
    """Returns the order to adopt a table, not signed; in force from today in Japan unless a day is given."""
    return Order(
        action=ACTION,
        target=f"sha256:{hashlib.sha256(data).hexdigest()}",
        number=number,
        effective_from=effective_from or now.astimezone(JAPAN).date(),
        not_before=(now - _SLACK).replace(microsecond=0),
        expires_at=(now + LIFETIME).replace(microsecond=0),
        nonce=str(uuid.uuid4()),
        reason=reason,
    )


def publish(directory: Path, data: bytes, note: str) -> None:
    """Puts table and order where nodes look for them; the order last, since it is what they look for."""
    make_directory(directory, PUBLIC_DIRECTORY)
    write_atomic(directory / TABLE_FILE, data)
    write_atomic(directory / ORDER_FILE, note.encode())


def ensure_published(directory: Path, data: bytes, signers: Sequence[NoteSigner], now: datetime, reason: str) -> Order:
    """Orders a table unless it is ordered already, and the order good for a while yet; returns the order."""
    standing = _standing(directory)
    if standing is not None:
        order, published = standing
        if published == data and order.expires_at - now > _RENEWAL:
            return order
    order = order_for(data, number=1 if standing is None else standing[0].number + 1, now=now, reason=reason)
    publish(directory, data, sign_order(order, signers))
    return order


def ensure_body_key(keys: Path, public: Path) -> None:
    """Makes a body's key for hand-overs, if it has none, and writes the public half that the table registers."""
    path = keys / HAND_OVER_KEY
    if not path.exists():
        pem = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_once(path, pem)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, X25519PrivateKey):
        raise KeyUnreadable("restore the body's X25519 key from its backup", file=path.name)
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not public.exists() or public.read_bytes() != text:
        make_directory(public.parent, PUBLIC_DIRECTORY)
        write_atomic(public, text)


def _standing(directory: Path) -> tuple[Order, bytes] | None:
    try:
        kept = read_kept(directory)
        return parse_order(parse_note(kept.note)[0]), kept.body
    except (PurposesTableRefused, OrderRefused):
        return None
