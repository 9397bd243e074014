"""How households change without anybody moving."""

from __future__ import annotations

import grpc.aio

from juki.municipal.v1 import register_service_pb2 as pb
from services.municipal.handlers.acts import Acts
from services.municipal.rules.households import change_head, change_household, merge, split
from services.municipal.rules.record import Stamp
from services.municipal.rules.situation import Decision
from services.municipal.store.unit import Unit
from services.municipal.wire import parse


class HouseholdHandlers:
    """Answers changes of head, splits, merges, and changes of household."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def ChangeHead(
        self,
        request: pb.ChangeHeadRequest,
        _context: grpc.aio.ServicerContext[pb.ChangeHeadRequest, pb.ChangeHeadResponse],
    ) -> pb.ChangeHeadResponse:
        """Makes another member the head."""
        act = parse.act(request.act)
        household = parse.household(request.household)
        new_head = parse.target(request.new_head, "new_head")
        relation = parse.relation(request.former_head_relation, "former_head_relation")

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold([new_head.resident], [household])
            return change_head(situation, household, new_head, relation, stamp)

        return await self._acts.perform(act, pb.ChangeHeadResponse, decide)

    async def SplitHousehold(
        self,
        request: pb.SplitHouseholdRequest,
        _context: grpc.aio.ServicerContext[pb.SplitHouseholdRequest, pb.SplitHouseholdResponse],
    ) -> pb.SplitHouseholdResponse:
        """Makes a household of some members."""
        act = parse.act(request.act)
        targets = parse.targets(request.targets)
        new_head = parse.optional_head(request.new_head)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold({one.resident for one in targets})
            return split(situation, targets, stamp, self._acts.settings.new_id, new_head=new_head)

        return await self._acts.perform(act, pb.SplitHouseholdResponse, decide)

    async def MergeHouseholds(
        self,
        request: pb.MergeHouseholdsRequest,
        _context: grpc.aio.ServicerContext[pb.MergeHouseholdsRequest, pb.MergeHouseholdsResponse],
    ) -> pb.MergeHouseholdsResponse:
        """Brings the members of one household into another."""
        act = parse.act(request.act)
        household = parse.household(request.household)
        absorbed = parse.household(request.absorbed_household, "absorbed_household")
        members = parse.members(request.members)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold({one.resident for one in members}, [household, absorbed])
            return merge(situation, household, absorbed, members, stamp)

        return await self._acts.perform(act, pb.MergeHouseholdsResponse, decide)

    async def ChangeHousehold(
        self,
        request: pb.ChangeHouseholdRequest,
        _context: grpc.aio.ServicerContext[pb.ChangeHouseholdRequest, pb.ChangeHouseholdResponse],
    ) -> pb.ChangeHouseholdResponse:
        """Moves members to another household."""
        act = parse.act(request.act)
        household = parse.household(request.household)
        members = parse.members(request.members)
        new_head = parse.optional_head(request.new_head)

        async def decide(unit: Unit, stamp: Stamp) -> Decision:
            situation = await unit.residents.hold({one.resident for one in members}, [household])
            return change_household(situation, household, members, stamp, new_head=new_head)

        return await self._acts.perform(act, pb.ChangeHouseholdResponse, decide)
