"""Cards can be issued in a local run where the machine has what that needs, and everything else works where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import issuers, topology
from deploy.local.layout import CHECKOUT, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "run")


def test_a_machine_without_softhsm_is_told_what_to_install(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(layout.root))
    node = topology.load(CHECKOUT / "deploy" / "topology.toml").node("card/131016-1")

    assert "softhsm2" in issuers.lacking()
    assert issuers.settings(node, layout) == {}


def test_each_municipality_with_card_nodes_gets_one_token(layout: Layout) -> None:
    if lacking := issuers.lacking():
        pytest.skip(f"cards cannot be issued here for want of {lacking}")
    federation = topology.load(CHECKOUT / "deploy" / "topology.toml")
    layout.trust.mkdir(parents=True)

    issuers.ensure(federation, layout)
    anchors = (layout.trust / "cards.crt").read_bytes()
    issuers.ensure(federation, layout)

    assert (layout.trust / "cards.crt").read_bytes() == anchors
    assert anchors.count(b"BEGIN CERTIFICATE") == 1
    named = issuers.settings(federation.node("card/131016-1"), layout)
    assert Path(named["pkcs11_pin"]).stat().st_mode & 0o077 == 0
    assert named["pkcs11_token"] == "issuer-131016"
