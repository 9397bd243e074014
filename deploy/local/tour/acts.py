"""The first part: counters register a family's events, and the changes travel up."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from deploy.local.loading import JAPAN
from deploy.local.refusals import DemoDisappointed
from deploy.local.residents import Arrival, Person, address_in
from deploy.local.topology import Node
from deploy.local.tour.stage import CALL_S, Stage, answered, expect
from deploy.local.wire import act, entrant, move_in_request, target
from juki.audit.v1 import audit_service_pb2 as audit_pb
from juki.common.v1 import person_pb2
from juki.exchange.v1 import exchange_service_pb2 as exchange_pb
from juki.municipal.v1 import register_service_pb2 as register_pb
from juki.municipal.v1.resident_pb2 import Entrant, Resident
from services.foundation.identity import Tier

_ARRIVAL_S = 30.0
_SENDING = exchange_pb.Stream.DIRECTION_SENDING


@dataclass(slots=True)
class Story:
    """The people of the tour as the registers have them; every one is synthetic."""

    origin: Node
    destination: Node
    family: list[Resident]
    elder: Resident
    former_attributes: person_pb2.FourAttributes
    """The head's attributes at the origin."""
    former_code: str
    """The head's code before it was changed."""


async def tell_story(stage: Stage) -> Story:
    """Registers a move-in, a birth, a relocation, a death, a move between prefectures and a change of code."""
    origin = stage.topology.of_tier(Tier.MUNICIPAL)[0]
    others = [node for node in stage.topology.of_tier(Tier.MUNICIPAL) if not _same_prefecture(node, origin)]
    if not others:
        raise DemoDisappointed("add a municipality of another prefecture to the topology", step="move")
    story = await _settle(stage, origin, others[0])
    await _birth(stage, story)
    await _relocation(stage, story)
    await _death(stage, story)
    await arrive(stage, origin)
    await _move(stage, story)
    await _code_change(stage, story)
    await arrive(stage, others[0])
    return story


async def arrive(stage: Stage, node: Node) -> None:
    """Waits until what a municipality has sent is at the agency, and says by which sequence numbers."""
    began = time.monotonic()
    prefecture = stage.topology.prefecture_of(node)
    for sender, receiver in ((node, prefecture), (prefecture, stage.topology.agency)):
        sequence = await _acknowledged(stage, sender, receiver)
        entry = await _last_delivery(stage, sender, receiver)
        stage.tell(receiver, f"has the stream of {sender.title} up to sequence {sequence}{entry}")
    stage.note(f"{time.monotonic() - began:.1f} s from the counter's act to the agency at most")


async def _settle(stage: Stage, origin: Node, destination: Node) -> Story:
    stage.chapter(f"At the counter of {origin.title}: people register")
    chance = random.Random(secrets.randbits(64))  # noqa: S311 - another family in each tour, not a secret
    day = _days_ago(30)
    couple = (
        Person("髙橋　健太", "タカハシ　ケンタ", "男", date(1991, 5, chance.randint(1, 31)), True, "世帯主"),
        Person("髙橋　美咲", "タカハシ　ミサキ", "女", date(1992, 10, chance.randint(1, 31)), True, "妻"),
    )
    elder = Person("葛\U000e0102西　千代", "カサイ　チヨ", "女", date(1934, 3, chance.randint(1, 31)), True, "世帯主")
    settled = []
    for people in (couple, (elder,)):
        address = address_in(chance, origin.identity.code, origin.title)
        arrival = Arrival("", address, "271004", "大阪府大阪市北区天神橋１番地", day, people)
        answer = await answered(stage.register(origin).ReportMoveIn(move_in_request(arrival), timeout=CALL_S))
        names = "・".join(resident.attributes.name for resident in answer.residents)
        stage.tell(origin, f"転入 move-in: {names}, {address}", answer.receipt)
        settled.append(list(answer.residents))
    family, (old,) = settled
    for resident in (*family, old):
        stage.note(f"{resident.attributes.name}: resident code {resident.resident_code} drawn from the pool")
    return Story(origin, destination, family, old, family[0].attributes, family[0].resident_code)


async def _birth(stage: Stage, story: Story) -> None:
    child = Person("髙橋　湊", "タカハシ　ミナト", "男", _days_ago(12), True, "子")
    answer = await answered(
        stage.register(story.origin).ReportBirth(
            register_pb.ReportBirthRequest(
                act=act(_days_ago(12)), entrant=entrant(child), household=story.family[0].household
            ),
            timeout=CALL_S,
        )
    )
    story.family += answer.residents
    stage.tell(story.origin, f"出生 birth: {child.name}", answer.receipt)


async def _relocation(stage: Stage, story: Story) -> None:
    chance = random.Random(secrets.randbits(64))  # noqa: S311 - another address in each tour, not a secret
    address = address_in(chance, story.origin.identity.code, story.origin.title)
    answer = await answered(
        stage.register(story.origin).ReportRelocation(
            register_pb.ReportRelocationRequest(
                act=act(_days_ago(8)), targets=[target(each) for each in story.family], address=address
            ),
            timeout=CALL_S,
        )
    )
    _see(story, answer.residents)
    story.former_attributes = story.family[0].attributes
    stage.tell(story.origin, f"転居 relocation of three: {address}", answer.receipt)


async def _death(stage: Stage, story: Story) -> None:
    answer = await answered(
        stage.register(story.origin).ReportDeath(
            register_pb.ReportDeathRequest(act=act(_days_ago(6)), target=target(story.elder)), timeout=CALL_S
        )
    )
    stage.tell(story.origin, f"死亡 death: {story.elder.attributes.name}", answer.receipt)


async def _move(stage: Stage, story: Story) -> None:
    """Moves the family to the other prefecture: out at the origin, in at the destination with the codes they have."""
    stage.chapter(f"From {story.origin.title} to {story.destination.title}")
    chance = random.Random(secrets.randbits(64))  # noqa: S311 - another address in each tour, not a secret
    address = address_in(chance, story.destination.identity.code, story.destination.title)
    left = await answered(
        stage.register(story.origin).ReportMoveOut(
            register_pb.ReportMoveOutRequest(
                act=act(_days_ago(4)),
                targets=[target(each) for each in story.family],
                destination_municipality_code=story.destination.identity.code,
                destination_address=address,
            ),
            timeout=CALL_S,
        )
    )
    stage.tell(story.origin, f"転出 move-out of three to {story.destination.title}", left.receipt)
    request = register_pb.ReportMoveInRequest(
        act=act(_days_ago(3)),
        entrants=[_again(each) for each in story.family],
        address=address,
        former_municipality_code=story.origin.identity.code,
        former_address=story.former_attributes.address,
    )
    entered = await answered(stage.register(story.destination).ReportMoveIn(request, timeout=CALL_S))
    story.family = list(entered.residents)
    stage.tell(story.destination, f"転入 move-in of three, with the codes they have: {address}", entered.receipt)


async def _code_change(stage: Stage, story: Story) -> None:
    head = story.family[0]
    answer = await answered(
        stage.register(story.destination).ChangeResidentCode(
            register_pb.ChangeResidentCodeRequest(act=act(_days_ago(1)), target=target(head)), timeout=CALL_S
        )
    )
    _see(story, answer.residents)
    expect(story.family[0].resident_code != story.former_code, "code change")
    text = f"住民票コードの変更 code change on request: {head.resident_code} → {story.family[0].resident_code}"
    stage.tell(story.destination, text, answer.receipt)


def _again(resident: Resident) -> Entrant:
    """Writes a resident as one who enters elsewhere with the code they have."""
    attributes = resident.attributes
    return Entrant(
        name=attributes.name,
        kana=resident.kana,
        birth_date=attributes.birth_date,
        sex=attributes.sex,
        relation=resident.relation,
        resident_code=resident.resident_code,
    )


def _see(story: Story, residents: Iterable[Resident]) -> None:
    """Takes note of records as an act left them."""
    seen = {resident.name: resident for resident in residents}
    story.family = [seen.get(each.name, each) for each in story.family]


async def _acknowledged(stage: Stage, sender: Node, receiver: Node) -> int:
    """Waits until the receiver has acknowledged what the sender has for it now; returns the sequence."""
    deadline, wanted = time.monotonic() + _ARRIVAL_S, 0
    while time.monotonic() < deadline:
        answer = await answered(stage.streams(sender).ListStreams(exchange_pb.ListStreamsRequest(), timeout=CALL_S))
        for stream in answer.streams:
            if stream.peer == receiver.name and stream.direction == _SENDING:
                wanted = wanted or stream.last_sequence
                if stream.acknowledged_sequence >= wanted > 0:
                    return stream.acknowledged_sequence
        await asyncio.sleep(0.05)
    raise DemoDisappointed(f"{receiver.name} did not acknowledge sequence {wanted} in time", step="propagation")


async def _last_delivery(stage: Stage, sender: Node, receiver: Node) -> str:
    """Finds the receiver's newest log entry about the sender's stream; its receipts go to the sender alone."""
    log = stage.log(receiver)
    size = (await answered(log.GetCheckpoint(audit_pb.GetCheckpointRequest(), timeout=CALL_S))).durable_size
    request = audit_pb.ListEntriesRequest(from_index=max(0, size - 100), page_size=100)
    entries = (await answered(log.ListEntries(request, timeout=CALL_S))).entries
    for entry in reversed(entries):
        content = json.loads(entry.entry)
        if content["agency"] == sender.identity.uri and content["method"].endswith("/Deliver"):
            return f", entry {entry.index} of its log"
    return ""


def _same_prefecture(one: Node, other: Node) -> bool:
    return one.identity.code[:2] == other.identity.code[:2]


def _days_ago(days: int) -> date:
    return datetime.now(JAPAN).date() - timedelta(days=days)
