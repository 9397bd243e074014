"""OpenSSL accepts what the ceremony makes and refuses what an authority may not vouch for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.pki import profiles
from deploy.pki.authority import Pki
from deploy.pki.certificates import Issuer, certify
from tests.integration.pki.makers import forge, issuer_of, openssl, pair_of, settings, verify

NODES = [
    "municipal/131016",
    "prefecture/14",
    "agency/national",
    "counter/131016-1",
    "relying/pension",
    "auditor/outside",
]


@pytest.mark.parametrize("name", NODES)
def test_an_issued_chain_is_accepted_for_calling(pki: Pki, tmp_path: Path, name: str) -> None:
    status, said = verify(pki, pair_of(pki.issue(name)).chain, tmp_path, "-purpose", "sslclient")

    assert status == 0, said


def test_a_server_is_accepted_under_its_own_name_only(pki: Pki, tmp_path: Path) -> None:
    chain = pair_of(pki.issue("prefecture/13")).chain

    own = verify(pki, chain, tmp_path, "-purpose", "sslserver", "-verify_hostname", "13.prefecture.13.juki.example")
    other = verify(pki, chain, tmp_path, "-purpose", "sslserver", "-verify_hostname", "14.prefecture.14.juki.example")

    assert own[0] == 0, own[1]
    assert "hostname mismatch" in other[1]


def test_a_client_is_not_accepted_as_a_server(pki: Pki, tmp_path: Path) -> None:
    status, said = verify(pki, pair_of(pki.issue("relying/pension")).chain, tmp_path, "-purpose", "sslserver")

    assert status != 0
    assert "unsuitable certificate purpose" in said


def test_a_signing_chain_is_accepted(pki: Pki, tmp_path: Path) -> None:
    status, said = verify(pki, pair_of(pki.issue("municipal/131016"), "signing").chain, tmp_path)

    assert status == 0, said


@pytest.mark.parametrize(
    ("uri", "dns", "accepted"),
    [
        ("spiffe://13.juki.example/municipal/131016", "131016.municipal.13.juki.example", True),
        ("spiffe://14.juki.example/municipal/141003", "131016.municipal.13.juki.example", False),
        ("spiffe://13.juki.example/municipal/131016", "141003.municipal.14.juki.example", False),
        ("spiffe://national.juki.example/agency/national", "localhost", False),
        ("spiffe://sub.13.juki.example/municipal/131016", "localhost", False),
        ("spiffe://13.juki.example.evil.example/municipal/131016", "localhost", False),
    ],
)
def test_an_authority_vouches_for_its_own_domain_only(
    pki: Pki, tmp_path: Path, uri: str, dns: str, accepted: bool
) -> None:
    forged = forge(issuer_of(pki, "13"), [uri], [dns])

    status, said = verify(pki, forged.chain, tmp_path)

    assert (status == 0) is accepted, said
    assert accepted or "permitted subtree violation" in said


def test_a_second_uri_of_another_domain_is_refused(pki: Pki, tmp_path: Path) -> None:
    own, other = "spiffe://13.juki.example/prefecture/13", "spiffe://14.juki.example/prefecture/14"

    _, said = verify(pki, forge(issuer_of(pki, "13"), [own, other], []).chain, tmp_path)

    assert "permitted subtree violation" in said


def test_an_issuing_authority_makes_no_further_authority(pki: Pki, tmp_path: Path) -> None:
    issuer, key = issuer_of(pki, "13"), ec.generate_private_key(ec.SECP256R1())
    # A self-issued certificate does not count towards the path's length (RFC 5280 §4.2.1.9), so it has another subject.
    profile = replace(profiles.issuing(settings(), "13"), subject=profiles.issuing(settings(), "14").subject)
    further = certify(profile, key.public_key(), issuer, 9, datetime.now(UTC))
    leaf = forge(Issuer(further, key), ["spiffe://13.juki.example/prefecture/13"], [])

    _, said = verify(pki, leaf.chain + issuer.certificate.public_bytes(Encoding.PEM), tmp_path)

    assert "path length constraint exceeded" in said


def test_a_revoked_certificate_is_refused(pki: Pki, tmp_path: Path) -> None:
    chain = pair_of(pki.issue("prefecture/13")).chain

    pki.revoke("prefecture/13", "keyCompromise")

    _, said = verify(pki, chain, tmp_path)
    assert "certificate revoked" in said


def test_a_published_list_reads_as_such(pki: Pki) -> None:
    pki.issue("prefecture/13")
    (serial,) = pki.revoke("prefecture/13", "cessationOfOperation")

    status, said = openssl("crl", "-in", pki.trust.revocation_list_path("13"), "-noout", "-text")

    assert status == 0
    assert f"Serial Number: {serial.lstrip('0').upper()}" in said.replace("Serial Number: 0", "Serial Number: ")
    assert "Cessation Of Operation" in said


def test_a_key_file_belongs_to_its_certificate(pki: Pki) -> None:
    directory = pki.issue("municipal/131016")

    for kind in ("tls", "signing"):
        _, of_key = openssl("pkey", "-in", directory / f"{kind}.key", "-pubout")
        _, of_certificate = openssl("x509", "-in", directory / f"{kind}.crt", "-noout", "-pubkey")
        assert of_key == of_certificate
