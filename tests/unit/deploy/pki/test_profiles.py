"""Each kind of certificate holds exactly the extensions it should, each as critical as it must be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from deploy.pki import profiles
from deploy.pki.certificates import PublicKey, certify, new_serial, self_sign
from deploy.pki.refusals import AuthorityExpired
from services.foundation.identity import node_id
from tests.unit.deploy.pki.makers import NOW, make_authority, make_root, make_settings

CONSTRAINTS, USAGE, PURPOSE = ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE
NAMES, SUBTREES = ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.NAME_CONSTRAINTS
SUBJECT_ID, ISSUER_ID = ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER

SETTINGS = make_settings()
AUTHORITIES = {label: make_authority(SETTINGS, label) for label in SETTINGS.authorities}
SERVERS = ["municipal/131016", "municipal/141003", "prefecture/13", "agency/national"]
CLIENTS = ["counter/131016-1", "relying/pension", "auditor/outside"]

codes = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True)


def extensions(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, bool]:
    return {extension.oid: extension.critical for extension in certificate.extensions}


def issue(name: str, profile: Callable[..., profiles.Profile], key: PublicKey) -> x509.Certificate:
    node = node_id(name, SETTINGS.trust_domain)
    issuer = AUTHORITIES[node.trust_domain.partition(".")[0]]
    return certify(profile(SETTINGS, node), key, issuer, new_serial(), NOW)


def issue_tls(name: str) -> x509.Certificate:
    return issue(name, profiles.tls, ec.generate_private_key(ec.SECP256R1()).public_key())


def names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_root_holds_three_extensions() -> None:
    assert extensions(make_root(SETTINGS).certificate) == {CONSTRAINTS: True, USAGE: True, SUBJECT_ID: False}


def test_an_issuing_authority_is_constrained_critically() -> None:
    assert extensions(AUTHORITIES["13"].certificate) == {
        CONSTRAINTS: True,
        USAGE: True,
        SUBTREES: True,
        SUBJECT_ID: False,
        ISSUER_ID: False,
    }


@pytest.mark.parametrize("name", SERVERS + CLIENTS)
def test_a_tls_certificate_holds_six_extensions(name: str) -> None:
    assert extensions(issue_tls(name)) == {
        CONSTRAINTS: True,
        USAGE: True,
        PURPOSE: False,
        NAMES: False,
        SUBJECT_ID: False,
        ISSUER_ID: False,
    }


@pytest.mark.parametrize("name", SERVERS)
def test_a_signing_certificate_names_no_purpose_of_tls(name: str) -> None:
    certificate = issue(name, profiles.signing, ed25519.Ed25519PrivateKey.generate().public_key())

    assert extensions(certificate) == {
        CONSTRAINTS: True,
        USAGE: True,
        NAMES: False,
        SUBJECT_ID: False,
        ISSUER_ID: False,
    }
    assert list(names_of(certificate)) == [
        x509.UniformResourceIdentifier(node_id(name, SETTINGS.trust_domain).uri),
    ]


def test_only_authorities_may_sign_certificates_and_lists() -> None:
    usages = [
        certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        for certificate in (make_root(SETTINGS).certificate, AUTHORITIES["13"].certificate, issue_tls("prefecture/13"))
    ]

    assert [(usage.key_cert_sign, usage.crl_sign, usage.digital_signature) for usage in usages] == [
        (True, True, False),
        (True, True, False),
        (False, False, True),
    ]


def test_the_path_ends_below_an_issuing_authority() -> None:
    held = [
        certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        for certificate in (make_root(SETTINGS).certificate, AUTHORITIES["13"].certificate, issue_tls("prefecture/13"))
    ]

    assert [(each.ca, each.path_length) for each in held] == [(True, 1), (True, 0), (False, None)]


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_may_be_reached_and_may_call(name: str) -> None:
    purposes = issue_tls(name).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value

    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_may_only_call(name: str) -> None:
    certificate = issue_tls(name)

    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names_of(certificate).get_values_for_type(x509.DNSName) == []


@given(tier=st.sampled_from(["municipal", "prefecture", "agency", "counter", "relying", "auditor"]), code=codes)
def test_every_node_has_exactly_one_uri(tier: str, code: str) -> None:
    node = node_id(f"{tier}/{code}", SETTINGS.trust_domain)

    held = {type(value): value for value, _ in profiles.tls(SETTINGS, node).extensions}

    names = held[x509.SubjectAlternativeName]
    assert isinstance(names, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [node.uri]


def test_a_deployment_has_no_loopback_names() -> None:
    settings = make_settings(development=False)
    node = node_id("prefecture/13", settings.trust_domain)

    names = [
        value for value, _ in profiles.tls(settings, node).extensions if isinstance(value, x509.SubjectAlternativeName)
    ]

    assert list(names[0]) == [x509.UniformResourceIdentifier(node.uri), x509.DNSName(node.dns_name)]


def test_a_deployment_excludes_every_address() -> None:
    authority = make_authority(make_settings(development=False)).certificate

    subtrees = authority.extensions.get_extension_for_class(x509.NameConstraints).value

    assert subtrees.permitted_subtrees == [
        x509.UniformResourceIdentifier("13.juki.example"),
        x509.DNSName("13.juki.example"),
    ]
    assert [str(excluded.value) for excluded in subtrees.excluded_subtrees or []] == ["0.0.0.0/0", "::/0"]


def test_a_certificate_begins_five_minutes_ago_and_lasts_thirty_days() -> None:
    certificate = issue_tls("prefecture/13")

    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)


def test_a_certificate_ends_no_later_than_its_issuer() -> None:
    issuer = AUTHORITIES["13"]
    late = issuer.certificate.not_valid_after_utc - timedelta(days=3)
    profile = profiles.tls(SETTINGS, node_id("prefecture/13", SETTINGS.trust_domain))

    certificate = certify(profile, ec.generate_private_key(ec.SECP256R1()).public_key(), issuer, 7, late)

    assert certificate.not_valid_after_utc == issuer.certificate.not_valid_after_utc


def test_an_authority_that_has_ended_signs_nothing() -> None:
    issuer = AUTHORITIES["13"]
    profile = profiles.tls(SETTINGS, node_id("prefecture/13", SETTINGS.trust_domain))
    key = ec.generate_private_key(ec.SECP256R1()).public_key()

    with pytest.raises(AuthorityExpired) as refused:
        certify(profile, key, issuer, 7, issuer.certificate.not_valid_after_utc)

    assert refused.value.reason == "PKI_AUTHORITY_EXPIRED"


def test_a_serial_is_drawn_from_128_bits() -> None:
    serials = {new_serial() for _ in range(1000)}

    assert len(serials) == 1000
    assert 2**120 < max(serials) < 2**128


def test_a_profile_tells_its_own_certificates_from_others() -> None:
    described = profiles.issuing(SETTINGS, "13")

    assert described.describes(AUTHORITIES["13"].certificate)
    assert not described.describes(AUTHORITIES["14"].certificate)
    assert not described.describes(make_authority(make_settings(development=False)).certificate)


def test_a_root_signs_with_the_stronger_hash() -> None:
    key = ec.generate_private_key(ec.SECP384R1())

    certificate = self_sign(profiles.root(SETTINGS), key, 1, NOW)

    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha384"
