"""The trust directory, read again and again."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.foundation.identity import NodeId, node_id
from services.foundation.rpc.refusals import IssuerNotTrusted, TrustUnreadable
from services.foundation.rpc.trust import TrustStore
from tests.certificates import ROOT, Network, make_list, make_network, make_root, replace_file

NODE = node_id("municipal/131016", ROOT)
OTHER = node_id("municipal/131024", ROOT)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return make_network(tmp_path)


@pytest.fixture
def trust(network: Network) -> TrustStore:
    return TrustStore(network.trust, ROOT)


def events(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_nothing_changes_while_the_files_do_not(trust: TrustStore) -> None:
    before = trust.generation

    trust.refresh()

    assert trust.generation == before


def test_a_suspension_is_seen_at_the_next_look(network: Network, trust: TrustStore) -> None:
    network.suspend(NODE)
    before = trust.is_suspended(NODE)
    trust.refresh()

    assert (before, trust.is_suspended(NODE), trust.is_suspended(OTHER)) == (False, True, False)


def test_comments_and_blanks_suspend_nobody(network: Network, trust: TrustStore) -> None:
    replace_file(network.trust / "suspended", f"# {OTHER.uri}\n\n  {NODE.uri}  # order 7\n".encode())
    trust.refresh()

    assert (trust.is_suspended(NODE), trust.is_suspended(OTHER)) == (True, False)


@pytest.mark.parametrize("line", [b"municipal/131016", b"\xff\xfe", b"spiffe://juki.example/municipal/131016"])
def test_a_line_that_cannot_be_read_lifts_no_suspension_and_hides_none(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    network.suspend(NODE)
    trust.refresh()

    replace_file(network.trust / "suspended", line + b"\n" + OTHER.uri.encode() + b"\n")
    trust.refresh()

    assert trust.is_suspended(NODE)
    assert trust.is_suspended(OTHER)
    assert events(caplog) == ["trust.suspension_unreadable"]


@pytest.mark.parametrize("name", ["suspended", "roots.crt"])
def test_a_file_that_goes_away_leaves_what_it_said(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    network.suspend(NODE)
    trust.refresh()

    (network.trust / name).unlink()
    trust.refresh()
    trust.refresh()

    assert trust.is_suspended(NODE)
    assert trust.roots == (network.root.certificate,)
    assert events(caplog) == ["trust.file_missing"]


@pytest.mark.parametrize("content", [b"", b"noise", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_unreadable_roots_leave_the_old_ones(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    replace_file(network.trust / "roots.crt", content)
    trust.refresh()

    assert trust.roots == (network.root.certificate,)
    assert events(caplog) == ["trust.roots_unreadable"]


def test_a_directory_without_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustUnreadable):
        TrustStore(tmp_path, ROOT)


def test_a_root_may_be_added_and_the_old_one_goes_on(network: Network, trust: TrustStore) -> None:
    second = make_root("second")
    replace_file(network.trust / "roots.crt", network.root.leaf_pem + second.leaf_pem)
    trust.refresh()
    pair = network.leaf(NODE.name)

    assert trust.issuer_of(pair.certificate, pair.chain) == network.issuers[NODE.trust_domain].certificate


def test_a_root_taken_away_vouches_for_nobody(network: Network, trust: TrustStore) -> None:
    pair = network.leaf(NODE.name)
    replace_file(network.trust / "roots.crt", make_root().leaf_pem)
    trust.refresh()

    with pytest.raises(IssuerNotTrusted):
        trust.issuer_of(pair.certificate, pair.chain)


def test_a_list_is_believed_once_its_issuer_is_known(network: Network, trust: TrustStore) -> None:
    pair = network.leaf(NODE.name)
    issuer, serial = pair.certificate.issuer, pair.certificate.serial_number
    network.revoke(NODE.trust_domain, serial)
    trust.refresh()

    before = trust.is_revoked(issuer, serial)
    trust.issuer_of(pair.certificate, pair.chain)

    assert (before, trust.is_revoked(issuer, serial)) == (False, True)


def test_a_list_signed_by_another_key_is_logged_and_not_believed(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    pair = network.leaf(NODE.name)
    trust.issuer_of(pair.certificate, pair.chain)
    forged = make_list(network.issuers[NODE.trust_domain], pair.certificate.serial_number, key=make_root().key)

    replace_file(network.trust / "crl" / f"{NODE.trust_domain}.crl", forged)
    trust.refresh()

    assert not trust.is_revoked(pair.certificate.issuer, pair.certificate.serial_number)
    assert events(caplog) == ["trust.revocation_list_forged"]


def test_an_older_list_put_back_does_not_unrevoke(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    pair, issuer = network.leaf(NODE.name), network.issuers[NODE.trust_domain]
    trust.issuer_of(pair.certificate, pair.chain)
    network.revoke(NODE.trust_domain, pair.certificate.serial_number)
    trust.refresh()

    replace_file(
        network.trust / "crl" / f"{NODE.trust_domain}.crl",
        make_list(issuer, begins=datetime.now(UTC) - timedelta(days=1)),
    )
    trust.refresh()

    assert trust.is_revoked(pair.certificate.issuer, pair.certificate.serial_number)
    assert events(caplog) == ["trust.revocation_list_older"]


def test_an_overdue_list_is_named_and_stays_in_force(network: Network, trust: TrustStore) -> None:
    pair, issuer = network.leaf(NODE.name), network.issuers[NODE.trust_domain]
    old = make_list(issuer, pair.certificate.serial_number, lifetime=timedelta(seconds=1))
    replace_file(network.trust / "crl" / f"{NODE.trust_domain}.crl", old)
    trust.refresh()
    trust.issuer_of(pair.certificate, pair.chain)

    assert trust.overdue_lists() == [issuer.certificate.subject.rfc4514_string()]
    assert trust.is_revoked(pair.certificate.issuer, pair.certificate.serial_number)


async def test_who_watches_is_told_of_changes_and_overdue_lists_once(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    told = asyncio.Event()
    trust.on_change(told.set)
    pair, issuer = network.leaf(NODE.name), network.issuers[NODE.trust_domain]
    trust.issuer_of(pair.certificate, pair.chain)
    watching = asyncio.create_task(trust.watch())

    replace_file(network.trust / "crl" / f"{NODE.trust_domain}.crl", make_list(issuer, lifetime=timedelta(seconds=1)))
    await asyncio.wait_for(told.wait(), 2)
    await asyncio.sleep(0.6)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert events(caplog) == ["trust.revocation_list_overdue"]


async def test_a_listener_that_fails_does_not_stop_the_watch(
    network: Network, trust: TrustStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError

    trust.on_change(fail)
    watching = asyncio.create_task(trust.watch())
    network.suspend(NODE)
    await asyncio.sleep(0.6)
    network.suspend(OTHER)
    await asyncio.sleep(0.6)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert trust.is_suspended(OTHER)
    assert set(events(caplog)) == {"trust.watch_failed"}


def test_a_node_is_suspended_by_its_whole_name(network: Network, trust: TrustStore) -> None:
    network.suspend(NODE)
    trust.refresh()

    assert not trust.is_suspended(NodeId(NODE.tier, NODE.code, f"14.{ROOT}"))
