"""Who leaves the register."""

from __future__ import annotations

import grpc.aio

from juki.municipal.v1 import register_service_pb2 as pb
from services.municipal.handlers.acts import Acts
from services.municipal.rules.days import check_other_end, check_planned
from services.municipal.rules.record import Stamp
from services.municipal.rules.removal import remove
from services.municipal.rules.situation import Decision
from services.municipal.store.unit import Unit
from services.municipal.wire import parse
from services.vocabulary.change import ChangeReason


class RemovalHandlers:
    """Answers moves out, deaths, and removals by office."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def ReportMoveOut(
        self,
        request: pb.ReportMoveOutRequest,
        _context: grpc.aio.ServicerContext[pb.ReportMoveOutRequest, pb.ReportMoveOutResponse],
    ) -> pb.ReportMoveOutResponse:
        """Registers a move-out, abroad when no municipality is named."""
        act = parse.act(request.act)
        targets = parse.targets(request.targets)
        destination = parse.address(request.destination_address, "destination_address")
        municipality = parse.municipality(request.destination_municipality_code, "destination_municipality_code")
        new_head = parse.optional_head(request.new_head)
        reason = ChangeReason.MOVE_OUT if municipality is not None else ChangeReason.MOVE_OUT_ABROAD

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            settings = self._acts.settings
            check_planned(stamp.dates.event_on, stamp.dates.processed_on, settings.move_out_days_ahead)
            if municipality is not None:
                check_other_end(municipality, settings.own, stamp.dates.event_on)
            situation = await unit.residents.hold({one.resident for one in targets})
            return remove(situation, targets, reason, stamp, new_head=new_head, destination=destination)

        return await self._acts.perform(act, pb.ReportMoveOutResponse, decide)

    async def ReportDeath(
        self,
        request: pb.ReportDeathRequest,
        _context: grpc.aio.ServicerContext[pb.ReportDeathRequest, pb.ReportDeathResponse],
    ) -> pb.ReportDeathResponse:
        """Registers a death."""
        act = parse.act(request.act)
        target = parse.target(request.target, "target")
        new_head = parse.optional_head(request.new_head)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold([target.resident])
            return remove(situation, [target], ChangeReason.DEATH, stamp, new_head=new_head)

        return await self._acts.perform(act, pb.ReportDeathResponse, decide)

    async def RemoveByOffice(
        self,
        request: pb.RemoveByOfficeRequest,
        _context: grpc.aio.ServicerContext[pb.RemoveByOfficeRequest, pb.RemoveByOfficeResponse],
    ) -> pb.RemoveByOfficeResponse:
        """Removes a record by office."""
        act = parse.act(request.act)
        target = parse.target(request.target, "target")
        new_head = parse.optional_head(request.new_head)
        ground = parse.ground(request.ground)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold([target.resident])
            return remove(situation, [target], ChangeReason.REMOVAL_BY_OFFICE, stamp, new_head=new_head)

        return await self._acts.perform(act, pb.RemoveByOfficeResponse, decide, by_office=True, ground=ground)
