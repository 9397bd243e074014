"""Who moves inside the municipality, and into which household."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from services.municipal import refusals
from services.municipal.rules.days import check_event, check_since_entry
from services.municipal.rules.leaving import head_those_who_stay
from services.municipal.rules.record import HEAD, Change, Record, Stamp, follow
from services.municipal.rules.situation import Decision, Household, Situation, Target
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.text import Address

_REASON = ChangeReason.RELOCATION


def relocate(
    situation: Situation,
    targets: Sequence[Target],
    address: Address,
    household: UUID | None,
    stamp: Stamp,
    new_id: Callable[[], UUID],
    *,
    new_head: UUID | None = None,
) -> Decision:
    """Moves the targets to `address`, into `household`, or where that is None into a household of their own.

    Their present household moves with them if everybody in it moves; else a new one is made, whose head is the first
    target. Refuses what `remove` refuses, and HOUSEHOLD_NOT_FOUND, SAME_HOUSEHOLD, ADDRESS_DIFFERS, RELATION_MISSING,
    HEAD_TAKEN and NOTHING_CHANGED.
    """
    movers = situation.targets(targets)
    for mover in movers:
        check_event(_REASON, stamp.dates, mover.attributes.birth_date)
        check_since_entry(mover, stamp.dates.event_on)
        if mover.attributes.address == address:
            raise refusals.NothingChanged("give another address, or report a change of household")
    if household is None and _is_whole_household(situation, movers):
        changes = [_moved(one, address, stamp, one.household, one.relation) for one in movers]
        changes += head_those_who_stay(situation, movers, new_head, stamp)
        return situation.settle(changes, _REASON, stamp)
    entered = _entered(situation, household, movers, address, new_id)
    changes = [
        _moved(mover, address, stamp, entered.id, relation)
        for mover, relation in zip(movers, relations(targets, movers, new=household is None), strict=True)
    ]
    changes += head_those_who_stay(situation, movers, new_head, stamp)
    return situation.settle(changes, _REASON, stamp, entered)


def relations(targets: Sequence[Target], movers: Sequence[Record], *, new: bool) -> list[str]:
    """Returns the movers' relations in the household that they enter; the first of a new one is its head.

    Refuses RELATION_MISSING for a former head whose relation to the new head is not given.
    """
    found = [target.relation or mover.relation for target, mover in zip(targets, movers, strict=True)]
    if new:
        found[0] = HEAD
    for relation, target in list(zip(found, targets, strict=True))[1 if new else 0 :]:
        if relation == HEAD and not target.relation:
            raise refusals.RelationMissing("say how the former head is related to the head of the household entered")
    return found


def _is_whole_household(situation: Situation, movers: Sequence[Record]) -> bool:
    members = situation.members(movers[0].household)
    return {one.resident for one in members} == {one.resident for one in movers}


def _entered(
    situation: Situation,
    household: UUID | None,
    movers: Sequence[Record],
    address: Address,
    new_id: Callable[[], UUID],
) -> Household:
    if household is None:
        return Household(id=new_id(), revision=0, address=address, head=None)
    if any(one.household == household for one in movers):
        raise refusals.SameHousehold("leave household out where it moves with everybody in it")
    return situation.household(household)


def _moved(mover: Record, address: Address, stamp: Stamp, household: UUID, relation: str) -> Change:
    held = mover.attributes
    attributes = FourAttributes(held.name, held.birth_date, held.sex, address)
    return follow(mover, _REASON, stamp, attributes=attributes, household=household, relation=relation)
