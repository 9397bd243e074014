"""The command line of every node: `python -m services.<tier> node.toml`."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import uvloop

from services.foundation import settings
from services.foundation.db import migrate
from services.foundation.node import Node
from services.foundation.refusals import Refusal
from services.foundation.settings import NodeConfig
from services.foundation.telemetry import logs

C = TypeVar("C", bound=NodeConfig)
_log = logging.getLogger(__name__)

REFUSED = 2
"""Exit status when the node refuses to start or to go on; the reason is the last line of the log."""


def main(kind: type[C], build: Callable[[C], Node], migrations: Path, arguments: Sequence[str] | None = None) -> int:
    """Runs a node until it is told to stop, or migrates its database; returns the exit status."""
    parser = argparse.ArgumentParser(description=build.__doc__)
    parser.add_argument("settings", type=Path, help="TOML file of the node's settings")
    parser.add_argument(
        "--migrate",
        type=Path,
        metavar="FILE",
        help="only migrate the database; FILE holds the owner's URL and the application role, a line each",
    )
    given = parser.parse_args(arguments)
    try:
        if given.migrate is not None:
            owner_url, app_role = given.migrate.read_text(encoding="utf-8").split()
            uvloop.run(migrate.upgrade(owner_url, migrations, app_role))
            return 0
        config = settings.load(given.settings, kind)
        logs.configure(config.node, config.log_level)
        uvloop.run(_run(config, build))
    except Refusal as refusal:
        _log.critical("node.refused", extra={"reason": refusal.reason, **refusal.facts})
        sys.stderr.write(f"{refusal.reason}: {refusal.advice} {refusal.facts or ''}\n")
        return REFUSED
    return 0


async def _run(config: C, build: Callable[[C], Node]) -> None:
    # Built inside the loop, since gRPC's server belongs to the loop in which it is made.
    node = build(config)
    # What was imported and composed lives as long as the process: the collector need not walk it at every round.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await node.run()
