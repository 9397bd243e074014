"""Who comes into the register."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import grpc.aio

from juki.municipal.v1 import register_service_pb2 as pb
from services.municipal.handlers.acts import Acts
from services.municipal.refusals import AddressMissing
from services.municipal.rules.days import check_other_end
from services.municipal.rules.entry import Arrival, Codes, Entrant, check_birth, enter
from services.municipal.rules.record import Stamp
from services.municipal.rules.situation import Decision, Situation
from services.municipal.store.unit import Unit
from services.municipal.wire import parse
from services.vocabulary.change import ChangeReason
from services.vocabulary.text import Address


class EntryHandlers:
    """Answers births, moves in, and entries by office."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def ReportBirth(
        self,
        request: pb.ReportBirthRequest,
        _context: grpc.aio.ServicerContext[pb.ReportBirthRequest, pb.ReportBirthResponse],
    ) -> pb.ReportBirthResponse:
        """Registers a birth at the household's address."""
        act = parse.act(request.act)
        child = parse.newborn(request.entrant)
        household = parse.household(request.household)
        check_birth(child, act.event_on)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold((), [household])
            address = situation.household(household).address
            arrival = Arrival(reason=ChangeReason.BIRTH, stamp=stamp, address=address, household=household)
            return await self._enter(unit, situation, arrival, [child], Codes())

        return await self._acts.perform(act, pb.ReportBirthResponse, decide)

    async def ReportMoveIn(
        self,
        request: pb.ReportMoveInRequest,
        _context: grpc.aio.ServicerContext[pb.ReportMoveInRequest, pb.ReportMoveInResponse],
    ) -> pb.ReportMoveInResponse:
        """Registers a move-in, from abroad when no municipality is named."""
        act = parse.act(request.act)
        people = parse.entrants(request.entrants)
        household = parse.optional_household(request.household)
        address = parse.address(request.address)
        former_address = parse.address(request.former_address, "former_address")
        former = parse.municipality(request.former_municipality_code, "former_municipality_code")
        reason = ChangeReason.MOVE_IN if former is not None else ChangeReason.MOVE_IN_FROM_ABROAD

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            if former is not None:
                check_other_end(former, self._acts.settings.own, stamp.dates.event_on)
            situation, codes = await self._find(unit, people, household)
            arrival = Arrival(
                reason=reason, stamp=stamp, address=address, household=household, former_address=former_address
            )
            return await self._enter(unit, situation, arrival, people, codes)

        return await self._acts.perform(act, pb.ReportMoveInResponse, decide)

    async def EnterByOffice(
        self,
        request: pb.EnterByOfficeRequest,
        _context: grpc.aio.ServicerContext[pb.EnterByOfficeRequest, pb.EnterByOfficeResponse],
    ) -> pb.EnterByOfficeResponse:
        """Enters a record by office."""
        act = parse.act(request.act)
        person = parse.entrant(request.entrant)
        household = parse.optional_household(request.household)
        given = parse.address(request.address) if request.address else None
        ground = parse.ground(request.ground)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation, codes = await self._find(unit, [person], household)
            address = given or _address_of(situation, household)
            arrival = Arrival(reason=ChangeReason.ENTRY_BY_OFFICE, stamp=stamp, address=address, household=household)
            return await self._enter(unit, situation, arrival, [person], codes)

        return await self._acts.perform(act, pb.EnterByOfficeResponse, decide, by_office=True, ground=ground)

    async def _find(self, unit: Unit, people: Sequence[Entrant], household: UUID | None) -> tuple[Situation, Codes]:
        """Finds the household entered, and the records that the people's codes stand in already."""
        brought = [one.code for one in people if one.code is not None]
        holders = await unit.residents.holders(brought)
        unissued = await unit.codes.unissued(brought)
        situation = await unit.residents.hold(set(holders.values()), [household] if household is not None else [])
        return situation, Codes(holders=holders, unissued=unissued)

    async def _enter(
        self, unit: Unit, situation: Situation, arrival: Arrival, people: Sequence[Entrant], codes: Codes
    ) -> Decision:
        without = sum(1 for one in people if one.code is None)
        drawn = await unit.codes.draw(without, arrival.stamp.processed_at)
        complete = Codes(drawn=drawn, holders=codes.holders, unissued=codes.unissued)
        return enter(situation, arrival, people, complete, self._acts.settings.new_id)


def _address_of(situation: Situation, household: UUID | None) -> Address:
    if household is None:
        raise AddressMissing("give an address, or a household", field="address")
    return situation.household(household).address
