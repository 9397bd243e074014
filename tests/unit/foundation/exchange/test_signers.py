"""Signing certificates: believed only when they lead to a root by an authority that may vouch for the node."""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.foundation.exchange.envelope import EnvelopeSigner
from services.foundation.exchange.refusals import SignerUnknown
from services.foundation.exchange.signers import Signers
from tests.doubles.exchange import InboxState, MemoryInboxStore
from tests.streams import CITY, NOW, OTHER, FixedClock, Pki, signers_of

PKI = Pki(CITY.trust_domain)


async def introduce(signers: Signers, signer: EnvelopeSigner, certificates: list[bytes] | None = None) -> None:
    store = MemoryInboxStore(InboxState(), lambda: None)
    given = signer.certificates if certificates is None else certificates
    await signers.introduce(store, [signer.signer_hash], given)
    await signers.introduce(store, [signer.signer_hash], ())


async def test_a_certificate_that_leads_to_a_root_is_known() -> None:
    signers, signer = signers_of(PKI), PKI.signer(CITY)

    await introduce(signers, signer)

    assert signers.signer(signer.signer_hash).node == CITY


async def refused(signers: Signers, signer: EnvelopeSigner, certificates: list[bytes] | None = None) -> None:
    await introduce(signers, signer, certificates)
    with pytest.raises(SignerUnknown):
        signers.signer(signer.signer_hash)


async def test_a_certificate_nobody_showed_is_unknown() -> None:
    await refused(signers_of(PKI), PKI.signer(CITY), [])


async def test_a_certificate_without_its_issuer_is_not_believed() -> None:
    signer = PKI.signer(CITY)

    await refused(signers_of(PKI), signer, signer.certificates[:1])


async def test_a_certificate_of_another_root_is_not_believed() -> None:
    await refused(signers_of(PKI), Pki(CITY.trust_domain).signer(CITY))


async def test_an_authority_that_may_not_vouch_for_the_domain_is_not_believed() -> None:
    pki = Pki(OTHER.trust_domain)

    await refused(signers_of(pki), pki.signer(CITY))


async def test_a_domain_that_may_not_hold_the_node_is_not_believed() -> None:
    await refused(signers_of(PKI), PKI.signer(CITY, uris=(f"spiffe://{CITY.trust_domain}/municipal/141003",)))


@pytest.mark.parametrize("uris", [(CITY.uri, OTHER.uri), ("https://13.juki.example/municipal/131016",)])
async def test_a_certificate_without_exactly_one_identity_is_not_believed(uris: tuple[str, ...]) -> None:
    await refused(signers_of(PKI), PKI.signer(CITY, uris=uris))


async def test_an_authoritys_own_certificate_is_no_signers() -> None:
    await refused(signers_of(PKI), PKI.signer(CITY, authority=True))


async def test_bytes_that_are_no_certificate_are_passed_over() -> None:
    signers, signer = signers_of(PKI), PKI.signer(CITY)

    await introduce(signers, signer, [b"rubbish", *signer.certificates])

    assert signers.knows(signer.signer_hash)


async def test_many_certificates_of_one_name_are_not_tried_each_with_each() -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    certificates = [
        builder.serial_number(number).sign(key, hashes.SHA256()).public_bytes(Encoding.DER) for number in range(1, 201)
    ]
    signers, store = signers_of(PKI), MemoryInboxStore(InboxState(), lambda: None)
    began = time.process_time()

    await signers.introduce(store, [hashlib.sha256(each).digest() for each in certificates], certificates)

    # Each with each would be forty thousand signatures to verify, of which a second has not a quarter.
    assert time.process_time() - began < 1.0
    assert not store.state.signers


async def test_a_certificate_past_its_time_no_longer_counts() -> None:
    clock = FixedClock()
    signers, signer = signers_of(PKI, clock=clock), PKI.signer(CITY, days=30)
    await introduce(signers, signer)

    clock.time = NOW + timedelta(days=31)

    with pytest.raises(SignerUnknown):
        signers.signer(signer.signer_hash)


async def test_a_certificate_revoked_later_no_longer_counts() -> None:
    signer = PKI.signer(CITY)
    serial = x509.load_der_x509_certificate(signer.certificates[0]).serial_number
    revoked: set[int] = set()
    signers = Signers([PKI.root], "juki.example", FixedClock(), lambda _issuer, number: number in revoked)
    await introduce(signers, signer)
    assert signers.signer(signer.signer_hash)

    revoked.add(serial)

    with pytest.raises(SignerUnknown):
        signers.signer(signer.signer_hash)
