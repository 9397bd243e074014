"""Measures look-ups, propagation and bulk confirmation beside floors: `python -m tools.bench [--quick] [--records N]`.

Starts a federation of its own under var/bench and ends it; leaves tables on the screen, and JSON and a chart in files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
from rich.console import Console

from deploy.local.layout import CHECKOUT
from services.foundation.refusals import Refusal
from tools.bench import chart, report
from tools.bench.environment import environment
from tools.bench.evidence import LogLacking
from tools.bench.federation import Federation
from tools.bench.floors import SCALE_ROWS, FloorFailed
from tools.bench.load import LoadFailed
from tools.bench.plan import Plan, full, quick
from tools.bench.propagation import LagUnmeasured
from tools.bench.result import result
from tools.bench.run import Found, measure

_ROOT = CHECKOUT / "var" / "bench"
_PUBLISHED = CHECKOUT / "docs" / "bench"
_PIPE_WIDTH = 120
_LONGEST_S = {"full": 600.0, "quick": 180.0}
"""A run that hangs is ended after so many seconds."""
_FAILURES = (FloorFailed, LagUnmeasured, LoadFailed, LogLacking, asyncpg.PostgresError, OSError)


def main(arguments: Sequence[str]) -> int:
    """Runs; returns 0, 1 when something failed, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    plan = quick(options.records) if options.quick else full(options.records)
    output: Path = options.output or (_ROOT / "quick" if options.quick else _PUBLISHED)
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    try:
        found, facts = asyncio.run(_run(plan, _LONGEST_S["quick" if options.quick else "full"], console))
        report.show(found, plan, console)
        _write(found, plan, facts, output)
        console.print(f"Written: latest.json and latest.svg in {output}", markup=False)
    except Refusal as refusal:
        console.print(f"{refusal.reason}: {refusal.advice} {refusal.facts or ''}", style="red", markup=False)
        return 1
    except TimeoutError:
        console.print("The run took too long and was ended.", style="red")
        return 1
    except _FAILURES as failure:
        console.print(f"{type(failure).__name__}: {failure}", style="red", markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped; no process is left.")
        return 130
    return 0


async def _run(plan: Plan, longest: float, console: Console) -> tuple[Found, Mapping[str, object]]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a run is a task")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    scratch = _ROOT / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    load_average = os.getloadavg()[0]
    federation = Federation(_ROOT)
    try:
        async with asyncio.timeout(longest):
            found = await measure(federation, plan, scratch, lambda text: console.print(f"  {text}", style="dim"))
            facts = await environment(federation, load_average)
    finally:
        await federation.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    return found, facts


def _write(found: Found, plan: Plan, facts: Mapping[str, object], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "latest.json").write_text(json.dumps(result(found, plan, facts), indent=2) + "\n", "utf-8")
    (output / "latest.svg").write_text(chart.look_ups(found), "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less than a minute, to see whether everything works")
    parser.add_argument(
        "--records", type=_rows, default=2 * SCALE_ROWS, help=f"records, a multiple of {SCALE_ROWS:,} (200,000)"
    )
    parser.add_argument("--output", type=Path, help="directory for latest.json and latest.svg (docs/bench)")
    return parser


def _rows(text: str) -> int:
    rows = int(text)
    if rows < SCALE_ROWS or rows % SCALE_ROWS:
        raise argparse.ArgumentTypeError(f"give a multiple of {SCALE_ROWS:,}")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
