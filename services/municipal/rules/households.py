"""How households change without anybody moving: head, split, merge, change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.days import check_event
from services.municipal.rules.leaving import head_those_who_stay
from services.municipal.rules.record import HEAD, Record, Stamp, follow
from services.municipal.rules.relocation import relations
from services.municipal.rules.situation import Decision, Household, Situation, Target
from services.vocabulary.change import ChangeReason


def change_head(
    situation: Situation, household: UUID, new_head: Target, former_head_relation: str, stamp: Stamp
) -> Decision:
    """Makes another member the head.

    Refuses HOUSEHOLD_NOT_FOUND, NOT_A_MEMBER, ALREADY_HEAD, RELATION_MISSING, what is wrong with the target, and
    DATE_IN_FUTURE.
    """
    reason = ChangeReason.HEAD_CHANGE
    situation.household(household)
    record = situation.target(new_head)
    if record.household != household:
        raise refusals.NotAMember("name a member of the household")
    if record.is_head:
        raise refusals.AlreadyHead("nothing is to be done")
    if former_head_relation == HEAD:
        raise refusals.RelationMissing("say how the former head is related to the new one")
    former = situation.members(household)[0]
    _check_dates(reason, [record, former], stamp)
    changes = [
        follow(record, reason, stamp, relation=HEAD),
        follow(former, reason, stamp, relation=former_head_relation),
    ]
    return situation.settle(changes, reason, stamp)


def split(
    situation: Situation,
    targets: Sequence[Target],
    stamp: Stamp,
    new_id: Callable[[], UUID],
    *,
    new_head: UUID | None = None,
) -> Decision:
    """Makes a household of some members at the same address, whose head is the first of them.

    Refuses NOT_A_MEMBER unless all are of one household, NOBODY_STAYS, RELATION_MISSING, HEAD_LEFT_BEHIND, HEAD_STAYS,
    what is wrong with a target, and DATE_IN_FUTURE.
    """
    reason = ChangeReason.HOUSEHOLD_SPLIT
    leavers = situation.targets(targets)
    if len({one.household for one in leavers}) > 1:
        raise refusals.NotAMember("split one household at a time")
    if len(situation.members(leavers[0].household)) == len(leavers):
        raise refusals.NobodyStays("leave somebody in the household, or report a change of head")
    _check_dates(reason, leavers, stamp)
    made = Household(id=new_id(), revision=0, address=leavers[0].attributes.address, head=None)
    changes = [
        follow(leaver, reason, stamp, household=made.id, relation=relation)
        for leaver, relation in zip(leavers, relations(targets, leavers, new=True), strict=True)
    ]
    changes += head_those_who_stay(situation, leavers, new_head, stamp)
    return situation.settle(changes, reason, stamp, made)


def merge(situation: Situation, household: UUID, absorbed: UUID, members: Sequence[Target], stamp: Stamp) -> Decision:
    """Brings everybody of one household into another at the same address.

    Refuses HOUSEHOLD_NOT_FOUND, SAME_HOUSEHOLD, ADDRESS_DIFFERS, MEMBER_MISSING, NOT_A_MEMBER, HEAD_TAKEN, what is
    wrong with a target, and DATE_IN_FUTURE.
    """
    situation.household(absorbed)
    given = {one.resident for one in members}
    if any(one.resident not in given for one in situation.members(absorbed)):
        raise refusals.MemberMissing("say of every member how they are related to the head")
    if any(one.household != absorbed for one in situation.targets(members)):
        raise refusals.NotAMember("name only members of the household that is absorbed")
    return _join(situation, household, members, ChangeReason.HOUSEHOLD_MERGE, stamp, None)


def change_household(
    situation: Situation, household: UUID, members: Sequence[Target], stamp: Stamp, *, new_head: UUID | None = None
) -> Decision:
    """Moves members from their household to another at the same address.

    Refuses HOUSEHOLD_NOT_FOUND, SAME_HOUSEHOLD, ADDRESS_DIFFERS, HEAD_TAKEN, HEAD_LEFT_BEHIND, HEAD_STAYS, what is
    wrong with a target, and DATE_IN_FUTURE.
    """
    return _join(situation, household, members, ChangeReason.HOUSEHOLD_CHANGE, stamp, new_head)


def _join(
    situation: Situation,
    household: UUID,
    members: Sequence[Target],
    reason: ChangeReason,
    stamp: Stamp,
    new_head: UUID | None,
) -> Decision:
    entered = situation.household(household)
    leavers = situation.targets(members)
    for one in leavers:
        if one.household == household:
            raise refusals.SameHousehold("name another household than the one they are in")
        if one.attributes.address.folded != entered.address.folded:
            raise refusals.AddressDiffers("report a relocation where they move to another address")
    _check_dates(reason, leavers, stamp)
    changes = [
        follow(leaver, reason, stamp, household=household, relation=member.relation)
        for leaver, member in zip(leavers, members, strict=True)
    ]
    changes += head_those_who_stay(situation, leavers, new_head, stamp)
    return situation.settle(changes, reason, stamp)


def _check_dates(reason: ChangeReason, records: Sequence[Record], stamp: Stamp) -> None:
    for record in records:
        check_event(reason, stamp.dates, record.attributes.birth_date)
