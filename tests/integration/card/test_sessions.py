"""Whose a session is, and when it ends."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from deploy.pki.authority import Pki
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.card.v1 import reader_service_pb2 as reader_pb
from services.card.issuer import TokenIssuer
from services.card.softcard.card import SoftCard
from tests.cards import QuickChip
from tests.databases import DatabaseUrls
from tests.doubles.card_storage import MemoryStorage
from tests.integration.card.conftest import (
    CITY,
    READER,
    SECONDS,
    SPARE,
    Desk,
    Running,
    reason_of,
    request_id,
    running,
)
from tests.tokens import SoftToken

_PERFORM_SECURITY_OPERATION, _SHORT = 0x2A, 40
_STRANGERS = ["counter/131016-2", "counter/131041-1", "municipal/131041", "prefecture/13", "relying/pension"]


def _opening(reader: str = READER) -> card_pb.OpenSessionRequest:
    return card_pb.OpenSessionRequest(request_id=request_id(), reader=reader)


def _look(session: str) -> card_pb.GetCardRequest:
    return card_pb.GetCardRequest(session=session)


async def test_the_session_ends_when_the_card_is_taken_out(node: Running, desk: Desk) -> None:
    blank = await node.blank()
    await desk.issue()
    session = await desk.open()
    await desk.verify(session, card_pb2.PIN_JUKI_NET, "4711")

    await node.readers.remove(READER)
    gone = await reason_of(desk.cards.GetCard(_look(session), timeout=SECONDS))
    await node.readers.insert(READER, blank.card)
    still_gone = await reason_of(desk.cards.GetCard(_look(session), timeout=SECONDS))
    again = await desk.open()
    unproved = await reason_of(desk.cards.ReadCardData(card_pb.ReadCardDataRequest(session=again), timeout=SECONDS))

    assert (gone, still_gone, unproved) == ("CARD_SESSION_UNKNOWN", "CARD_SESSION_UNKNOWN", "CARD_ACCESS_MISSING")


class PausingCard(SoftCard):
    """A card that takes its time over signatures."""

    def __init__(self, storage: MemoryStorage) -> None:
        super().__init__(storage, QuickChip())
        self.is_signing, self.may_go_on = threading.Event(), threading.Event()

    def transmit(self, raw: bytes) -> bytes:
        answer = super().transmit(raw)
        if raw[1] == _PERFORM_SECURITY_OPERATION and len(raw) > _SHORT:
            self.is_signing.set()
            self.may_go_on.wait(SECONDS)
        return answer


async def test_no_signature_leaves_when_the_card_is_pulled_out_while_it_signs(node: Running, desk: Desk) -> None:
    blank = await node.blank()
    await desk.issue()
    session = await desk.open()
    make = card_pb.GenerateKeyPairRequest(
        request_id=request_id(), session=session, key=card_pb2.KEY_SIGNATURE, pin_value="ABC123"
    )
    await desk.cards.GenerateKeyPair(make, timeout=SECONDS)
    await desk.close(session)
    await node.readers.remove(READER)
    card = PausingCard(blank.storage)
    card.may_go_on.set()
    await node.readers.insert(READER, card)
    session = await desk.open()
    await desk.verify(session, card_pb2.PIN_SIGNATURE, "ABC123")
    # The certificate of the terminal came under the same instruction as a signature is asked for.
    card.is_signing.clear()
    card.may_go_on.clear()
    sign = card_pb.SignDigestRequest(
        request_id=request_id(),
        session=session,
        key=card_pb2.KEY_SIGNATURE,
        hash_algorithm=card_pb.HASH_ALGORITHM_SHA256,
        digest=bytes(32),
    )

    signing = asyncio.ensure_future(desk.cards.SignDigest(sign, timeout=SECONDS))
    await asyncio.to_thread(card.is_signing.wait, SECONDS)
    await node.readers.remove(READER)
    card.may_go_on.set()

    assert await reason_of(signing) == "CARD_REMOVED"
    assert await reason_of(desk.cards.GetCard(_look(session), timeout=SECONDS)) == "CARD_SESSION_UNKNOWN"


async def test_the_session_ends_when_nothing_is_asked_of_it(
    pki: Pki, urls: DatabaseUrls, token: SoftToken, issuer: TokenIssuer, tmp_path: Path
) -> None:
    async with running(pki, urls, token, issuer, tmp_path, idle_seconds=0.4) as node, node.desk() as desk:
        await node.blank()
        await desk.issue()
        session = await desk.open()

        for _ in range(4):
            await asyncio.sleep(0.2)
            await desk.cards.GetCard(_look(session), timeout=SECONDS)
        await asyncio.sleep(0.8)

        assert await reason_of(desk.cards.GetCard(_look(session), timeout=SECONDS)) == "CARD_SESSION_UNKNOWN"
        (reader, _) = await node.readers.list()
        assert not reader.in_use


async def test_a_closed_session_is_over_and_may_be_closed_again(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()

    await desk.close(session)
    await desk.close(session)

    assert await reason_of(desk.cards.GetCard(_look(session), timeout=SECONDS)) == "CARD_SESSION_UNKNOWN"
    await desk.open()


async def test_a_card_in_a_session_is_in_use(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    await desk.open()

    assert await reason_of(desk.open()) == "READER_BUSY"
    assert await reason_of(desk.open("Nowhere")) == "READER_UNKNOWN"
    assert await reason_of(desk.open(SPARE)) == "CARD_ABSENT"


async def test_a_repeated_opening_returns_the_session_that_it_opened(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    opening = _opening()

    first = await desk.cards.OpenSession(opening, timeout=SECONDS)
    second = await desk.cards.OpenSession(opening, timeout=SECONDS)

    assert second.session == first.session


async def test_a_session_is_good_for_its_caller_alone(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()
    session = await desk.open()

    async with node.desk(CITY) as office:
        assert await reason_of(office.cards.GetCard(_look(session), timeout=SECONDS)) == "CARD_SESSION_UNKNOWN"


@pytest.mark.parametrize("caller", _STRANGERS)
async def test_nobody_else_uses_the_readers(node: Running, caller: str) -> None:
    async with node.desk(caller) as stranger:
        listing = stranger.readers.ListReaders(reader_pb.ListReadersRequest(), timeout=SECONDS)
        assert await reason_of(stranger.open()) == "METHOD_NOT_PERMITTED"
        assert await reason_of(listing) == "METHOD_NOT_PERMITTED"
        assert await reason_of(stranger.issue()) == "METHOD_NOT_PERMITTED"


async def test_only_the_office_lists_and_recalls(node: Running, desk: Desk) -> None:
    recall = issuing_pb.RecallBatchRequest(request_id=request_id(), batch="b")

    assert await reason_of(desk.issuing.RecallBatch(recall, timeout=SECONDS)) == "METHOD_NOT_PERMITTED"


async def test_a_blank_card_opens_no_session(node: Running, desk: Desk) -> None:
    await node.blank()

    assert await reason_of(desk.open()) == "CARD_BLANK"
    (reader, _) = await node.readers.list()
    assert not reader.in_use


async def test_a_card_of_an_issuer_that_nobody_knows_is_not_authentic(node: Running, desk: Desk, pki: Pki) -> None:
    await node.blank()
    await desk.issue()
    anchors = pki.state / "trust" / "cards.crt"
    kept = anchors.read_bytes()
    anchors.write_bytes((pki.state / "trust" / "roots.crt").read_bytes())

    try:
        assert await reason_of(desk.open()) == "CARD_NOT_AUTHENTIC"
        anchors.unlink()
        assert await reason_of(desk.open()) == "CARD_TRUST_UNREADABLE"
    finally:
        anchors.write_bytes(kept)
    await desk.open()


async def test_without_a_token_cards_are_read_and_not_issued(
    pki: Pki, urls: DatabaseUrls, token: SoftToken, issuer: TokenIssuer, tmp_path: Path, node: Running, desk: Desk
) -> None:
    blank = await node.blank()
    await desk.issue()
    await node.readers.remove(READER)

    async with (
        running(pki, urls, token, issuer, tmp_path / "second", pkcs11_module="") as poor,
        poor.desk() as counter,
    ):
        await poor.readers.insert(READER, blank.card)
        session = await counter.open()
        await counter.verify(session, card_pb2.PIN_JUKI_NET, "4711")
        lock = card_pb.LockCardRequest(request_id=request_id(), session=session)
        assert await reason_of(counter.cards.LockCard(lock, timeout=SECONDS)) == "ISSUER_KEYS_ABSENT"
        await poor.readers.remove(READER)
        await poor.blank()
        assert await reason_of(counter.issue()) == "ISSUER_KEYS_ABSENT"


async def test_a_watch_tells_what_is_there_and_what_happens(node: Running, desk: Desk) -> None:
    changes = reader_pb.WatchReadersResponse
    watch = desk.readers.WatchReaders(reader_pb.WatchReadersRequest(), timeout=SECONDS)
    beginning = [await _next(watch) for _ in range(3)]
    await node.blank()
    inserted = await _next(watch)
    watch.cancel()
    await node.readers.remove(READER)

    resumed = desk.readers.WatchReaders(reader_pb.WatchReadersRequest(cursor=inserted.cursor), timeout=SECONDS)
    removed = await _next(resumed)
    resumed.cancel()
    elsewhere = desk.readers.WatchReaders(reader_pb.WatchReadersRequest(cursor="0a0a0a0a-7"), timeout=SECONDS)
    restarted = await _next(elsewhere)
    elsewhere.cancel()
    nonsense = desk.readers.WatchReaders(reader_pb.WatchReadersRequest(cursor="x"), timeout=SECONDS)

    assert [each.change for each in beginning] == [
        changes.CHANGE_RESTARTED,
        changes.CHANGE_READER_ADDED,
        changes.CHANGE_READER_ADDED,
    ]
    assert (inserted.change, inserted.reader.name) == (changes.CHANGE_CARD_INSERTED, READER)
    assert (removed.change, removed.reader.name) == (changes.CHANGE_CARD_REMOVED, READER)
    assert restarted.change == changes.CHANGE_RESTARTED
    assert await reason_of(_next(nonsense)) == "CURSOR_MALFORMED"


async def _next(watch: Any) -> reader_pb.WatchReadersResponse:
    told = await watch.read()
    assert isinstance(told, reader_pb.WatchReadersResponse)
    return told
