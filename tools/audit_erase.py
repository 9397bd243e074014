"""Erases salts of audit entries: `python -m tools.audit_erase NODE.toml --case NUMBER SEQ...`; there is no way back.

Runs beside the node, with its settings and its application role. The entries stay, and every proof of them goes on;
whom they are about can no longer be told from them. The erasure is an entry of the log.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from rich.console import Console

from services.foundation.audit.erasing import Erasure, erase
from services.foundation.audit.log import AuditLog
from services.foundation.audit.salts import load_sealer
from services.foundation.clock import SystemClock
from services.foundation.identity import log_origin
from services.foundation.refusals import Refusal
from services.foundation.settings import NodeConfig, SettingRefused, parse

_CONNECT_SECONDS = 10.0


def main(given: Sequence[str]) -> int:
    """Erases and says how many; returns 0, 1 when refused."""
    parser = argparse.ArgumentParser(prog="audit_erase", description="Erases salts of audit entries, by law.")
    parser.add_argument("settings", type=Path, help="the node's settings file")
    parser.add_argument("--case", required=True, help="number of the case in which the erasure was decided")
    parser.add_argument("seqs", type=int, nargs="+", metavar="SEQ", help="indexes of the entries")
    chosen = parser.parse_args(given)
    console = Console(soft_wrap=True)
    try:
        done = asyncio.run(_erase(load(chosen.settings), chosen.seqs, chosen.case))
    except (Refusal, OSError, asyncpg.PostgresError) as error:
        said = f"{error.reason}: {error.advice}" if isinstance(error, Refusal) else type(error).__name__
        console.print(f"nothing was erased: {said}", markup=False)
        return 1
    console.print(
        f"erased {done.erased} of {done.asked}; recorded as entry {done.receipt.index} of {done.receipt.origin}",
        markup=False,
    )
    return 0


def load(path: Path) -> NodeConfig:
    """Reads what every node has from a node's settings, whatever its tier; refuses SETTING_REFUSED."""
    known = {field.name for field in dataclasses.fields(NodeConfig)}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingRefused("mend the file: it is not TOML in UTF-8", file=str(path)) from None
    return parse({key: value for key, value in values.items() if key in known}, NodeConfig, str(path))


async def _erase(config: NodeConfig, seqs: Sequence[int], case: str) -> Erasure:
    origin = log_origin(config.identity, config.trust_domain_root)
    log = AuditLog(config.identity, origin, load_sealer(config.keys / "salt.key", origin))
    connection = await asyncpg.connect(config.database_url, timeout=_CONNECT_SECONDS)
    try:
        return await erase(connection, log, config.identity, SystemClock(), seqs, case)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
