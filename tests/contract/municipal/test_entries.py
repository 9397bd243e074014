"""Births, moves in, entries by office."""

from __future__ import annotations

from tests.counters import Desk


async def test_a_family_that_moves_in_is_a_household_with_a_head(desk: Desk) -> None:
    head, wife, child = await desk.family("妻", "子")

    household = await desk.household(wife)

    assert household.head == head.name
    assert [one.name for one in household.members][0] == head.name
    assert {one.name for one in household.members} == {head.name, wife.name, child.name}
