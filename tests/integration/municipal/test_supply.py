"""How a node gets its resident codes from the agency over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from deploy.pki.authority import Pki
from juki.agency.v1 import code_pool_service_pb2 as agency_pb
from juki.agency.v1 import code_pool_service_pb2_grpc as agency_rpc
from juki.municipal.v1 import register_read_service_pb2 as read_pb
from juki.municipal.v1 import register_read_service_pb2_grpc as read_rpc
from juki.municipal.v1 import register_service_pb2_grpc as rpc
from services.foundation.db.migrate import upgrade
from tests.counters import make_codes, make_move_in
from tests.databases import MakeDatabase
from tests.desks import MIGRATIONS
from tests.integration.municipal.conftest import running

_SECONDS = 10.0


@dataclass
class Agency(agency_rpc.CodePoolServiceServicer):
    """Allots codes, the same ones under the same request id; fails the first `failures` calls after allotting."""

    failures: int = 0
    allotted: dict[str, list[str]] = field(default_factory=dict)

    async def AllotCodes(  # noqa: N802 - the contract's name
        self,
        request: agency_pb.AllotCodesRequest,
        context: grpc.aio.ServicerContext[agency_pb.AllotCodesRequest, agency_pb.AllotCodesResponse],
    ) -> agency_pb.AllotCodesResponse:
        codes = self.allotted.setdefault(request.request_id, [code.digits for code in make_codes(request.count)])
        if self.failures:
            self.failures -= 1
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "lost on the way")
        return agency_pb.AllotCodesResponse(resident_codes=codes)


@asynccontextmanager
async def serving(pki: Pki, agency: Agency) -> AsyncIterator[str]:
    """Serves an agency with the certificate of the agency's node; yields its address."""
    keys = pki.issue("agency/national")
    roots = (pki.state / "trust" / "roots.crt").read_bytes()
    pair = ((keys / "tls.key").read_bytes(), (keys / "tls.crt").read_bytes())
    server = grpc.aio.server()
    agency_rpc.add_CodePoolServiceServicer_to_server(agency, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], roots, True))
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_node_fills_its_pool_and_registers_from_it(
    pki: Pki, make_database: MakeDatabase, tmp_path: Path
) -> None:
    urls = make_database("supplied")
    await upgrade(urls.owner, MIGRATIONS, urls.app_role)
    agency = Agency(failures=1)
    settings = {"code_pool_low": 5, "code_pool_batch": 20, "code_pool_seconds": 0.05}
    async with serving(pki, agency) as address:
        neighbours = {"agency/national": address, "prefecture/13": "127.0.0.1:1"}
        async with running(pki, urls, tmp_path, neighbours=neighbours, **settings) as city, city.channel() as channel:
            reads: read_rpc.RegisterReadServiceAsyncStub = read_rpc.RegisterReadServiceStub(channel)
            register: rpc.RegisterServiceAsyncStub = rpc.RegisterServiceStub(channel)
            for _ in range(200):
                pool = await reads.GetCodePool(read_pb.GetCodePoolRequest(), timeout=_SECONDS)
                if pool.free_count:
                    break
                await asyncio.sleep(0.05)
            answer = await register.ReportMoveIn(make_move_in(), timeout=_SECONDS)

    (codes,) = agency.allotted.values()
    assert pool.free_count == 20
    assert not pool.low
    assert answer.residents[0].resident_code in codes
