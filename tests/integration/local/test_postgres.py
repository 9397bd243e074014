"""Does the embedded PostgreSQL start on a private socket and keep its roles apart?"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.child import Child, Policy, Spec
from deploy.local.layout import Layout
from deploy.local.logs import ProcessLog
from deploy.local.postgres import Cluster, Roles
from deploy.local.processes import end, see, tethered
from deploy.local.refusals import DatabaseUnusable, SocketDirectoryUnsafe
from services.foundation.db.durability import require_durable
from services.foundation.db.engine import Database

_AGENCY = Roles("agency_national", "aa11", "bb22")
_TOKYO = Roles("prefecture_13", "cc33", "dd44")


@pytest.fixture
def layout(place: Path) -> Iterator[Layout]:
    # A deep checkout, whose paths are longer than a socket's may be.
    layout = Layout(place / ("deep" * 20) / ("deeper" * 15))
    yield layout
    if layout.socket_directory.exists():
        layout.socket_directory.rmdir()


@pytest.fixture
def cluster(layout: Layout) -> Cluster:
    cluster = Cluster(layout.cluster, layout.socket_directory)
    cluster.prepare()
    return cluster


def _child(cluster: Cluster, layout: Layout) -> Child:
    spec = Spec(
        name="postgres",
        command=cluster.command,
        marker=str(cluster.data),
        is_ready=cluster.is_ready,
        account=cluster.account,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
    )
    return Child(spec, ProcessLog("postgres", layout.log("postgres"), None, 0), Policy(), lambda: None)


@pytest.fixture
async def running(cluster: Cluster, layout: Layout) -> AsyncIterator[Cluster]:
    child = _child(cluster, layout)
    await child.start()
    yield cluster
    await child.stop()


async def test_a_node_s_roles_reach_their_own_database_with_their_own_password_only(running: Cluster) -> None:
    for roles in (_AGENCY, _TOKYO, _AGENCY):
        await running.ensure_database(roles)

    owner = await asyncpg.connect(running.owner_url(_AGENCY))
    await owner.execute("CREATE TABLE register (id int)")
    await owner.close()
    app = await asyncpg.connect(running.app_url(_AGENCY))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("DROP TABLE register")
    await app.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(running.app_url(Roles(_AGENCY.database, "x", "wrong")))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(running.app_url(_TOKYO).replace("/prefecture_13?", "/agency_national?"))


async def test_what_was_committed_is_synced_and_no_address_is_listened_on(running: Cluster) -> None:
    connection = await asyncpg.connect(running.superuser_url)
    settings = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    listening = await connection.fetchval("SHOW listen_addresses")
    await connection.close()

    database = Database(running.superuser_url, 1)
    await require_durable(database)
    await database.close()
    assert (settings, listening) == (["on", "on"], "")
    assert stat.S_IMODE(running.socket_directory.stat().st_mode) == 0o700


async def test_the_servers_log_does_not_tell_which_value_was_there_twice(running: Cluster, layout: Layout) -> None:
    connection = await asyncpg.connect(running.superuser_url)
    await connection.execute("CREATE TABLE code (digits text PRIMARY KEY)")
    insert = "INSERT INTO code VALUES ($1)"
    await connection.execute(insert, "31415926535")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, "31415926535")
    await connection.close()

    for _ in range(100):
        log = layout.log("postgres").read_text("utf-8")
        if "duplicate key" in log:
            break
        await asyncio.sleep(0.05)
    assert "duplicate key" in log
    assert "31415926535" not in log


async def test_a_lock_file_of_a_dead_server_does_not_keep_the_next_from_starting(
    cluster: Cluster, layout: Layout
) -> None:
    # The number belongs to a stranger by now: this very process.
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")

    cluster.prepare()
    child = _child(cluster, layout)
    await child.start()
    await child.stop()

    assert cluster.orphan() is None


async def test_a_server_that_survived_its_supervisor_is_found(cluster: Cluster) -> None:
    command = tethered(cluster.command, on_parent_death=signal.SIGINT, user=cluster.account)
    server = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(20):
        while not await cluster.is_ready():  # noqa: ASYNC110 - it is another process that becomes ready
            await asyncio.sleep(0.05)

    pid = cluster.orphan()
    assert pid == server.pid
    await asyncio.to_thread(end, [see(pid, str(cluster.data))], gently=signal.SIGINT, patience_s=20)
    await server.wait()

    assert cluster.orphan() is None


def test_an_initialisation_that_was_killed_starts_over(layout: Layout) -> None:
    half = layout.cluster / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    cluster = Cluster(layout.cluster, layout.socket_directory)
    cluster.prepare()

    assert (cluster.data / "global").is_dir()
    assert not half.exists()


def test_data_of_another_version_is_refused(cluster: Cluster) -> None:
    (cluster.data / "PG_VERSION").write_text("17\n")

    with pytest.raises(DatabaseUnusable) as refused:
        cluster.prepare()

    assert refused.value.facts["version"] == "17"


@pytest.mark.parametrize("what", ["open", "link"])
def test_a_socket_directory_that_others_could_have_made_is_refused(layout: Layout, tmp_path: Path, what: str) -> None:
    place = layout.socket_directory
    if what == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.symlink_to(tmp_path)

    with pytest.raises(SocketDirectoryUnsafe):
        Cluster(layout.cluster, place).prepare()

    if what == "link":
        place.unlink()
