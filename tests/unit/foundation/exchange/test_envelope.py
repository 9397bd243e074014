"""Envelopes: sealed, read strictly, and verified."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from juki.common.v1 import change_pb2, envelope_pb2
from services.foundation.exchange.envelope import ENVELOPE_LIMIT, NO_HASH, EnvelopeSigner, open_envelope, verify
from services.foundation.exchange.messages import Delivery
from services.foundation.exchange.refusals import EnvelopeMalformed, SenderMismatch, SignatureInvalid
from tests.streams import CITY, TOWN, Pki, change, forged

KEY = Ed25519PrivateKey.generate()
SIGNER = Pki(CITY.trust_domain).signer(CITY)


def sealed(signer: EnvelopeSigner = SIGNER) -> bytes:
    return signer.seal(1, NO_HASH, change=change("10000000001")).envelope


def edited(**fields: object) -> bytes:
    """Returns the bytes of an envelope whose body has other values, with a signature of the right length."""
    body = envelope_pb2.EnvelopeBody(sender=CITY.name, sequence=2, previous_hash=NO_HASH)
    body.change.ParseFromString(change("10000000001"))
    for name, value in fields.items():
        setattr(body, name, value)
    envelope = envelope_pb2.Envelope(body=body.SerializeToString(), signature=bytes(64), signer_hash=bytes(32))
    return envelope.SerializeToString()


def test_what_was_sealed_opens_as_it_was() -> None:
    opened = open_envelope(SIGNER.seal(3, b"h" * 32, change=change("10000000001"), supersedes=2).envelope)

    assert (opened.sender, opened.sequence, opened.previous_hash, opened.supersedes) == (CITY.name, 3, b"h" * 32, 2)
    assert opened.change is not None
    assert opened.change.resident_code == "10000000001"


def test_the_signers_key_verifies_and_another_does_not() -> None:
    opened = open_envelope(_sealed_with(KEY))

    verify(opened, CITY.name, KEY.public_key())
    with pytest.raises(SignatureInvalid):
        verify(opened, CITY.name, Ed25519PrivateKey.generate().public_key())


def test_an_envelope_of_another_sender_than_the_keys_is_refused() -> None:
    with pytest.raises(SenderMismatch):
        verify(open_envelope(sealed()), TOWN.name, KEY.public_key())


def test_a_forged_signature_is_refused() -> None:
    opened = open_envelope(forged(Delivery(_sealed_with(KEY))).envelope)

    with pytest.raises(SignatureInvalid):
        verify(opened, CITY.name, KEY.public_key())


def test_every_truncation_is_refused() -> None:
    whole = sealed()

    for length in range(len(whole)):
        with pytest.raises(EnvelopeMalformed):
            open_envelope(whole[:length])


@given(st.binary(max_size=300))
def test_bytes_that_are_no_envelope_are_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeMalformed):
        open_envelope(data)


@settings(max_examples=200)
@given(st.data())
def test_an_envelope_with_any_bit_changed_is_refused(data: st.DataObject) -> None:
    whole = bytearray(_sealed_with(KEY))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises((EnvelopeMalformed, SignatureInvalid, SenderMismatch, _OtherSigner)):
        _verify_whole(bytes(whole), KEY.public_key())


class _OtherSigner(Exception):  # noqa: N818 - named for what is the case
    """The envelope names another signing certificate."""


def _sealed_with(key: Ed25519PrivateKey) -> bytes:
    body = envelope_pb2.EnvelopeBody(sender=CITY.name, sequence=1, previous_hash=NO_HASH)
    body.change.ParseFromString(change("10000000001"))
    signed = body.SerializeToString()
    signature = key.sign(b"juki-event/v1\x00" + signed)
    return envelope_pb2.Envelope(body=signed, signature=signature, signer_hash=bytes(32)).SerializeToString()


def _verify_whole(whole: bytes, key: Ed25519PublicKey) -> None:
    opened = open_envelope(whole)
    if opened.signer_hash != bytes(32):
        raise _OtherSigner
    verify(opened, CITY.name, key)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"sender": ""}, "sender"),
        ({"sender": "municipal/131016\x00"}, "sender"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": -1}, "sequence"),
        ({"previous_hash": b"short"}, "previous_hash"),
        ({"supersedes": 2}, "supersedes"),
        ({"supersedes": -1}, "supersedes"),
    ],
)
def test_a_body_with_an_impossible_field_is_refused(fields: dict[str, object], fault: str) -> None:
    with pytest.raises(EnvelopeMalformed) as refused:
        open_envelope(edited(**fields))

    assert refused.value.facts["fault"] == fault


def test_an_envelope_without_a_message_is_refused() -> None:
    body = envelope_pb2.EnvelopeBody(sender=CITY.name, sequence=1, previous_hash=NO_HASH)
    envelope = envelope_pb2.Envelope(body=body.SerializeToString(), signature=bytes(64), signer_hash=bytes(32))

    with pytest.raises(EnvelopeMalformed) as refused:
        open_envelope(envelope.SerializeToString())

    assert refused.value.facts["fault"] == "message"


def test_a_field_that_the_contract_does_not_have_is_refused_at_any_depth() -> None:
    stowaway = b"\xfa\x07\x05hello"  # field 127
    event = change_pb2.ChangeEvent.FromString(change("10000000001") + stowaway)
    body = envelope_pb2.EnvelopeBody(sender=CITY.name, sequence=1, previous_hash=NO_HASH, change=event)
    deep = envelope_pb2.Envelope(body=body.SerializeToString(), signature=bytes(64), signer_hash=bytes(32))

    for data in (deep.SerializeToString(), sealed() + stowaway):
        with pytest.raises(EnvelopeMalformed) as refused:
            open_envelope(data)
        assert refused.value.facts["fault"] == "unknown_field"


def test_an_envelope_over_the_limit_is_refused() -> None:
    with pytest.raises(EnvelopeMalformed):
        open_envelope(bytes(ENVELOPE_LIMIT + 1))


def test_a_change_with_a_stowaway_is_not_sealed() -> None:
    with pytest.raises(EnvelopeMalformed):
        SIGNER.seal(1, NO_HASH, change=change("10000000001") + b"\xfa\x07\x05hello")


def test_what_is_opened_shows_nobodys_data() -> None:
    assert "10000000001" not in repr(open_envelope(sealed()))
