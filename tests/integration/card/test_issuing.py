"""How cards are issued: once, wholly, whatever breaks; and how a batch is made and recalled."""

from __future__ import annotations

from uuid import uuid4

import grpc
import pytest

from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from services.card.softcard.card import SoftCard
from tests.cards import QuickChip
from tests.doubles.card_storage import MemoryStorage
from tests.integration.card.conftest import (
    CITY,
    READER,
    SECONDS,
    Blank,
    Desk,
    Running,
    all_pins,
    make_blank,
    reason_of,
    request_id,
    resident,
)


class DyingCard:
    """A card whose power goes after so many commands, in the middle of the next one or before it."""

    def __init__(self, storage: MemoryStorage, lives_for: int) -> None:
        self._card = SoftCard(storage, QuickChip())
        self._left = lives_for

    def power_on(self) -> bytes:
        return self._card.power_on() if self._left > 0 else b""

    def power_off(self) -> None:
        self._card.power_off()

    def transmit(self, raw: bytes) -> bytes:
        self._left -= 1
        return self._card.transmit(raw) if self._left >= 0 else b""


def _request(**values: object) -> issuing_pb.IssueCardRequest:
    return issuing_pb.IssueCardRequest(
        request_id=request_id(),
        reader=READER,
        holder=f"residents/{uuid4()}",
        resident=resident(),
        pins=all_pins(),
        **values,  # type: ignore[arg-type]
    )


async def _usable(desk: Desk) -> bool:
    """Tells whether the card in the reader can be used by a holder."""
    session = ""
    try:
        session = await desk.open()
        await desk.verify(session, card_pb2.PIN_JUKI_NET, "4711")
        await desk.cards.ReadCardData(card_pb.ReadCardDataRequest(session=session), timeout=SECONDS)
    except grpc.aio.AioRpcError:
        return False
    finally:
        if session:
            await desk.close(session)
    return True


async def _issue_through(node: Running, desk: Desk, commands: int) -> tuple[bool, bool]:
    """Issues with a card that dies after so many commands, then with its memory in a living one.

    Returns whether it died, and whether it could be used between.
    """
    blank = make_blank(node.issuer)
    request = _request()
    await node.readers.insert(READER, DyingCard(blank.storage, commands))
    try:
        await desk.issuing.IssueCard(request, timeout=SECONDS)
    except grpc.aio.AioRpcError:
        died = True
    else:
        died = False
    await node.readers.remove(READER)
    await node.readers.insert(READER, SoftCard(blank.storage, QuickChip()))
    usable = await _usable(desk)
    answer = await desk.issuing.IssueCard(request, timeout=SECONDS)
    assert answer.card.name == f"cards/{blank.number}"
    assert answer.card.state == card_pb2.Card.STATE_ACTIVE
    assert await _usable(desk)
    await node.readers.remove(READER)
    return died, usable


async def test_a_card_that_dies_at_any_command_is_issued_by_repeating(node: Running, desk: Desk) -> None:
    died, commands = True, 0
    while died:
        died, usable = await _issue_through(node, desk, commands)
        # Its last step makes it whole: the answer to it may be lost, and the card is ready all the same.
        assert not (usable and died) or commands > 60
        commands += 7
    assert commands > 70


async def test_an_answer_is_repeated_and_no_second_card_made(node: Running, desk: Desk) -> None:
    await node.blank()
    request = _request()
    first = await desk.issuing.IssueCard(request, timeout=SECONDS)
    await node.readers.remove(READER)
    await node.blank()
    repeated = (await node.acts()).count("REPEAT_REPLY")

    again = await desk.issuing.IssueCard(request, timeout=SECONDS)
    request.holder = f"residents/{uuid4()}"
    changed = await reason_of(desk.issuing.IssueCard(request, timeout=SECONDS))

    assert again == first
    assert (await node.acts()).count("REPEAT_REPLY") == repeated + 1
    assert changed == "REQUEST_ID_REUSED"
    assert await reason_of(desk.open()) == "CARD_BLANK"


async def _stopped(node: Running, desk: Desk) -> tuple[Blank, issuing_pb.IssueCardRequest]:
    """A card whose issue stopped in the middle, in the reader."""
    blank, request = make_blank(node.issuer), _request()
    await node.readers.insert(READER, DyingCard(blank.storage, 40))
    assert await reason_of(desk.issuing.IssueCard(request, timeout=SECONDS)) == "CARD_MUTE"
    await node.readers.remove(READER)
    await node.readers.insert(READER, SoftCard(blank.storage, QuickChip()))
    return blank, request


async def test_a_card_whose_issue_stopped_is_nobody_elses(node: Running, desk: Desk) -> None:
    blank, request = await _stopped(node, desk)
    other = await reason_of(desk.issuing.IssueCard(_request(), timeout=SECONDS))
    await node.readers.remove(READER)
    await node.blank()
    second = await reason_of(desk.issuing.IssueCard(request, timeout=SECONDS))

    async with node.desk(CITY) as office:
        listed = await _list(office)

    assert (other, second) == ("CARD_BEING_ISSUED", "CARD_OF_ANOTHER_REQUEST")
    assert listed[f"cards/{blank.number}"].unfinished


async def test_an_issue_that_stopped_can_be_abandoned(node: Running, desk: Desk) -> None:
    blank, request = await _stopped(node, desk)
    abandon = issuing_pb.AbandonIssueRequest(request_id=request_id(), reader=READER)

    ended = await desk.issuing.AbandonIssue(abandon, timeout=SECONDS)
    again = await desk.issuing.AbandonIssue(abandon, timeout=SECONDS)
    async with node.desk(CITY) as office:
        listed = await _list(office)

    assert ended.card.state == card_pb2.Card.STATE_TERMINATED
    assert again == ended
    entry = listed[f"cards/{blank.number}"]
    assert (entry.card.state, entry.unfinished) == (card_pb2.Card.STATE_TERMINATED, False)
    assert await reason_of(desk.issuing.IssueCard(request, timeout=SECONDS)) == "CARD_NOT_BLANK"
    abandon.request_id = request_id()
    assert await reason_of(desk.issuing.AbandonIssue(abandon, timeout=SECONDS)) == "CARD_NOT_BEING_ISSUED"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"holder": "山田太郎"}, "FIELD_MALFORMED"),
        ({"batch": "Batch 1"}, "FIELD_MALFORMED"),
        ({"resident": resident("12345678901")}, "FIELD_MALFORMED"),
        ({"resident": resident(photograph=b"GIF89a")}, "PHOTOGRAPH_MALFORMED"),
        ({"resident": resident(photograph=b"\xff\xd8\xff" + bytes(12_288) + b"\xff\xd9")}, "PHOTOGRAPH_MALFORMED"),
        ({"pins": issuing_pb.NewPins(juki_net="4711")}, "PIN_MISSING"),
        ({"pins": issuing_pb.NewPins(juki_net="47", authentication="1234", signature="ABC123")}, "PIN_MALFORMED"),
        ({"resident": None}, "FIELD_MISSING"),
        ({"reader": "Nowhere"}, "READER_UNKNOWN"),
    ],
)
async def test_what_no_card_may_hold_is_refused_before_the_card_is_touched(
    node: Running, desk: Desk, values: dict[str, object], reason: str
) -> None:
    blank = await node.blank()
    before = blank.storage.content

    assert await reason_of(desk.issue(**values)) == reason
    assert blank.storage.content == before


async def test_an_issued_card_is_not_issued_again(node: Running, desk: Desk) -> None:
    await node.blank()
    await desk.issue()

    assert await reason_of(desk.issue()) == "CARD_NOT_BLANK"


def _batch(name: str, count: int) -> issuing_pb.IssueBatchRequest:
    items = [
        issuing_pb.BatchItem(
            request_id=request_id(), holder=f"residents/{uuid4()}", resident=resident(photograph=b"", jpki=False)
        )
        for _ in range(count)
    ]
    return issuing_pb.IssueBatchRequest(request_id=request_id(), reader=READER, batch=name, items=items)


async def _run_batch(
    node: Running, office: Desk, request: issuing_pb.IssueBatchRequest, most: int = 1000
) -> list[issuing_pb.IssueBatchResponse]:
    """Takes a batch as its operator does: a fresh card whenever one is asked for; leaves after `most` messages."""
    told: list[issuing_pb.IssueBatchResponse] = []
    stream = office.issuing.IssueBatch(request, timeout=SECONDS)
    async for one in stream:
        told.append(one)
        if len(told) == most:
            stream.cancel()
            break
        if one.progress == issuing_pb.IssueBatchResponse.PROGRESS_WAITING_FOR_CARD:
            (reader, _) = await node.readers.list()
            if reader.presence.value != "empty":
                await node.readers.remove(READER)
            await node.blank()
    return told


async def test_a_batch_is_issued_resumed_listed_and_recalled(node: Running) -> None:
    name = f"batch-{uuid4().hex[:8]}"
    request = _batch(name, 4)
    progress = issuing_pb.IssueBatchResponse
    async with node.desk(CITY) as office:
        first = await _run_batch(node, office, request, most=4)
        second = await _run_batch(node, office, request)
        listed = await _list(office, name)
        recall = issuing_pb.RecallBatchRequest(request_id=request_id(), batch=name)
        recalled = await office.issuing.RecallBatch(recall, timeout=SECONDS)
        after = await _list(office, name)
        refused = await reason_of(office.open())
        again = await office.issuing.RecallBatch(recall, timeout=SECONDS)
        recall.request_id, recall.batch = request_id(), "no-such"
        unknown = await reason_of(office.issuing.RecallBatch(recall, timeout=SECONDS))

    assert [one.progress for one in first] == [progress.PROGRESS_WAITING_FOR_CARD, progress.PROGRESS_ISSUED] * 2
    issued = {one.item: one.card.name for one in first + second if one.progress == progress.PROGRESS_ISSUED}
    assert second[-1].issued_count == 4
    assert set(issued.values()) == set(listed)
    assert {entry.holder for entry in listed.values()} == {item.holder for item in request.items}
    assert recalled.card_count == len(listed) - 1
    assert all(entry.recalled for entry in after.values())
    assert refused == "CARD_TERMINATED"
    assert again == recalled
    assert unknown == "BATCH_UNKNOWN"


async def test_a_recalled_card_is_locked_when_it_comes_back(node: Running, desk: Desk) -> None:
    name = f"batch-{uuid4().hex[:8]}"
    blank = await node.blank()
    await desk.issue(batch=name)
    await node.readers.remove(READER)
    async with node.desk(CITY) as office:
        recall = issuing_pb.RecallBatchRequest(request_id=request_id(), batch=name)
        recalled = await office.issuing.RecallBatch(recall, timeout=SECONDS)
        outside = await _list(office, name)
        await node.readers.insert(READER, blank.card)
        refused = await reason_of(desk.open())
        locked = await _list(office, name)
        await node.readers.remove(READER)
        await node.blank()
        late = await reason_of(desk.issue(batch=name))

    assert (recalled.card_count, recalled.locked_count) == (1, 0)
    assert [entry.card.state for entry in outside.values()] == [card_pb2.Card.STATE_ACTIVE]
    assert refused == "CARD_RECALLED"
    assert [entry.card.state for entry in locked.values()] == [card_pb2.Card.STATE_LOCKED]
    assert late == "CARD_RECALLED"


async def test_a_card_in_a_reader_is_locked_at_once(node: Running, desk: Desk) -> None:
    name = f"batch-{uuid4().hex[:8]}"
    await node.blank()
    await desk.issue(batch=name)

    async with node.desk(CITY) as office:
        recall = issuing_pb.RecallBatchRequest(request_id=request_id(), batch=name)
        recalled = await office.issuing.RecallBatch(recall, timeout=SECONDS)

    assert (recalled.card_count, recalled.locked_count) == (1, 1)


async def test_a_batch_takes_no_card_twice_and_no_more_than_a_hundred(node: Running) -> None:
    twice, many = _batch("b", 2), _batch("b", 101)
    twice.items[1].holder = twice.items[0].holder
    nowhere = _batch("b", 1)
    nowhere.reader = "Nowhere"

    async with node.desk(CITY) as office:
        reasons = [
            await reason_of(office.issuing.IssueBatch(request, timeout=SECONDS).read())
            for request in (twice, many, nowhere)
        ]

    assert reasons == ["LISTED_TWICE", "BATCH_TOO_LARGE", "READER_UNKNOWN"]


async def _list(office: Desk, batch: str = "") -> dict[str, issuing_pb.IssuedCard]:
    """Lists cards by name, over pages of two."""
    found: dict[str, issuing_pb.IssuedCard] = {}
    token = ""
    while True:
        request = issuing_pb.ListCardsRequest(batch=batch, page_size=2, page_token=token)
        page = await office.issuing.ListCards(request, timeout=SECONDS)
        found |= {each.card.name: each for each in page.cards}
        token = page.next_page_token
        if not token:
            return found
