"""Witnesses' keys and logs' policies, as the ceremony makes them."""

from __future__ import annotations

import pytest

from deploy.pki import ceremony
from deploy.pki.authority import Pki
from services.foundation.audit.policy import load_policy
from services.foundation.identity import node_id
from services.foundation.refusals import Refusal
from services.foundation.witness.keys import load_cosigner, witness_name

NAMES = ("municipal/131016", "prefecture/14", "agency/national", "auditor/board")
ASSIGNED = {
    "prefecture/14": "spiffe://14.juki.example/prefecture/14",
    "agency/national": "spiffe://x",
    "auditor/board": "http://y",
}


def test_a_policy_names_the_keys_of_the_log_and_of_its_witnesses(pki: Pki) -> None:
    directories = {name: pki.issue(name) for name in NAMES}

    policy = load_policy(pki.assign("municipal/131016", ASSIGNED))

    assert [key.name for key in policy.logs] == ["audit.municipal-131016.juki.example"]
    cosigners = [
        load_cosigner(witness_name(node_id(name, "juki.example"), "juki.example"), directories[name])
        for name in ASSIGNED
    ]
    assert list(policy.keys) == [key for cosigner in cosigners for key in cosigner.verifiers]
    assert list(dict.fromkeys(witness.url for witness in policy.witnesses.values())) == list(ASSIGNED.values())
    assert (pki.trust.path / "witnesses.vkeys").read_text().count("\n") == 2 * len(NAMES)


def test_assigning_again_changes_nothing(pki: Pki) -> None:
    for name in NAMES:
        pki.issue(name)
    path = pki.assign("municipal/131016", ASSIGNED)
    before = path.stat()

    assert pki.assign("municipal/131016", ASSIGNED).stat() == before


def test_a_witness_without_keys_is_not_assigned(pki: Pki) -> None:
    pki.issue("municipal/131016")

    with pytest.raises(Refusal) as refused:
        pki.assign("municipal/131016", ASSIGNED)

    assert refused.value.reason == "PKI_NODE_UNISSUED"


def test_a_damaged_witness_key_is_refused_and_left_alone(pki: Pki) -> None:
    key = pki.issue("prefecture/14") / "witness-pq.key"
    key.write_bytes(b"damaged")

    with pytest.raises(Refusal) as refused:
        pki.issue("prefecture/14")

    assert refused.value.reason == "PKI_KEY_UNREADABLE"
    assert key.read_bytes() == b"damaged"


def test_the_command_assigns_nodes_by_name_and_others_by_address(pki: Pki) -> None:
    for name in NAMES:
        pki.issue(name)

    words = ["assign", "municipal/131016", "prefecture/14", "auditor/board=http://127.0.0.1:1/w"]
    assert ceremony.main(["--state", str(pki.state), *words]) == 0

    policy = load_policy(pki.trust.path / "policies" / "municipal-131016.policy")
    assert {witness.url for witness in policy.witnesses.values()} == {
        "spiffe://14.juki.example/prefecture/14", "http://127.0.0.1:1/w"
    }  # fmt: skip
