"""Published logs before judges that share little or no code with the publisher: fsck, and golang.org/x/mod."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.foundation.audit.checkpoint import Checkpoint, sign
from services.foundation.audit.log import AuditLog
from services.foundation.audit.note import NoteSigner
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.tile_store import TileStore
from services.foundation.audit.tiles import Edge
from tests.databases import DatabaseUrls
from tests.integration.audit.makers import ORIGIN, SIGNER, make_entry
from tools import audit_fsck

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Judge = Callable[[Path, Path | None], int]

ROOM = Path(__file__).parents[3]
VERIFIER = Path(__file__).parent / "go-verifier"
STRANGER = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def fsck(directory: Path, older: Path | None) -> int:
    given = [str(directory), "--vkey", SIGNER.vkey, *(["--older", str(older)] if older else [])]
    return audit_fsck.main(given)


@pytest.fixture(scope="session")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go command on this machine, so its verifier cannot be built")
    binary = tmp_path_factory.mktemp("go") / "go-verifier"
    built = subprocess.run(
        [go, "build", "-o", binary, "."], cwd=VERIFIER, capture_output=True, text=True, timeout=110, check=False
    )
    if built.returncode and "dial tcp" in built.stderr:
        pytest.skip(f"golang.org/x/mod cannot be had: {built.stderr}")
    assert built.returncode == 0, built.stderr
    return binary


@pytest.fixture(params=["fsck", "go"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "fsck":
        return fsck
    binary: Path = request.getfixturevalue("go_verifier")

    def go(directory: Path, older: Path | None) -> int:
        old = [f"-old={older}"] if older else []
        return subprocess.run([binary, *old, directory, SIGNER.vkey], timeout=60, check=False).returncode

    return go


async def append(connection: Connection, log: AuditLog, count: int) -> None:
    for start in range(0, count, 500):
        await log.append(connection, [make_entry(number) for number in range(start, min(start + 500, count))])


def forge(store: TileStore, entries: list[bytes], signer: NoteSigner = SIGNER) -> None:
    """Writes a log of these entries that is consistent in itself, as whoever holds a log key can."""
    edge = Edge()
    for tile in [*edge.extend(entries), *edge.partials()]:
        store.write(tile)
    store.write_checkpoint(sign(Checkpoint(ORIGIN, edge.size, edge.root()), signer))


def bodies(count: int, **changes: object) -> list[bytes]:
    """Returns canonical entries, the last of them changed."""
    entries = []
    for seq in range(count):
        entry = {
            "act": "A", "agency": "a", "method": "m", "n": 0, "node": "x", "res": "ALLOW", "rid": "r", "seq": seq,
            "t": f"2026-04-01T09:00:00.{seq:06d}Z", "v": 1,
        }  # fmt: skip
        if seq == count - 1:
            entry.update(changes)
        entries.append(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode())
    return entries


@pytest.mark.parametrize("sizes", [(1,), (5, 256), (300, 557, 558)])
async def test_a_published_log_passes(
    pool: Pool, app: Connection, store: TileStore, log: AuditLog, judge: Judge, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    publisher = Publisher(pool, store, SIGNER)
    older: Path | None = None
    for size in sizes:
        await append(app, log, size - publisher.published_size)
        await publisher.publish()

        assert await asyncio.to_thread(judge, store.directory, older) == 0
        older = tmp_path / "older"
        shutil.copy(store.directory / "checkpoint", older)


@pytest.mark.parametrize(
    "victim",
    ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"],
)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_any_harm_to_any_file_is_found(store: TileStore, judge: Judge, victim: str, harm: str) -> None:
    forge(store, bodies(300))
    assert judge(store.directory, None) == 0
    file = store.directory / victim
    content = file.read_bytes()

    if harm == "remove":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(
            content[:-1] if harm == "cut" else content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )

    assert judge(store.directory, None) == 1


def test_a_log_signed_by_a_stranger_fails(store: TileStore, judge: Judge) -> None:
    forge(store, bodies(3), STRANGER)

    assert judge(store.directory, None) == 1


@pytest.mark.parametrize("new", [200, 300, 400])
def test_a_rewritten_or_shortened_log_does_not_continue_the_older_one(
    store: TileStore, judge: Judge, tmp_path: Path, new: int
) -> None:
    before = TileStore(tmp_path / "before")
    forge(before, bodies(300))
    forge(store, bodies(150, act="OTHER") + bodies(new)[150:])
    assert judge(store.directory, None) == 0

    assert judge(store.directory, before.directory / "checkpoint") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 3},
        {"v": 2},
        {"v": True},
        {"node": "y"},
        {"name": "a person"},
        {"n": "1"},
        {"res": "DENY"},
        {"rid": None},
        {"fields": []},
        {"fields": [1]},
        {"fields": "name"},
        {"tls": {"v": "TLSv1.3"}},
        {"tls": []},
        {"t": "2026-04-01T08:00:00.000000Z"},
        {"t": "2026-04-01T09:00:00Z"},
        {"t": "2026-13-01T09:00:00.000000Z"},
        {"case": "番号"},
    ],
)
def test_an_entry_that_should_not_be_in_a_log_is_found(store: TileStore, changes: dict[str, object]) -> None:
    forge(store, bodies(3, **changes))

    assert fsck(store.directory, None) == 1


@pytest.mark.parametrize(
    "entry", [b"", b"{}", b"[]", b'{"a": 1}', b"\xff", b'{"a":NaN}', b"[" * 5000, b'{"v":1,"v":1}']
)
def test_an_entry_that_is_no_entry_is_found(store: TileStore, entry: bytes) -> None:
    forge(store, [*bodies(2), entry])

    assert fsck(store.directory, None) == 1


@pytest.mark.parametrize(
    "text", ["other", f"{ORIGIN}\n1\n", "other\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"]
)
def test_a_signed_text_that_is_no_checkpoint_of_the_log_is_found(store: TileStore, text: str) -> None:
    store.write_checkpoint(SIGNER.sign(text.rstrip("\n") + "\n"))

    assert fsck(store.directory, None) == 1


async def test_a_table_with_other_entries_than_the_files_is_found(
    pool: Pool, app: Connection, owner: Connection, store: TileStore, log: AuditLog, urls: DatabaseUrls
) -> None:
    await append(app, log, 300)
    await Publisher(pool, store, SIGNER).publish()
    await append(app, log, 10)
    compare = [str(store.directory), "--vkey", SIGNER.vkey, "--database", urls.app]
    assert await asyncio.to_thread(audit_fsck.main, compare) == 0
    await owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
    await owner.execute("UPDATE audit_entry SET body = '{}' WHERE seq = 299")

    assert await asyncio.to_thread(audit_fsck.main, compare) == 1


def test_arguments_that_cannot_be_used_are_told_from_a_wrong_log(store: TileStore, tmp_path: Path) -> None:
    forge(store, bodies(1))

    assert audit_fsck.main([str(store.directory), "--vkey", "nonsense"]) == 2
    assert fsck(store.directory, tmp_path / "missing") == 2
    with pytest.raises(SystemExit) as left:
        audit_fsck.main([])
    assert left.value.code == 2


async def test_killed_at_any_step_the_next_process_goes_on(
    pool: Pool, app: Connection, store: TileStore, log: AuditLog, urls: DatabaseUrls, tmp_path: Path
) -> None:
    older, kills, promised = tmp_path / "older", 0, 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOM), str(ROOM / "gen")])}
    crashing = Path(__file__).parent / "crashing.py"
    for step in range(40):
        await append(app, log, 130)
        command = [sys.executable, str(crashing), urls.app, str(store.directory), str(step)]
        code = (await asyncio.to_thread(subprocess.run, command, env=environment, timeout=60, check=False)).returncode
        kills += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)

        publisher = Publisher(pool, store, SIGNER)
        await publisher.start()
        assert publisher.published_size >= promised
        promised = await publisher.publish()

        assert promised == await app.fetchval("SELECT size FROM audit_head")
        assert await asyncio.to_thread(fsck, store.directory, older if step else None) == 0
        shutil.copy(store.directory / "checkpoint", older)
        if code == 0:
            break
    assert kills >= 8, "each step was reached"
