"""What the guard decides from what gRPC tells of a connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.foundation.identity import node_id
from services.foundation.refusals import Refusal
from services.foundation.rpc.guard import Guard
from services.foundation.rpc.trust import TrustStore
from tests.certificates import ROOT, Network, Pair, make_leaf, make_list, make_network, make_root, pem, replace_file

CALLER = "municipal/131016"


class FixedClock:
    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return make_network(tmp_path)


def connection(pair: Pair, **other: bytes) -> dict[str, list[bytes]]:
    """What gRPC tells of a connection whose peer shows `pair`."""
    facts = {
        "ssl_tls_version": b"TLSv1.3",
        "ssl_negotiated_key_exchange_group": b"X25519MLKEM768",
        "x509_pem_cert": pair.leaf_pem,
        "x509_pem_cert_chain": b"".join(pem(each) for each in pair.chain),
        **other,
    }
    return {name: [value] for name, value in facts.items() if value}


def reason(network: Network, pair: Pair, *, fresh: bool = False, **other: bytes) -> str:
    guard = Guard(TrustStore(network.trust, ROOT, require_fresh_lists=fresh))
    with pytest.raises(Refusal) as refused:
        guard.identify(connection(pair, **other))
    return refused.value.reason


def test_a_good_certificate_names_the_peer(network: Network) -> None:
    peer = Guard(TrustStore(network.trust, ROOT)).identify(connection(network.leaf(CALLER)))

    assert (peer.identity, peer.tls_version, peer.tls_group) == (node_id(CALLER, ROOT), "TLSv1.3", "X25519MLKEM768")


@pytest.mark.parametrize("version", [b"TLSv1.2", b"TLSv1.1", b""])
def test_an_old_protocol_is_refused(network: Network, version: bytes) -> None:
    assert reason(network, network.leaf(CALLER), ssl_tls_version=version) == "TLS_TOO_OLD"


@pytest.mark.parametrize("group", [b"X25519", b"P-256", b"x25519mlkem768", b""])
def test_a_classical_group_is_refused(network: Network, group: bytes) -> None:
    found = reason(network, network.leaf(CALLER), ssl_negotiated_key_exchange_group=group)

    assert found == "KEY_EXCHANGE_NOT_POST_QUANTUM"


def test_a_classical_group_of_a_peer_that_only_calls_is_let_in_where_the_settings_say_so(network: Network) -> None:
    guard = Guard(TrustStore(network.trust, ROOT), classical_callers=True)

    peer = guard.identify(connection(network.leaf("counter/131016-1"), ssl_negotiated_key_exchange_group=b"X25519"))

    assert peer.tls_group == "X25519"


def test_a_classical_group_of_a_node_is_refused_whatever_the_settings_say(network: Network) -> None:
    guard = Guard(TrustStore(network.trust, ROOT), classical_callers=True)

    with pytest.raises(Refusal) as refused:
        guard.identify(connection(network.leaf("municipal/131016"), ssl_negotiated_key_exchange_group=b"X25519"))

    assert refused.value.reason == "KEY_EXCHANGE_NOT_POST_QUANTUM"


def test_an_authority_is_no_peer(network: Network) -> None:
    assert reason(network, network.leaf(CALLER, ca=True)) == "CERTIFICATE_NOT_A_LEAF"


def test_a_key_that_does_not_sign_is_no_peers(network: Network) -> None:
    assert reason(network, network.leaf(CALLER, digital_signature=False)) == "CERTIFICATE_NOT_A_LEAF"


@pytest.mark.parametrize("usages", [[], [ExtendedKeyUsageOID.SERVER_AUTH], [ExtendedKeyUsageOID.CODE_SIGNING]])
def test_a_certificate_for_another_use_is_refused(network: Network, usages: list[Any]) -> None:
    assert reason(network, network.leaf(CALLER, usages=usages)) == "CERTIFICATE_NOT_A_LEAF"


@pytest.mark.parametrize("noise", [b"noise", b""])
def test_a_certificate_that_cannot_be_read_is_refused(network: Network, noise: bytes) -> None:
    assert reason(network, network.leaf(CALLER), x509_pem_cert=noise) == "CERTIFICATE_NOT_A_LEAF"


def test_an_identity_of_another_domain_than_its_issuers_is_refused(network: Network) -> None:
    pair = make_leaf(network.issuers[f"14.{ROOT}"], CALLER)

    assert reason(network, pair) == "ISSUER_NOT_TRUSTED"


def test_a_certificate_without_its_chain_is_refused(network: Network) -> None:
    assert reason(network, network.leaf(CALLER), x509_pem_cert_chain=b"") == "ISSUER_NOT_TRUSTED"


def test_a_chain_with_the_issuers_name_and_another_key_is_refused(network: Network) -> None:
    other = make_network(network.directory / "other")
    pair = make_leaf(other.issuers[f"13.{ROOT}"], CALLER)

    assert reason(network, Pair(pair.certificate, pair.key, (network.issuers[f"13.{ROOT}"].certificate,))) == (
        "ISSUER_NOT_TRUSTED"
    )


def test_a_leaf_signed_by_the_root_itself_is_refused(network: Network) -> None:
    pair = make_leaf(network.root, CALLER)

    assert reason(network, pair) == "ISSUER_NOT_TRUSTED"


def test_a_certificate_is_good_until_its_end_and_no_longer(network: Network) -> None:
    pair = network.leaf(CALLER)
    clock = FixedClock(pair.certificate.not_valid_after_utc)
    guard = Guard(TrustStore(network.trust, ROOT), clock=clock)
    guard.identify(connection(pair))

    clock.instant += timedelta(seconds=1)
    with pytest.raises(Refusal) as refused:
        guard.identify(connection(pair))

    assert refused.value.reason == "CERTIFICATE_EXPIRED"


def test_a_revoked_certificate_is_refused(network: Network) -> None:
    pair = network.leaf(CALLER)
    network.revoke(f"13.{ROOT}", pair.certificate.serial_number)

    assert reason(network, pair) == "CERTIFICATE_REVOKED"


def test_the_same_serial_of_another_issuer_is_not_revoked(network: Network) -> None:
    pair = network.leaf(CALLER)
    network.revoke(f"14.{ROOT}", pair.certificate.serial_number)

    Guard(TrustStore(network.trust, ROOT)).identify(connection(pair))


def test_a_certificate_of_a_revoked_issuer_is_refused(network: Network) -> None:
    issuer = network.issuers[f"13.{ROOT}"].certificate
    replace_file(network.trust / "crl" / "root.crl", make_list(network.root, issuer.serial_number))

    assert reason(network, network.leaf(CALLER)) == "CERTIFICATE_REVOKED"


def test_a_list_signed_by_somebody_else_revokes_nobody(network: Network) -> None:
    pair, issuer = network.leaf(CALLER), network.issuers[f"13.{ROOT}"]
    forged = make_list(issuer, pair.certificate.serial_number, key=make_root().key)
    replace_file(network.trust / "crl" / f"13.{ROOT}.crl", forged)

    Guard(TrustStore(network.trust, ROOT)).identify(connection(pair))


def test_a_suspended_node_is_refused_and_no_other(network: Network) -> None:
    network.suspend(node_id(CALLER, ROOT))

    assert reason(network, network.leaf(CALLER)) == "NODE_SUSPENDED"
    Guard(TrustStore(network.trust, ROOT)).identify(connection(network.leaf("municipal/131024")))


def test_an_overdue_list_lets_its_issuers_peers_in_unless_the_node_is_strict(network: Network) -> None:
    pair, issuer = network.leaf(CALLER), network.issuers[f"13.{ROOT}"]
    old = make_list(issuer, begins=datetime.now(UTC) - timedelta(days=30))
    replace_file(network.trust / "crl" / f"13.{ROOT}.crl", old)

    Guard(TrustStore(network.trust, ROOT)).identify(connection(pair))
    assert reason(network, pair, fresh=True) == "REVOCATION_UNKNOWN"


def test_a_strict_node_refuses_where_there_is_no_list(network: Network) -> None:
    (network.trust / "crl" / f"13.{ROOT}.crl").unlink()

    assert reason(network, network.leaf(CALLER), fresh=True) == "REVOCATION_UNKNOWN"
