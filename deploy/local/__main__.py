"""The command of the local run: up, down, status, residents, demo.

Usage: python -m deploy.local [--topology FILE] [--state DIRECTORY] up|down|status|residents|demo ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from deploy.local import demo, down, status, topology, up
from deploy.local.child import Policy
from deploy.local.layout import CHECKOUT, Layout, default
from deploy.local.refusals import NotRunning
from deploy.local.state import read
from services.foundation.refusals import Refusal

_TOPOLOGY = CHECKOUT / "deploy" / "topology.toml"


def main(arguments: list[str]) -> int:
    """Runs one command; a refusal is told in a line and exits with 1, Ctrl-C with 130."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        return _run(options, Layout(options.state.resolve()), console)
    except Refusal as refusal:
        Console(stderr=True).print(
            up.explain({"reason": refusal.reason, "advice": refusal.advice, **refusal.facts}), style="red", markup=False
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, layout: Layout, console: Console) -> int:
    policy = Policy(restart=not options.no_restart)
    match options.command:
        case "supervise":
            return up.supervise(options.topology, layout, policy, None)
        case "up" if options.foreground:
            return up.supervise(options.topology, layout, policy, console)
        case "status":
            return _status(options.topology, layout, console)
        case "up":
            state = up.start(options.topology, layout, policy, console)
            console.print(
                f"[green]The federation is up[/green]: {len(state.processes)} processes; `make status` shows."
            )
        case "down":
            _down(layout, console)
        case "residents":
            demo.load_residents(layout, topology.load(options.topology), options.residents, console)
        case "demo":
            demo.demonstrate(options.topology, layout, policy, options.residents, console)
    return 0


def _down(layout: Layout, console: Console) -> None:
    try:
        console.print(f"Stopped {down.stop(layout)} processes; none is left.")
    except NotRunning as refusal:
        console.print(refusal.advice)


def _status(file: Path, layout: Layout, console: Console) -> int:
    state = read(layout.state)
    if state is None:
        raise NotRunning("nothing was started from this checkout; `make up` starts it")
    return 0 if status.show(layout, topology.load(file), state, console) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__.splitlines()[0])
    parser.add_argument("--topology", type=Path, default=_TOPOLOGY, help="the topology file")
    parser.add_argument("--state", type=Path, default=default().root, help="the directory for everything it writes")
    parser.add_argument("--no-restart", action="store_true", help="leave a process that died dead")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the federation").add_argument(
        "--foreground", action="store_true", help="stay in this terminal and show the logs; Ctrl-C stops everything"
    )
    commands.add_parser("down", help="stop it")
    commands.add_parser("status", help="show processes, lag and logs")
    for name, text in (("residents", "register synthetic residents"), ("demo", "start, load, and show the main job")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--residents", type=int, default=400, help="how many a municipality")
    commands.add_parser("supervise")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
