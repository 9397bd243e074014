"""No PIN that a caller sends is found anywhere but in the card: not in logs, database, tiles, or audit entries."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest

from juki.card.v1 import applet_service_pb2 as applet_pb
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from services.foundation.audit.entry import commitment
from services.foundation.audit.salts import load_sealer
from tests.integration.card.conftest import ROOT, SECONDS, Desk, Running, reason_of, request_id

# Values that nothing else is likely to be: long where the card allows, and for four digits seen as text and hashed.
_SIGNATURE, _NEW_SIGNATURE, _WRONG_SIGNATURE = "CANARY7Q4Z9X2", "CANARY8R5W1V3", "CANARY3K6P0N5"
_SERVICE, _JUKI = "canary-pin-71!", "8263"


async def _everything_with_pins(desk: Desk, session: str) -> None:
    """Sends PINs in every way in which they can be sent: right, wrong, malformed, to nobody."""
    signature = card_pb2.PIN_SIGNATURE
    await desk.verify(session, signature, _SIGNATURE)
    for value in (_WRONG_SIGNATURE, _SIGNATURE + "x" * 20, _SIGNATURE.lower()):
        await reason_of(desk.verify(session, signature, value))
    await reason_of(desk.verify("no-such-session", signature, _SIGNATURE))
    change = card_pb.ChangePinRequest(
        request_id=request_id(), session=session, pin=signature, value=_SIGNATURE, new_value=_NEW_SIGNATURE
    )
    await desk.cards.ChangePin(change, timeout=SECONDS)
    await desk.cards.ChangePin(change, timeout=SECONDS)
    reset = card_pb.UnblockPinRequest(request_id=request_id(), session=session, pin=signature, new_value=_SIGNATURE)
    await desk.cards.UnblockPin(reset, timeout=SECONDS)
    make = card_pb.GenerateKeyPairRequest(
        request_id=request_id(), session=session, key=card_pb2.KEY_SIGNATURE, pin_value=_WRONG_SIGNATURE
    )
    await reason_of(desk.cards.GenerateKeyPair(make, timeout=SECONDS))
    read = applet_pb.ReadAppletDataRequest(session=session, service_number=3, file=1, size=1, pin_value=_SERVICE)
    await reason_of(desk.applets.ReadAppletData(read, timeout=SECONDS))
    missing = card_pb.VerifyPinRequest(request_id=request_id(), pin=signature, value=_SIGNATURE)
    await reason_of(desk.cards.VerifyPin(missing, timeout=SECONDS))
    broken = missing.SerializeToString() + b"\x12\x02\xff\xfe"
    plain: Any = desk.channel.unary_unary("/juki.card.v1.CardService/VerifyPin")
    with pytest.raises(grpc.aio.AioRpcError):
        await plain(broken, timeout=SECONDS)


async def test_no_pin_is_written_anywhere(
    node: Running, desk: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    pins = issuing_pb.NewPins(juki_net=_JUKI, authentication="1234", signature=_SIGNATURE)
    await node.blank()
    await desk.issue(pins=pins)
    session = await desk.open()
    await _everything_with_pins(desk, session)

    written = "\n".join(str(vars(record)) for record in caplog.records) + "".join(capfd.readouterr())
    kept = await _database(node)
    published = b"".join(path.read_bytes() for path in node.config.log_directory.rglob("*") if path.is_file())
    assert "call.refused" in written
    assert "VERIFY_PIN" in kept
    for pin in (_SIGNATURE, _NEW_SIGNATURE, _WRONG_SIGNATURE, _SERVICE):
        for form in (pin, pin.encode().hex(), repr(pin.encode()), hashlib.sha256(pin.encode()).hexdigest()):
            assert form not in written
            assert form not in kept
        assert pin.encode() not in published


async def test_nobody_who_opens_a_salt_can_guess_a_pin(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()
    wrong = card_pb.VerifyPinRequest(request_id=request_id(), session=session, pin=card_pb2.PIN_JUKI_NET, value="8263")
    await reason_of(desk.cards.VerifyPin(wrong, timeout=SECONDS))

    entries = [entry for entry in await _entries(node) if entry[0]["rid"] == wrong.request_id]
    with_pin = wrong.SerializeToString()
    wrong.ClearField("value")

    assert [entry["res"] for entry, _ in entries] == ["ALLOW", "REFUSED:PIN_WRONG"]
    for entry, salt in entries:
        assert entry["req"] == commitment(salt, wrong.SerializeToString(deterministic=True))
        assert entry["req"] != commitment(salt, with_pin)


async def test_the_log_says_what_was_done_with_which_card_before_it_was_done(node: Running, desk: Desk) -> None:
    blank = await node.blank()
    issued = await desk.issue()
    session = await desk.open()
    await desk.verify(session, card_pb2.PIN_JUKI_NET, "4711")
    data = await desk.cards.ReadCardData(card_pb.ReadCardDataRequest(session=session), timeout=SECONDS)
    await desk.cards.LockCard(card_pb.LockCardRequest(request_id=request_id(), session=session), timeout=SECONDS)

    entries = [(entry, salt) for entry, salt in await _entries(node) if entry.get("case") == f"cards/{blank.number}"]
    by_action = {entry["act"]: (entry, salt) for entry, salt in entries}

    assert list(by_action) == ["ISSUE_CARD", "OPEN_SESSION", "VERIFY_PIN", "READ_CARD_DATA", "LOCK_CARD"]
    assert by_action["ISSUE_CARD"][0]["seq"] == issued.receipt.index
    for action, known in {"ISSUE_CARD": True, "VERIFY_PIN": False, "READ_CARD_DATA": True, "LOCK_CARD": True}.items():
        entry, salt = by_action[action]
        assert (entry.get("subj") == commitment(salt, data.resident_code.encode())) is known
    assert "resident_code" in str(by_action["READ_CARD_DATA"][0]["fields"])


async def test_the_node_leaves_no_core_dump(tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import runpy, sys, resource\n"
        "sys.argv = ['services.card', 'nowhere.toml']\n"
        "try:\n    runpy.run_module('services.card', run_name='__main__')\n"
        "except SystemExit:\n    print(resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    said = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(probe)], env=environment, capture_output=True, text=True, check=True
    )

    assert said.stdout.splitlines()[-1] == "(0, 0)"


async def _database(node: Running) -> str:
    """Returns every row of every table, as text."""
    owner = await asyncpg.connect(node.urls.owner)
    try:
        names = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [str(list(map(dict, await owner.fetch(f'SELECT * FROM public."{name[0]}"')))) for name in names]
        return "\n".join(rows)
    finally:
        await owner.close()


async def _entries(node: Running) -> list[tuple[dict[str, object], bytes]]:
    """Returns the log's entries with their salts, in order."""
    origin = "audit.card-131016-1.juki.example"
    sealer = load_sealer(node.config.keys / "salt.key", origin)
    owner = await asyncpg.connect(node.urls.owner)
    try:
        rows = await owner.fetch("SELECT body, sealed FROM audit_entry JOIN audit_salt USING (seq) ORDER BY seq")
    finally:
        await owner.close()
    return [(json.loads(row["body"]), sealer.open(row["sealed"])) for row in rows]
