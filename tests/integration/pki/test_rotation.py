"""Keys are replaced in one step for their readers; revocations and suspensions are published and stay."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from deploy.pki.authority import Pki
from deploy.pki.crl import load_list
from deploy.pki.register import hexadecimal
from services.foundation.refusals import Refusal
from tests.integration.pki.makers import MovableClock, Pair, pair_of, verify


def serial_of(pair: Pair) -> str:
    return hexadecimal(x509.load_pem_x509_certificate(pair.chain).serial_number)


def belong_together(pair: Pair) -> bool:
    public = load_pem_private_key(pair.key, None).public_key()
    held = x509.load_pem_x509_certificate(pair.chain).public_key()
    return all_bytes(public) == all_bytes(held)


def all_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def published(pki: Pki, authority: str = "13") -> tuple[int, set[str]]:
    """The number of a published list and the serials on it."""
    held = load_list(pki.trust.revocation_list_path(authority))
    assert held is not None
    number = held.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return number, {hexadecimal(entry.serial_number) for entry in held}


def test_rotation_replaces_key_and_certificate(pki: Pki, tmp_path: Path) -> None:
    directory = pki.issue("prefecture/13")
    before = pair_of(directory)

    assert pki.rotate("prefecture/13") == directory

    after = pair_of(directory)
    assert before.key != after.key
    assert belong_together(after)
    assert verify(pki, before.chain, tmp_path)[0] == 0
    assert verify(pki, after.chain, tmp_path)[0] == 0


def test_rotation_leaves_the_other_keys_alone(pki: Pki) -> None:
    directory = pki.issue("prefecture/13")
    others = ("signing.key", "signing.crt", "log.key", "log.vkey", "salt.key")
    before = [(directory / name).read_bytes() for name in others]

    pki.rotate("prefecture/13")

    assert [(directory / name).read_bytes() for name in others] == before


def test_only_the_previous_pair_is_kept(pki: Pki) -> None:
    directory = pki.issue("prefecture/13")
    serials = [serial_of(pair_of(pki.rotate("prefecture/13"))) for _ in range(4)]

    assert {path.name for path in directory.glob("tls-*")} == {f"tls-{serial}" for serial in serials[-2:]}


def test_a_reader_who_tries_again_never_holds_halves_of_two_pairs(pki: Pki) -> None:
    directory = pki.issue("prefecture/13")
    stopped, failures, reads = threading.Event(), list[str](), list[str]()

    def read() -> None:
        while not stopped.is_set():
            tries = [belong_together(pair_of(directory)) for _ in range(2)]
            reads.append("pair")
            if not any(tries):
                failures.append("two reads in a row were torn")

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        pki.rotate("prefecture/13")
    stopped.set()
    reader.join()

    assert reads
    assert failures == []


def test_a_certificate_is_kept_until_its_window_and_then_replaced(pki: Pki, clock: MovableClock) -> None:
    first = serial_of(pair_of(pki.issue("prefecture/13")))

    clock.advance(days=19)
    kept = serial_of(pair_of(pki.issue("prefecture/13")))
    clock.advance(days=2)
    replaced = serial_of(pair_of(pki.issue("prefecture/13")))

    assert kept == first
    assert replaced != first


def test_only_what_is_due_is_rotated(pki: Pki, clock: MovableClock) -> None:
    pki.issue("prefecture/13")
    clock.advance(days=15)
    pki.issue("prefecture/14")

    assert pki.rotate_due(timedelta(days=16)) == ["prefecture/13"]
    assert pki.rotate_due(timedelta(days=16)) == []


def test_a_node_without_a_certificate_is_not_rotated(pki: Pki) -> None:
    with pytest.raises(Refusal) as refused:
        pki.rotate("prefecture/13")

    assert refused.value.reason == "PKI_NODE_UNISSUED"


def test_revocation_covers_every_certificate_still_good(pki: Pki, clock: MovableClock) -> None:
    ended = serial_of(pair_of(pki.issue("prefecture/13")))
    clock.advance(days=25)
    serials = [serial_of(pair_of(pki.rotate("prefecture/13")))]
    clock.advance(days=10)
    serials.append(serial_of(pair_of(pki.rotate("prefecture/13"))))

    revoked = pki.revoke("prefecture/13", "keyCompromise")

    assert revoked == tuple(serials)
    assert published(pki)[1] == set(serials)
    assert ended not in revoked


def test_the_signing_certificate_is_revoked_only_when_told(pki: Pki) -> None:
    pki.issue("prefecture/13")
    held = {one.kind: one.serial for one in pki.held()}

    assert pki.revoke("prefecture/13", "keyCompromise") == (held["tls"],)
    assert set(pki.revoke("prefecture/13", "keyCompromise", signing=True)) == {held["tls"], held["signing"]}

    assert published(pki)[1] == {held["tls"], held["signing"]}
    assert {one.kind: one.revoked for one in pki.held()} == {"tls": True, "signing": True}


def test_a_revoked_signing_key_is_not_certified_again(pki: Pki, clock: MovableClock) -> None:
    pki.issue("prefecture/13")
    pki.revoke("prefecture/13", "keyCompromise", signing=True)
    (serial,) = [one.serial for one in pki.held() if one.kind == "signing"]
    clock.advance(days=(next(one.ends_at for one in pki.held() if one.kind == "signing") - clock.now()).days - 1)

    pki.issue("prefecture/13")

    assert [one.serial for one in pki.held() if one.kind == "signing"] == [serial]


def test_revoking_twice_publishes_once(pki: Pki) -> None:
    pki.issue("prefecture/13")
    first = pki.revoke("prefecture/13")
    number, _ = published(pki)

    assert pki.revoke("prefecture/13") == first
    assert published(pki) == (number, set(first))


def test_revocation_works_when_the_nodes_directory_is_gone(pki: Pki) -> None:
    directory = pki.issue("prefecture/13")
    serial = serial_of(pair_of(directory))
    directory.rename(pki.state / "elsewhere")

    assert pki.revoke("prefecture/13") == (serial,)


def test_a_node_never_issued_is_not_revoked(pki: Pki) -> None:
    with pytest.raises(Refusal) as refused:
        pki.revoke("prefecture/13")

    assert refused.value.reason == "PKI_NODE_UNISSUED"


def test_a_revoked_node_stays_revoked_until_somebody_rotates_it(pki: Pki, clock: MovableClock) -> None:
    revoked = serial_of(pair_of(pki.issue("prefecture/13")))
    pki.revoke("prefecture/13")
    clock.advance(days=25)

    assert serial_of(pair_of(pki.issue("prefecture/13"))) == revoked
    assert pki.rotate_due(timedelta(days=30)) == []
    assert serial_of(pair_of(pki.rotate("prefecture/13"))) not in published(pki)[1]


def test_list_numbers_rise_and_nothing_leaves_a_list(pki: Pki, clock: MovableClock) -> None:
    numbers, lists = [], []
    for _ in range(12):
        pki.issue("prefecture/13")
        pki.rotate("prefecture/13")
        pki.revoke("prefecture/13")
        pki.refresh_crls()
        clock.advance(days=9)
        number, serials = published(pki)
        numbers.append(number)
        lists.append(serials)

    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))
    assert all(earlier < later for earlier, later in itertools.pairwise(lists))


def test_a_number_never_falls_behind_what_readers_have_seen(pki: Pki) -> None:
    backup = (pki.state / "authorities/13/revoked.toml").read_bytes()
    for _ in range(3):
        pki.refresh_crls()
    seen, _ = published(pki)

    (pki.state / "authorities/13/revoked.toml").write_bytes(backup)
    pki.refresh_crls()

    assert published(pki)[0] == seen + 1


def test_a_half_used_list_is_replaced_by_any_ceremony(pki: Pki, clock: MovableClock) -> None:
    number, _ = published(pki)
    clock.advance(days=3)
    pki.init()
    kept, _ = published(pki)
    clock.advance(days=1)
    pki.init()

    assert (kept, published(pki)[0]) == (number, number + 1)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
def test_a_lost_list_is_published_again(pki: Pki, content: bytes | None) -> None:
    pki.issue("prefecture/13")
    (serial,) = pki.revoke("prefecture/13")
    path = pki.trust.revocation_list_path("13")
    number, _ = published(pki)
    path.unlink() if content is None else path.write_bytes(content)

    pki.init()

    assert published(pki) == (number + 1, {serial})


def test_suspension_is_published_and_lifted(pki: Pki) -> None:
    suspended = pki.trust.path / "suspended"
    suspended.write_text("# kept\nspiffe://14.juki.example/prefecture/14  # ordered\n", "utf-8")

    assert pki.suspend("prefecture/13")
    assert not pki.suspend("prefecture/13")
    assert suspended.read_text("utf-8").splitlines()[-1] == "spiffe://13.juki.example/prefecture/13"
    assert pki.unsuspend("prefecture/13")
    assert not pki.unsuspend("prefecture/13")

    assert suspended.read_text("utf-8") == "# kept\nspiffe://14.juki.example/prefecture/14  # ordered\n"
    assert pki.unsuspend("prefecture/14")


def test_held_certificates_show_their_state(pki: Pki) -> None:
    pki.issue("prefecture/13")
    pki.issue("relying/pension")
    pki.revoke("prefecture/13")
    pki.suspend("relying/pension")

    held = [(each.node, each.kind, each.revoked, each.suspended) for each in pki.held()]

    assert held == [
        ("prefecture/13", "tls", True, False),
        ("prefecture/13", "signing", False, False),
        ("relying/pension", "tls", False, True),
    ]
