"""The anomaly report over a real node's log, with its salts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from relying.client import RelyingClient
from services.foundation.audit.salts import Sealer
from services.vocabulary.change import ChangeReason
from tests.databases import DatabaseUrls
from tests.integration.audit.makers import ORIGIN, SALT_KEY
from tests.integration.confirmation.conftest import Node
from tests.unit.confirmation.makers import change, code
from tools.anomalies.detectors import Limits, find
from tools.anomalies.lookups import about, read_database


async def test_a_resident_looked_up_again_and_again_is_found_in_a_nodes_log(
    node: Node, pension: RelyingClient, database: DatabaseUrls
) -> None:
    await node.apply([change(ChangeReason.MOVE_IN)])
    for number in range(4):
        await pension.confirm("b1-19", f"case-{number}", code())
    await pension.confirm("b1-19", "case-9", code(2))
    since = datetime.now(UTC) - timedelta(days=1)

    lookups = await read_database(database.app, since, Sealer(SALT_KEY, ORIGIN))
    found = find(lookups, Limits(off_hours_least=100), about(lookups, [code(2), code()]))

    assert len(lookups) == 5
    assert [(one.kind, one.count) for one in found] == [("ONE_AGAIN_AND_AGAIN", 4)]
    assert about(await read_database(database.app, since, None), [code()]) == {}
