"""Who may call whom."""

from __future__ import annotations

import pytest

from juki.agency.v1 import code_pool_service_pb2
from services.foundation.identity import Tier, node_id
from services.foundation.rpc.access import (
    COMMON,
    Access,
    Grant,
    above,
    any_of,
    anyone,
    beside,
    check_complete,
    itself,
    permits,
    within,
)
from services.foundation.rpc.refusals import AccessIncomplete

ALLOT = "/juki.agency.v1.CodePoolService/AllotCodes"
SERVICES = list(code_pool_service_pb2.DESCRIPTOR.services_by_name.values())


@pytest.mark.parametrize(
    ("grants", "caller", "node", "allowed"),
    [
        (anyone(), "auditor/ngo", "agency/national", True),
        (any_of(Tier.RELYING), "relying/pension", "agency/national", True),
        (any_of(Tier.RELYING), "auditor/ngo", "agency/national", False),
        (any_of(Tier.RELYING, Tier.AUDITOR), "auditor/ngo", "agency/national", True),
        (within(Tier.COUNTER), "counter/131016-1", "municipal/131016", True),
        (within(Tier.COUNTER), "counter/131024-1", "municipal/131016", False),
        (within(Tier.COUNTER), "counter/1310160-1", "municipal/131016", False),
        (within(Tier.COUNTER), "municipal/131016", "municipal/131016", False),
        (within(Tier.MUNICIPAL), "municipal/131016", "prefecture/13", True),
        (within(Tier.MUNICIPAL), "municipal/141003", "prefecture/13", False),
        (within(Tier.MUNICIPAL), "counter/131016-1", "prefecture/13", False),
        (within(Tier.PREFECTURE), "prefecture/13", "agency/national", True),
        (within(Tier.MUNICIPAL), "municipal/131016", "municipal/131016", False),
        (above(Tier.PREFECTURE), "prefecture/13", "municipal/131016", True),
        (above(Tier.PREFECTURE), "prefecture/14", "municipal/131016", False),
        (above(Tier.AGENCY), "agency/national", "municipal/131016", True),
        (above(Tier.AGENCY), "agency/national", "agency/national", False),
        (above(Tier.MUNICIPAL), "municipal/131016", "card/131016-1", True),
        (above(Tier.MUNICIPAL), "municipal/131024", "card/131016-1", False),
        (above(Tier.MUNICIPAL), "municipal/131016", "card/1310160-1", False),
        (above(Tier.PREFECTURE), "prefecture/13", "card/131016-1", True),
        (within(Tier.CARD), "card/131016-1", "municipal/131016", True),
        (beside(Tier.COUNTER), "counter/131016-1", "card/131016-1", True),
        (beside(Tier.COUNTER), "counter/131016-2", "card/131016-1", False),
        (beside(Tier.COUNTER), "municipal/131016", "card/131016-1", False),
        (beside(Tier.CARD), "card/131016-1", "card/131016-1", False),
        (itself(), "municipal/131016", "municipal/131016", True),
        (itself(), "municipal/131024", "municipal/131016", False),
        (frozenset[Grant](), "agency/national", "municipal/131016", False),
    ],
)
def test_a_grant_permits_those_it_names(grants: frozenset[Grant], caller: str, node: str, allowed: bool) -> None:
    assert permits(grants, node_id(caller, "juki.example"), node_id(node, "juki.example")) is allowed


def test_a_table_with_a_row_for_each_method_is_complete() -> None:
    check_complete({ALLOT: any_of(Tier.MUNICIPAL)}, SERVICES)
    check_complete({ALLOT: any_of(Tier.MUNICIPAL), **COMMON}, SERVICES)


@pytest.mark.parametrize(
    ("table", "fact"),
    [({}, "missing"), ({ALLOT: frozenset()}, "missing"), ({ALLOT: anyone(), "/no.Such/Method": anyone()}, "unknown")],
)
def test_a_table_that_differs_from_the_methods_is_refused(table: Access, fact: str) -> None:
    with pytest.raises(AccessIncomplete) as refused:
        check_complete(table, SERVICES)

    assert refused.value.facts[fact]
