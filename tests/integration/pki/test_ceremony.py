"""The ceremony makes what is missing, keeps what is there, and refuses what does not fit."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.pki.authority import Pki
from deploy.pki.files import write_once
from deploy.pki.refusals import KeyExists
from services.foundation.audit.vkeys import parse_vkey
from services.foundation.identity import log_origin, node_id
from services.foundation.refusals import Refusal
from tests.integration.pki.makers import MovableClock, pair_of, settings, verify

SERVER_FILES = {
    "log.key",
    "log.vkey",
    "salt.key",
    "signing.crt",
    "signing.key",
    "tls.crt",
    "tls.key",
    "witness-pq.key",
    "witness.key",
    "witness.vkeys",
}


def bytes_under(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_second_ceremony_changes_nothing(pki: Pki) -> None:
    pki.issue("prefecture/13")
    before = bytes_under(pki.state)

    transcript = pki.init()
    pki.issue("prefecture/13")

    assert transcript.made == ()
    assert bytes_under(pki.state) == before


def test_a_second_ceremony_is_quick(pki: Pki) -> None:
    started = time.perf_counter()

    pki.init()

    assert time.perf_counter() - started < 0.5


def test_the_transcript_is_kept(pki: Pki) -> None:
    text = (pki.state / "transcript.txt").read_text("utf-8")

    assert text == pki.transcript().text()
    assert [entry.name for entry in pki.transcript().entries] == ["root", "13", "14", "national"]
    assert all(entry.fingerprint in text for entry in pki.transcript().entries)


def test_a_further_authority_joins_an_existing_network(pki: Pki) -> None:
    before = bytes_under(pki.state / "authorities")
    wider = Pki(pki.state, replace(settings(), authorities=("13", "14", "27", "national")))

    transcript = wider.init()

    assert transcript.made == ("27",)
    assert before.items() <= bytes_under(pki.state / "authorities").items()
    assert wider.issue("prefecture/27").is_dir()


def test_a_server_gets_every_key(pki: Pki) -> None:
    directory = pki.issue("municipal/131016")

    assert {path.name for path in directory.iterdir() if path.is_file()} == SERVER_FILES
    assert len(bytes.fromhex((directory / "salt.key").read_text("ascii"))) == 32


def test_a_client_gets_its_tls_pair_only(pki: Pki) -> None:
    directory = pki.issue("relying/pension")

    assert {path.name for path in directory.iterdir() if path.is_file()} == {"tls.crt", "tls.key"}


def test_every_secret_is_for_its_owner_alone(pki: Pki) -> None:
    pki.issue("municipal/131016")
    pki.rotate("municipal/131016")

    keys = [path for path in pki.state.rglob("*.key") if not path.is_symlink()]
    directories = [*(pki.state / "nodes").iterdir(), *(pki.state / "authorities").iterdir(), pki.state / "offline"]

    assert len(keys) == 1 + 3 + 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}


def test_a_wide_umask_widens_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        pki = Pki(tmp_path, settings())
        pki.init()
        pki.issue("prefecture/13")
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*.key")} == {0o600}


def test_a_log_key_is_published_under_its_origin(pki: Pki) -> None:
    directory = pki.issue("prefecture/13")

    text = (directory / "log.vkey").read_text("ascii").strip()

    assert (pki.trust.path / "logs.vkeys").read_text("ascii").splitlines() == [text]
    assert parse_vkey(text).name == log_origin(node_id("prefecture/13", "juki.example"), "juki.example")
    assert text.startswith("audit.prefecture-13.juki.example+")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    write_once(path, b"first")

    with pytest.raises(KeyExists) as refused:
        write_once(path, b"second")

    assert refused.value.reason == "PKI_KEY_EXISTS"
    assert path.read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["root.key"]


def test_nodes_are_issued_while_the_root_is_away(pki: Pki) -> None:
    shutil.rmtree(pki.state / "offline")

    assert pki.init().made == ()
    assert pki.issue("prefecture/13").is_dir()


def test_an_office_works_with_its_own_authority_alone(pki: Pki, tmp_path: Path) -> None:
    office = Pki(tmp_path / "office", replace(settings(), authorities=("13",)))
    shutil.copytree(pki.trust.path, office.trust.path)
    shutil.copytree(pki.state / "authorities/13", office.state / "authorities/13")

    directory = office.issue("prefecture/13")
    office.refresh_crls()

    assert office.init().made == ()
    assert verify(pki, pair_of(directory).chain, tmp_path)[0] == 0
    assert [held.node for held in office.held()] == ["prefecture/13", "prefecture/13"]


def test_a_further_authority_needs_the_root_back(pki: Pki) -> None:
    (pki.state / "offline/root.key").unlink()
    wider = Pki(pki.state, replace(settings(), authorities=("13", "14", "27", "national")))

    with pytest.raises(Refusal) as refused:
        wider.init()

    assert refused.value.reason == "PKI_ROOT_KEY_ABSENT"
    assert not (pki.state / "authorities/27").exists()


def test_a_lost_root_is_not_founded_again(pki: Pki) -> None:
    shutil.rmtree(pki.state / "offline")
    (pki.trust.path / "roots.crt").unlink()

    with pytest.raises(Refusal) as refused:
        pki.init()

    assert refused.value.reason == "PKI_STATE_ABSENT"
    assert not (pki.state / "offline").exists()


@pytest.mark.parametrize("change", [{"development": False}, {"trust_domain": "other.example"}])
def test_other_settings_need_a_state_of_their_own(pki: Pki, change: dict[str, str | bool]) -> None:
    before = bytes_under(pki.state)

    with pytest.raises(Refusal) as refused:
        Pki(pki.state, replace(settings(), **change)).init()  # type: ignore[arg-type]

    assert refused.value.reason == "PKI_SETTINGS_DIFFER"
    assert bytes_under(pki.state) == before


def test_a_key_of_another_authority_is_refused(pki: Pki) -> None:
    authorities = pki.state / "authorities"
    shutil.copy(authorities / "14/issuing.key", authorities / "13/issuing.key")

    with pytest.raises(Refusal) as refused:
        pki.issue("prefecture/13")

    assert refused.value.reason == "PKI_KEY_UNREADABLE"


@pytest.mark.parametrize(
    "damaged", ["offline/root.key", "offline/root.crt", "authorities/13/issuing.key", "authorities/13/issuing.crt"]
)
def test_a_damaged_file_is_refused_and_left_alone(pki: Pki, damaged: str) -> None:
    (pki.state / damaged).write_bytes(b"-----BEGIN NOTHING-----\n")
    before = bytes_under(pki.state)

    with pytest.raises(Refusal) as refused:
        pki.init()

    assert refused.value.reason == "PKI_KEY_UNREADABLE"
    assert bytes_under(pki.state) == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("prefecture/27", "PKI_AUTHORITY_UNKNOWN"),
        ("prefecture/../../13", "IDENTITY_MALFORMED"),
        ("prefecture/13/..", "IDENTITY_MALFORMED"),
        ("castle/13", "IDENTITY_MALFORMED"),
        ("prefecture", "IDENTITY_MALFORMED"),
        ("relying/" + "a" * 63, "IDENTITY_MALFORMED"),
    ],
)
def test_a_name_nobody_may_vouch_for_leaves_nothing_behind(pki: Pki, name: str, reason: str) -> None:
    before = bytes_under(pki.state)

    with pytest.raises(Refusal) as refused:
        pki.issue(name)

    assert refused.value.reason == reason
    assert bytes_under(pki.state) == before
    assert not (pki.state / "nodes").exists()


def test_nothing_is_issued_before_the_ceremony(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        Pki(tmp_path / "none", settings()).issue("prefecture/13")

    assert refused.value.reason == "PKI_STATE_ABSENT"
    assert not (tmp_path / "none").exists()


def test_two_ceremonies_wait_for_each_other(pki: Pki) -> None:
    hurried = Pki(pki.state, pki.settings, patience=0.1)
    with (pki.state / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(Refusal) as refused:
            hurried.init()

    assert refused.value.reason == "PKI_STATE_BUSY"
    assert pki.init().made == ()


def test_an_issuing_authority_near_its_end_is_certified_again_for_its_key(pki: Pki, clock: MovableClock) -> None:
    key = (pki.state / "authorities/13/issuing.key").read_bytes()
    clock.advance(days=1825 - 80)

    transcript = pki.init()

    assert transcript.made == ("13", "14", "national")
    assert (pki.state / "authorities/13/issuing.key").read_bytes() == key
    assert transcript.entries[1].certificate.not_valid_after_utc > clock.now() + timedelta(days=1800)


def test_a_signing_certificate_near_its_end_is_renewed_for_its_key(pki: Pki, clock: MovableClock) -> None:
    before = pair_of(pki.issue("prefecture/13"), "signing")
    clock.advance(days=730 - 80)

    after = pair_of(pki.issue("prefecture/13"), "signing")

    assert after.key == before.key
    assert after.chain != before.chain
