"""How many confirmations and changes a second the confirmation room does by itself: no gRPC, real PostgreSQL, real log.

Run as `python -m tools.bench.confirmation_room`; prints one JSON line: for each kind of work how many a second, and the
CPU time of this process for one, which other load on the machine disturbs less. The embedded server runs without fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop

from deploy.purposes.sources import SOURCES, build_table
from juki.common.v1 import civil_date_pb2, person_pb2, purpose_pb2
from juki.confirmation.v1 import confirmation_service_pb2 as pb
from services.confirmation.handlers import ConfirmationHandlers
from services.confirmation.pairwise import FileKey, Pairwise
from services.confirmation.purposes import parse_table
from services.confirmation.rules.admission import JAPAN
from services.confirmation.rules.purposes import Way, decide
from services.confirmation.rules.record import ReportedChange
from services.confirmation.store import PostgresChanges
from services.confirmation.tables import create_confirmation, create_purposes
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import Sealer
from services.foundation.audit.table import create_audit
from services.foundation.clock import SystemClock
from services.foundation.db.engine import Database
from services.foundation.identity import NodeId, node_id
from services.foundation.rpc.call import CURRENT_CALL, Call
from services.vocabulary.attributes import FourAttributes
from services.vocabulary.change import ChangeReason
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.local_government_code import LocalGovernmentCode
from services.vocabulary.resident_code import ResidentCode
from services.vocabulary.sex import Sex
from services.vocabulary.text import Address, PersonName
from tests.databases import DatabaseUrls, database_factory, running_server
from tests.doubles.purposes import FixedPurposes

_AGENCY = node_id("agency/national", "juki.example")
_CHANGES = 10_000
_FEW = 10
"""Figures below it are told with a digit after the point."""
_ORIGIN = "audit.agency-national.juki.example"
_COLUMNS = [
    "resident_code",
    "name",
    "name_folded",
    "birth_date",
    "sex",
    "address",
    "address_folded",
    "municipality_code",
    "state",
    "entered_at",
    "last_reason",
    "last_event_date",
    "position",
]


def main() -> None:
    """Reads the sizes and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=128)
    options = parser.parse_args()
    with running_server() as server, database_factory(server) as make:
        urls = make("bench")
        print(json.dumps(uvloop.run(_measure(urls, options.records, options.questions, options.in_flight))))


async def _measure(urls: DatabaseUrls, records: int, questions: int, in_flight: int) -> dict[str, float]:
    await _seed(urls, records)
    database = Database(urls.app, 4)
    log = AuditLog(_AGENCY, _ORIGIN, Sealer(bytes(32), _ORIGIN))
    purposes = FixedPurposes(parse_table(build_table(SOURCES)).at(_AGENCY.name))
    with tempfile.TemporaryDirectory() as keys:
        (Path(keys) / "salt.key").write_text("00" * 32, "ascii")
        pairwise = Pairwise(FileKey(Path(keys), 1))
    handlers = ConfirmationHandlers(database, log, purposes, SystemClock(), pairwise)
    draw = random.Random(1)  # noqa: S311 - a load, not a secret
    numbers = [draw.randrange(records) for _ in range(questions)]
    figures: dict[str, float] = {"records": records}
    for name, count, run in (
        ("by_code", questions, _ask_all(numbers, in_flight, lambda number: _ask_by_code(handlers, number))),
        ("by_attributes", questions, _ask_all(numbers, in_flight, lambda number: _ask_by_name(handlers, number))),
        ("bulk", questions, _ask_bulk(handlers, numbers)),
        ("changes", _CHANGES, _change_all(urls, records)),
    ):
        started, cpu_started = time.perf_counter(), time.process_time()
        await run
        figures[f"{name}_per_second"] = count / (time.perf_counter() - started)
        figures[f"{name}_cpu_microseconds"] = (time.process_time() - cpu_started) / count * 1e6
    await handlers.close()
    await database.close()
    figures |= _decision_costs(purposes, pairwise, questions)
    return {name: round(figure, 1) if figure < _FEW else round(figure) for name, figure in figures.items()}


def _decision_costs(purposes: FixedPurposes, pairwise: Pairwise, count: int) -> dict[str, float]:
    """Measures by themselves what decides a question, counts it, and names the resident to the body."""
    clock = SystemClock()
    began = time.process_time()
    for _ in range(count):
        now = clock.now()
        day = now.astimezone(JAPAN).date()
        grant = decide(purposes.in_force(), "relying/local-pension", "b1-19", Way.BY_CODE, day)
        purposes.meter.take(grant, 1, now)
    decided = time.process_time()
    for number in range(count):
        pairwise.of(grant, f"{number:011}")
    named = time.process_time()
    return {
        "decision_cpu_microseconds": (decided - began) / count * 1e6,
        "identifier_cpu_microseconds": (named - decided) / count * 1e6,
    }


async def _seed(urls: DatabaseUrls, records: int) -> None:
    owner = await asyncpg.connect(urls.owner)
    statements: list[str] = []
    create_audit(statements.append, urls.app_role)
    create_confirmation(statements.append, urls.app_role)
    create_purposes(statements.append, urls.app_role)
    for statement in statements:
        await owner.execute(statement)
    now = datetime.now(UTC)
    rows = [(*_held(number), "131016", "LIVE", now, "MOVE_IN", "2026-11-01", 1) for number in range(records)]
    await owner.copy_records_to_table("identity_record", records=rows, columns=_COLUMNS)
    await owner.execute("ANALYZE identity_record")
    await owner.close()


def _held(number: int) -> tuple[str, str, str, str, int, str, str]:
    person = _person(number)
    name, address = person.name, person.address
    held = (name.text, name.folded, person.birth_date.iso(), int(person.sex), address.text, address.folded)
    return (_code(number), *held)


def _person(number: int) -> FourAttributes:
    name = PersonName(f"試験 {number:07}")
    birth_date = CivilDate(1930 + number % 90, 1 + number % 12, 1 + number % 28)
    return FourAttributes(name, birth_date, Sex.FEMALE, Address(f"東京都千代田区試験町{number}番地"))


def _code(number: int) -> str:
    return ResidentCode.from_body(f"{number:010}").digits


def _calling(body: str, method: str, request: bytes) -> None:
    peer: NodeId = node_id(body, "juki.example")
    CURRENT_CALL.set(Call(peer, method, "0" * 36, request, "TLSv1.3", "X25519MLKEM768", ""))


async def _ask_by_code(handlers: ConfirmationHandlers, number: int) -> None:
    purpose = purpose_pb2.Purpose(affair_id="b1-19", case_number="bench-1")
    request = pb.ConfirmByCodeRequest(purpose=purpose, resident_code=_code(number))
    _calling("relying/local-pension", "/juki.confirmation.v1.ConfirmationService/ConfirmByCode", b"request")
    response = await handlers.ConfirmByCode(request, None)  # type: ignore[arg-type] # no context outside of gRPC
    _expect(response.answer)


async def _ask_by_name(handlers: ConfirmationHandlers, number: int) -> None:
    person = _person(number)
    born = person.birth_date
    asserted = person_pb2.FourAttributes(
        name=person.name.text,
        birth_date=civil_date_pb2.CivilDate(year=born.year, month=born.month or 0, day=born.day or 0),
        sex=person_pb2.SEX_FEMALE,
        address=person.address.text,
    )
    purpose = purpose_pb2.Purpose(affair_id="b1-113", case_number="bench-1")
    request = pb.ConfirmByAttributesRequest(purpose=purpose, asserted=asserted)
    _calling("relying/construction", "/juki.confirmation.v1.ConfirmationService/ConfirmByAttributes", b"request")
    response = await handlers.ConfirmByAttributes(request, None)  # type: ignore[arg-type] # as above
    _expect(response.answer)


def _expect(answer: pb.Answer) -> None:
    if answer.outcome != pb.OUTCOME_MATCH:
        raise RuntimeError("a seeded resident was not confirmed")


async def _ask_all(numbers: list[int], in_flight: int, ask: Callable[[int], Awaitable[None]]) -> None:
    waiting = iter(numbers)

    async def keep_asking() -> None:
        for number in waiting:
            await ask(number)

    await asyncio.gather(*(keep_asking() for _ in range(in_flight)))


async def _ask_bulk(handlers: ConfirmationHandlers, numbers: list[int]) -> None:
    async def requests() -> AsyncIterator[pb.ConfirmBulkRequest]:
        purpose = purpose_pb2.Purpose(affair_id="b1-19", case_number="bench-1")
        request_id = "00000000-0000-4000-8000-000000000000"
        yield pb.ConfirmBulkRequest(header=pb.BulkHeader(purpose=purpose, request_id=request_id))
        for number, start in enumerate(range(0, len(numbers), 500), start=1):
            questions = [pb.BulkQuestion(resident_code=_code(one)) for one in numbers[start : start + 500]]
            yield pb.ConfirmBulkRequest(batch=pb.BulkBatch(number=number, questions=questions))

    _calling("relying/local-pension", "/juki.confirmation.v1.ConfirmationService/ConfirmBulk", b"")
    async for response in handlers.ConfirmBulk(requests(), None):  # type: ignore[arg-type] # as above
        _expect(response.answers[0])


async def _change_all(urls: DatabaseUrls, records: int) -> None:
    now = datetime.now(UTC)
    changes = [
        ReportedChange(
            municipality=LocalGovernmentCode("131016"),
            resident_code=ResidentCode(_code(number % records)),
            former_resident_code=None,
            reason=ChangeReason.RELOCATION,
            attributes=_person(number + 1),
            former_attributes=None,
            event_date=CivilDate(2026, 11, 1),
            processed_at=now,
        )
        for number in range(_CHANGES)
    ]
    async with _connected(urls.app) as connection:
        for start in range(0, _CHANGES, 500):
            batch = changes[start : start + 500]
            async with connection.transaction():
                store = PostgresChanges(connection)
                ledger = await store.load({change.about for change in batch})
                for change in batch:
                    ledger.apply(change, "131016", now)
                await store.write(ledger)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
