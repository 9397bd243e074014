"""The certificates of the ceremony are those that the exchange believes."""

from __future__ import annotations

from pathlib import Path

from deploy.pki.authority import Pki
from deploy.pki.settings import load_settings
from services.foundation.clock import SystemClock
from services.foundation.exchange.envelope import EnvelopeSigner
from services.foundation.exchange.signers import Signers
from services.foundation.rpc.trust import TrustStore
from tests.doubles.exchange import InboxState, MemoryInboxStore

_SETTINGS = Path(__file__).parents[3] / "deploy/pki/ceremony.toml"


async def test_a_signing_certificate_of_the_ceremony_is_believed(tmp_path: Path) -> None:
    clock = SystemClock()
    pki = Pki(tmp_path / "pki", load_settings(_SETTINGS), clock)
    pki.init()
    trust = TrustStore(pki.trust.path, "juki.example")
    signers = Signers.load(pki.trust.path, "juki.example", clock, trust.is_revoked)
    store = MemoryInboxStore(InboxState(), lambda: None)
    for name in ("municipal/131016", "prefecture/14"):
        signer = EnvelopeSigner.load(name, pki.issue(name))

        await signers.introduce(store, [signer.signer_hash], signer.certificates)
        await signers.introduce(store, [signer.signer_hash], ())

        assert signers.signer(signer.signer_hash).node.name == name
