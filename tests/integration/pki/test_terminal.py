"""What a card node gets to prove itself to cards, and that nobody else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from deploy.pki import profiles
from deploy.pki.authority import Pki
from services.card.terminal.key import load_terminal_key
from tests.integration.pki.makers import MovableClock, verify


def held_kinds(pki: Pki, name: str) -> list[str]:
    return [held.kind for held in pki.held() if held.node == name]


def test_a_card_node_gets_a_certificate_for_cards_with_its_roles(pki: Pki, tmp_path: Path) -> None:
    key = load_terminal_key(pki.issue("card/131016-1"))

    usages = key.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    usage = key.certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert list(usages) == [profiles.JUKI_NET_ROLE, profiles.COUNTER_ROLE]
    assert usage.critical
    assert usage.value.key_agreement
    assert not usage.value.digital_signature
    assert key.issuing is not None
    key.certificate.verify_directly_issued_by(key.issuing)
    chain = (tmp_path / "pki/nodes/card-131016-1/terminal.crt").read_bytes()
    assert verify(pki, chain, tmp_path)[0] == 0


@pytest.mark.parametrize("name", ["municipal/131016", "counter/131016-1", "agency/national"])
def test_no_other_node_gets_one(pki: Pki, name: str) -> None:
    directory = pki.issue(name)

    assert not (directory / "terminal.key").exists()
    assert "terminal" not in held_kinds(pki, name)


def test_issuing_again_keeps_the_certificate_until_it_is_due(pki: Pki, clock: MovableClock) -> None:
    directory = pki.issue("card/131016-1")
    first = load_terminal_key(directory)

    clock.advance(days=19)
    pki.issue("card/131016-1")
    kept = load_terminal_key(directory)
    clock.advance(days=2)
    pki.issue("card/131016-1")
    renewed = load_terminal_key(directory)

    assert kept.certificate == first.certificate
    assert renewed.certificate != first.certificate
    assert renewed.key.private_numbers() != first.key.private_numbers()


def test_rotation_replaces_both_pairs(pki: Pki) -> None:
    directory = pki.issue("card/131016-1")
    first, tls = load_terminal_key(directory), (directory / "tls.crt").read_bytes()

    pki.rotate("card/131016-1")

    assert load_terminal_key(directory).certificate != first.certificate
    assert (directory / "tls.crt").read_bytes() != tls
    assert sorted(held_kinds(pki, "card/131016-1")) == ["signing", "terminal", "tls"]
