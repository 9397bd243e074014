"""Erasing by law: nobody can open the entry any more, and every proof of it goes on."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from pathlib import Path

import asyncpg
import pytest

from services.foundation.audit.entry import opens
from services.foundation.audit.log import AuditLog
from services.foundation.audit.merkle import leaf_hash, verify_inclusion
from services.foundation.audit.proofs import Proofs
from services.foundation.audit.publisher import Publisher
from services.foundation.audit.salts import Sealer
from services.foundation.audit.tile_store import TileStore
from services.foundation.identity import log_origin
from tests.databases import DatabaseUrls
from tests.integration.audit.makers import NODE, SALT_KEY, SIGNER, make_entry
from tools import audit_erase, audit_fsck


@pytest.fixture
def settings(urls: DatabaseUrls, tmp_path: Path) -> Path:
    (tmp_path / "salt.key").write_text(SALT_KEY.hex())
    path = tmp_path / "node.toml"
    values = {"node": NODE.name, "listen": "127.0.0.1:1", "database_url": urls.app, "keys": str(tmp_path),
              "trust": str(tmp_path), "log_directory": str(tmp_path), "purposes": "of a tier"}  # fmt: skip
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()))
    return path


async def test_after_an_erasure_proofs_go_on_and_the_subject_cannot_be_told(
    pool: asyncpg.Pool[asyncpg.Record], app: asyncpg.Connection[asyncpg.Record], store: TileStore, settings: Path
) -> None:
    origin = log_origin(NODE, "juki.example")
    sealer = Sealer(SALT_KEY, origin)
    log = AuditLog(NODE, origin, sealer)
    await log.append(app, [make_entry(number) for number in range(300)])
    publisher = Publisher(pool, store, SIGNER)
    await publisher.publish()
    body = await app.fetchval("SELECT body FROM audit_entry WHERE seq = 7")
    salt = sealer.open(await app.fetchval("SELECT sealed FROM audit_salt WHERE seq = 7"))
    assert opens(body, salt, "10000000001")

    code = await asyncio.to_thread(audit_erase.main, [str(settings), "--case", "2026-9", "7", "8", "9999"])

    assert code == 0
    assert await app.fetchval("SELECT array_agg(seq) FROM audit_salt WHERE seq IN (6, 7, 8)") == [6]
    await publisher.publish()
    proofs = Proofs(store)
    verify_inclusion(leaf_hash(body), 7, 301, proofs.inclusion(7, 301), _root(store))
    checked = await asyncio.to_thread(audit_fsck.main, [str(store.directory), "--vkey", SIGNER.vkey])
    assert checked == 0
    entry = json.loads(await app.fetchval("SELECT body FROM audit_entry WHERE seq = 300"))
    assert (entry["act"], entry["case"], entry["n"], entry["node"]) == ("ERASE_SALTS", "2026-9", 2, NODE.name)


def _root(store: TileStore) -> bytes:
    note = store.checkpoint()
    assert note is not None
    return b64decode(note.split("\n")[2])


async def test_what_cannot_be_recorded_is_not_erased(
    app: asyncpg.Connection[asyncpg.Record], log: AuditLog, settings: Path
) -> None:
    await log.append(app, [make_entry()])

    code = await asyncio.to_thread(audit_erase.main, [str(settings), "--case", "x" * 5000, "0"])

    assert code == 1
    assert await app.fetchval("SELECT count(*) FROM audit_salt") == 1


@pytest.mark.parametrize("content", ["", "node = 1\n", "not toml", 'node = "agency/national"\n'])
def test_settings_that_cannot_be_used_erase_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(content)

    assert audit_erase.main([str(path), "--case", "1", "0"]) == 1
    assert audit_erase.main([str(tmp_path / "missing.toml"), "--case", "1", "0"]) == 1
