"""Whatever counters do, and in whatever order, the register stays a register."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any

from google.protobuf.message import Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from juki.common.v1 import change_pb2, person_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from juki.municipal.v1 import resident_pb2
from services.foundation.refusals import Refusal
from services.municipal.rules.record import HEAD, Record
from services.municipal.wire import write
from tests.contract.municipal.test_cancellations import make_cancellation
from tests.contract.municipal.test_households import make_head_change, make_split
from tests.contract.municipal.test_removals import make_death, make_move_out
from tests.counters import TODAY, Desk, fill_pool, make_act, make_codes, make_entrant, member, target
from tests.desks import memory_desk
from tests.doubles.municipal import Kept, MemoryStore

_ADDRESSES = ("東京都千代田区千代田1-1", "東京都千代田区永田町2-2", "東京都千代田区霞が関3-3")
_RELATIONS = ("子", "妻", "母", HEAD)
_NEVER = {"FIELD_MALFORMED", "RECORD_CHANGED", "RESIDENT_NOT_FOUND", "CODE_POOL_EMPTY"}
"""Reasons for which no act here is refused: requests are well-formed, and see records as they are."""

addresses = st.sampled_from(_ADDRESSES)
relations = st.sampled_from(_RELATIONS)
days = st.integers(0, 3).map(lambda back: TODAY - timedelta(days=back))
picks = st.integers(0, 10**6)


class RegisterMachine(RuleBasedStateMachine):
    """Counters that act on residents whom they pick at random, as they see them."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._open = AsyncExitStack()
        self.desk: Desk = self._run(self._open.enter_async_context(memory_desk()))
        self.done = 0

    @initialize()
    def open_the_counter(self) -> None:
        self._run(fill_pool(self.desk.store, make_codes(500)))
        self.act(self.move_in_request(2, _ADDRESSES[0], TODAY - timedelta(days=9)))

    @rule(size=st.integers(1, 3), address=addresses, day=days)
    def move_in(self, size: int, address: str, day: date) -> None:
        self.act(self.move_in_request(size, address, day))

    @rule(pick=picks, relation=relations, address=addresses)
    def join(self, pick: int, relation: str, address: str) -> None:
        request = self.move_in_request(1, address, TODAY)
        request.household = self.any_resident(pick).household
        request.entrants[0].relation = relation
        self.act(request)

    @rule(pick=picks, day=days)
    def be_born(self, pick: int, day: date) -> None:
        child = make_entrant("子", birth_date={"year": day.year, "month": day.month, "day": day.day})
        household = self.any_resident(pick).household
        self.act(pb.ReportBirthRequest(act=make_act(day), entrant=child, household=household))

    @rule(pick=picks)
    def come_back(self, pick: int) -> None:
        former = self.any_resident(pick)
        entrant = make_entrant(
            name=former.attributes.name,
            birth_date=former.attributes.birth_date,
            resident_code=former.resident_code,
        )
        request = self.move_in_request(1, _ADDRESSES[2], TODAY)
        request.entrants[0].CopyFrom(entrant)
        self.act(request)

    @rule(pick=picks, other=picks, day=days)
    def die(self, pick: int, other: int, day: date) -> None:
        new_head = self.housemate(pick, other)
        self.act(make_death(self.any_resident(pick), act=make_act(day), new_head=new_head))

    @rule(pick=picks, whole=st.booleans(), other=picks)
    def move_out(self, pick: int, whole: bool, other: int) -> None:
        leavers = self.household_of(pick) if whole else [self.any_resident(pick)]
        self.act(make_move_out(*leavers, new_head="" if whole else self.housemate(pick, other)))

    @rule(pick=picks, whole=st.booleans(), address=addresses, host=st.none() | picks, relation=relations)
    def relocate(self, pick: int, whole: bool, address: str, host: int | None, relation: str) -> None:
        movers = self.household_of(pick) if whole else [self.any_resident(pick)]
        self.act(
            pb.ReportRelocationRequest(
                act=make_act(),
                targets=[target(one, relation if host is not None else "") for one in movers],
                address=address,
                household=self.any_resident(host).household if host is not None else "",
                new_head="" if whole else self.housemate(pick, pick + 1),
            )
        )

    @rule(pick=picks)
    def change_head(self, pick: int) -> None:
        self.act(make_head_change(self.any_resident(pick)))

    @rule(pick=picks, other=picks)
    def split(self, pick: int, other: int) -> None:
        self.act(make_split(self.any_resident(pick), new_head=self.housemate(pick, other)))

    @rule(pick=picks, host=picks, relation=relations)
    def change_household(self, pick: int, host: int, relation: str) -> None:
        household = self.any_resident(host).household
        members = [member(self.any_resident(pick), relation)]
        self.act(pb.ChangeHouseholdRequest(act=make_act(), household=household, members=members))

    @rule(pick=picks, host=picks)
    def merge(self, pick: int, host: int) -> None:
        guests = self.household_of(pick)
        self.act(
            pb.MergeHouseholdsRequest(
                act=make_act(),
                household=self.any_resident(host).household,
                absorbed_household=self.any_resident(pick).household,
                members=[member(one) for one in guests] or [member(self.any_resident(pick))],
            )
        )

    @rule(pick=picks, address=addresses, relation=relations | st.just(""))
    def correct(self, pick: int, address: str, relation: str) -> None:
        resident = self.any_resident(pick)
        attributes = person_pb2.FourAttributes()
        attributes.CopyFrom(resident.attributes)
        attributes.address = address
        reason = change_pb2.CHANGE_REASON_ERROR_CORRECTION
        self.act(
            pb.CorrectRecordRequest(
                act=make_act(), target=target(resident), reason=reason, attributes=attributes, relation=relation
            )
        )

    @rule(pick=picks)
    def change_code(self, pick: int) -> None:
        self.act(pb.ChangeResidentCodeRequest(act=make_act(), target=target(self.any_resident(pick))))

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.act(make_cancellation(self.any_resident(pick)))

    @precondition(lambda self: self.done > 0)
    @invariant()
    def every_live_resident_is_in_one_household_with_one_head(self) -> None:
        members: dict[Any, list[Record]] = {}
        for rows in self.kept.residents.values():
            if rows[-1].is_live:
                members.setdefault(rows[-1].household, []).append(rows[-1])
        for household, states in self.kept.households.items():
            heads = [one.resident for one in members.get(household, []) if one.is_head]
            assert heads == ([states[-1].head] if states[-1].head else [])
            assert bool(members.get(household)) == bool(states[-1].head)
            addresses = {one.attributes.address.folded for one in members.get(household, [])}
            assert addresses <= {states[-1].address.folded}

    @invariant()
    def histories_have_no_gaps(self) -> None:
        numbers = [[row.revision for row in rows] for rows in self.kept.residents.values()]
        numbers += [[row.revision for row in rows] for rows in self.kept.households.values()]
        assert all(each == list(range(1, len(each) + 1)) for each in numbers)

    @invariant()
    def no_code_serves_two_residents(self) -> None:
        owners = {(row.code, resident) for resident, rows in self.kept.residents.items() for row in rows}
        assert max(Counter(code for code, _ in owners).values(), default=1) == 1

    @invariant()
    def what_was_sent_ends_in_what_is_kept(self) -> None:
        last = {}
        for data, _ in self.kept.sent:
            event = change_pb2.ChangeEvent.FromString(data)
            last[event.resident_code] = event
        for rows in self.kept.residents.values():
            newest = write.resident(rows[-1])
            assert last[newest.resident_code].attributes == newest.attributes

    def teardown(self) -> None:
        self._run(self._open.aclose())
        self._loop.close()

    @property
    def kept(self) -> Kept:
        assert isinstance(self.desk.store, MemoryStore)
        return self.desk.store.kept

    def act(self, request: Message) -> None:
        """Brings a request; a refusal leaves everything as it was."""
        before = self.kept
        reason = self._run(self._reason(request))
        self.done += not reason
        assert reason not in _NEVER
        assert not reason or self.kept is before

    def move_in_request(self, size: int, address: str, day: date) -> pb.ReportMoveInRequest:
        people = [make_entrant(), *(make_entrant("子") for _ in range(size - 1))]
        return pb.ReportMoveInRequest(act=make_act(day), entrants=people, address=address, former_address="フランス")

    def any_resident(self, pick: int) -> resident_pb2.Resident:
        residents = list(self.kept.residents.values())
        return write.resident(residents[pick % len(residents)][-1])

    def household_of(self, pick: int) -> list[resident_pb2.Resident]:
        household = self.any_resident(pick).household
        newest = [write.resident(rows[-1]) for rows in self.kept.residents.values()]
        live = resident_pb2.Resident.STATE_LIVE
        found = [one for one in newest if one.household == household and one.state == live]
        return found or [self.any_resident(pick)]

    def housemate(self, pick: int, other: int) -> str:
        """Somebody of the same household where the picked one heads it, else nobody."""
        resident = self.any_resident(pick)
        others = [one.name for one in self.household_of(pick) if one.name != resident.name]
        return others[other % len(others)] if others and resident.relation == HEAD else ""

    async def _reason(self, request: Message) -> str:
        """Returns the reason for which a request is refused, empty when it is not."""
        try:
            await self.desk.bring(request)
        except Refusal as refusal:
            return refusal.reason
        return ""

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(work)


RegisterMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRegister = RegisterMachine.TestCase
