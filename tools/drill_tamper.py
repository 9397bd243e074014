"""The tamper drill: `python -m tools.drill_tamper [--edits N] [--clean N] [--seed N] [--json FILE]`.

Makes a real log with three witnesses on an embedded PostgreSQL, tampers with it in every way of tools/drill/kinds.py,
and lets audit_fsck look: with the witnesses' quorum, which must find everything, and with the log's own key alone,
which must miss rollbacks and forks; a drill in which that control finds them would prove nothing. Exit code 1 when
anything was missed, found in a clean log, or found where it cannot be.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from tools.bench.audit_append import server
from tools.drill.run import Outcome, drill, prepare

EDITS, CLEAN, LIMIT_SECONDS = 1200, 100, 600.0


def main(given: Sequence[str]) -> int:
    """Runs the drill, prints the table, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="drill_tamper", description="Tampers with an audit log and looks for it.")
    parser.add_argument("--edits", type=int, default=EDITS, help="edits, of all kinds in turn (default: %(default)s)")
    parser.add_argument("--clean", type=int, default=CLEAN, help="looks at the honest log (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed harms the same places")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    chosen = parser.parse_args(given)
    with server() as url, tempfile.TemporaryDirectory() as directory:
        work = _drill(url, Path(directory), chosen.edits, chosen.clean, chosen.seed)
        outcome = asyncio.run(asyncio.wait_for(work, LIMIT_SECONDS))
    show(outcome, Console())
    if chosen.json:
        chosen.json.write_text(json.dumps(dataclasses.asdict(outcome), indent=2) + "\n", encoding="utf-8")
    return 0 if outcome.passed else 1


def show(outcome: Outcome, console: Console) -> None:
    """Prints a row for each kind, and the verdict."""
    table = Table(title=f"Tamper drill, seed {outcome.seed}", title_justify="left")
    for heading in ("kind", "edits", "found with the quorum", "found by the log's key alone"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for name, tally in outcome.kinds.items():
        table.add_row(name, str(tally.done), str(tally.with_quorum), str(tally.without))
    console.print(table)
    console.print(
        f"{outcome.edits:,} edits of {len(outcome.kinds)} kinds, {outcome.missed} missed; "
        f"{outcome.false_alarms} false alarms in {outcome.clean} clean logs; "
        f"control {'holds' if outcome.control_holds else 'FAILED'}; {outcome.seconds:.0f} s; "
        f"{'PASSED' if outcome.passed else 'FAILED'}",
        markup=False,
    )


async def _drill(url: str, directory: Path, edits: int, clean: int, seed: int) -> Outcome:
    owner = await asyncpg.connect(url)
    await owner.execute("CREATE ROLE drill_app")
    await prepare(owner, "drill_app")
    await owner.close()
    return await drill(url, url, directory, edits, clean, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
