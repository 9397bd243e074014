"""How records of those who stay are changed, and how what was recorded is undone or sent again."""

from __future__ import annotations

from uuid import UUID

import grpc.aio

from juki.common.v1 import change_pb2
from juki.municipal.v1 import register_service_pb2 as pb
from services.municipal.handlers.acts import Acts
from services.municipal.refusals import NotificationNotFound, ResidentNotFound
from services.municipal.rules.cancellation import cancel
from services.municipal.rules.correction import change_code, correct
from services.municipal.rules.notification import Notification, superseding
from services.municipal.rules.record import Record, Stamp
from services.municipal.rules.relocation import relocate
from services.municipal.rules.situation import Decision, Situation, Target
from services.municipal.store.unit import Unit
from services.municipal.wire import parse


class CorrectionHandlers:
    """Answers relocations, corrections, changes of code, cancellations, and notifications to be sent again."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def ReportRelocation(
        self,
        request: pb.ReportRelocationRequest,
        _context: grpc.aio.ServicerContext[pb.ReportRelocationRequest, pb.ReportRelocationResponse],
    ) -> pb.ReportRelocationResponse:
        """Registers a relocation inside the municipality."""
        act = parse.act(request.act)
        targets = parse.targets(request.targets)
        address = parse.address(request.address)
        household = parse.optional_household(request.household)
        new_head = parse.optional_head(request.new_head)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            entered = [household] if household is not None else []
            situation = await unit.residents.hold({one.resident for one in targets}, entered)
            new_id = self._acts.settings.new_id
            return relocate(situation, targets, address, household, stamp, new_id, new_head=new_head)

        return await self._acts.perform(act, pb.ReportRelocationResponse, decide)

    async def CorrectRecord(
        self,
        request: pb.CorrectRecordRequest,
        _context: grpc.aio.ServicerContext[pb.CorrectRecordRequest, pb.CorrectRecordResponse],
    ) -> pb.CorrectRecordResponse:
        """Corrects a record."""
        act = parse.act(request.act)
        target = parse.target(request.target, "target")
        correction = parse.correction(request)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            return correct(await unit.residents.hold([target.resident]), target, correction, stamp)

        return await self._acts.perform(act, pb.CorrectRecordResponse, decide, by_office=True)

    async def ChangeResidentCode(
        self,
        request: pb.ChangeResidentCodeRequest,
        _context: grpc.aio.ServicerContext[pb.ChangeResidentCodeRequest, pb.ChangeResidentCodeResponse],
    ) -> pb.ChangeResidentCodeResponse:
        """Gives a resident another code."""
        act = parse.act(request.act)
        target = parse.target(request.target, "target")

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold([target.resident])
            (code,) = await unit.codes.draw(1, stamp.processed_at)
            return change_code(situation, target, code, stamp)

        return await self._acts.perform(act, pb.ChangeResidentCodeResponse, decide)

    async def CancelEvent(
        self,
        request: pb.CancelEventRequest,
        _context: grpc.aio.ServicerContext[pb.CancelEventRequest, pb.CancelEventResponse],
    ) -> pb.CancelEventResponse:
        """Cancels the newest event of a record."""
        act = parse.act(request.act)
        target = parse.target(request.target, "target")

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation, of_act, former = await _newest_act(unit, target)
            return cancel(situation, target, of_act, former, stamp)

        return await self._acts.perform(act, pb.CancelEventResponse, decide, by_office=True)

    async def ResendNotification(
        self,
        request: pb.ResendNotificationRequest,
        _context: grpc.aio.ServicerContext[pb.ResendNotificationRequest, pb.ResendNotificationResponse],
    ) -> pb.ResendNotificationResponse:
        """Sends a notification in the place of one that was quarantined."""
        act = parse.act(request.act)
        unspecified = change_pb2.CHANGE_REASON_UNSPECIFIED
        reason = parse.change_reason(request.reason) if request.reason != unspecified else None

        async def find(unit: Unit) -> tuple[Record, Notification]:
            data = await unit.sent(request.sequence)
            if data is None:
                raise NotificationNotFound("give the sequence that the prefecture shows", sequence=request.sequence)
            first = parse.notification(data)
            holder = (await unit.residents.holders([first.code])).get(first.code)
            record = await unit.residents.find(holder) if holder is not None else None
            if record is None:
                raise ResidentNotFound("the register has no record for that notification")
            return record, superseding(first, record, reason)

        return await self._acts.resend(act, pb.ResendNotificationResponse, find, request.sequence)


async def _newest_act(unit: Unit, target: Target) -> tuple[Situation, list[UUID], dict[UUID, Record]]:
    """Finds whom the act touched that made the target's newest row, with the rows before theirs, and holds all."""
    newest = await unit.residents.find(target.resident)
    if newest is None:
        return Situation({}), [], {}
    of_act = list(await unit.residents.of_act(newest.stamp.act))
    former = {}
    for resident in of_act:
        record = await unit.residents.find(resident)
        before = await unit.residents.row(resident, record.revision - 1) if record is not None else None
        if before is not None:
            former[resident] = before
    situation = await unit.residents.hold(of_act, {one.household for one in former.values()})
    return situation, of_act, former
