"""Runs a witness alone: `python -m services.witness --name NAME --keys DIR --logs FILE --state DIR [--listen H:P]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from services.foundation.clock import SystemClock
from services.foundation.refusals import Refusal
from services.foundation.telemetry import logs
from services.foundation.witness.keys import load_cosigner
from services.foundation.witness.witness import LogKeys, Witness
from services.witness.http import WitnessServer
from services.witness.store import FileWitnessStore

_log = logging.getLogger(__name__)

REFUSED = 2
"""Exit status when the witness refuses to start."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status."""
    given = _parser().parse_args(arguments)
    logs.configure(given.name, "INFO")
    try:
        asyncio.run(_serve(given))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal.reason}: {refusal.advice} {refusal.facts or ''}\n")
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"WITNESS_NOT_STARTED: free the address and the directories it names ({error})\n")
        return REFUSED
    return 0


async def _serve(given: argparse.Namespace) -> None:
    host, _, port = given.listen.rpartition(":")
    keys, store = LogKeys(given.logs), FileWitnessStore(given.state)
    with store.held_alone():
        witness = Witness(load_cosigner(given.name, given.keys), keys, store, SystemClock())
        server = await WitnessServer(witness, keys.origins, given.prefix.rstrip("/")).serve(host, int(port))
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        _log.info("witness.started", extra={"port": server.sockets[0].getsockname()[1]})
        await stopping.wait()
        server.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.witness", description=__doc__)
    parser.add_argument("--name", required=True, help="the witness's name, witness.auditor-board.juki.example")
    parser.add_argument("--keys", required=True, type=Path, help="directory with witness.key and witness-pq.key")
    parser.add_argument("--logs", required=True, type=Path, help="verifier keys of the logs to watch, one a line")
    parser.add_argument("--state", required=True, type=Path, help="directory of what it holds; never an older copy")
    parser.add_argument("--listen", default="127.0.0.1:7900", help="host:port (default: %(default)s)")
    parser.add_argument("--prefix", default="", help="path before add-checkpoint")
    return parser


if __name__ == "__main__":
    sys.exit(main())
