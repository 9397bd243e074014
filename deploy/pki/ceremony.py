"""The command of the key ceremony: `python -m deploy.pki.ceremony --state DIR <act>`."""

from __future__ import annotations

import argparse
import errno
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.pki.authority import Pki, load_settings
from deploy.pki.crl import REASONS
from deploy.pki.inventory import table
from services.foundation.identity import node_id
from services.foundation.refusals import Refusal

_SETTINGS = Path(__file__).with_name("ceremony.toml")
_STATE = Path("var/dev/pki")
_PIPE_WIDTH = 160
"""Room for a table's row whole where the output is no terminal."""
_SPAN = re.compile(r"([0-9]{1,5})([dh])")

Act = Callable[[Pki, argparse.Namespace, Console], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one act of the ceremony; returns 0 if done, 1 if refused (2, from argparse, if not understood)."""
    options = _parser().parse_args(arguments)
    # Without emoji=False, the bytes :CD: of a fingerprint print as a picture of a disc.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    out = Console(soft_wrap=True, highlight=False, emoji=False, width=width)
    err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    try:
        pki = Pki(options.state, load_settings(options.settings))
        options.act(pki, options, out)
    except Refusal as refused:
        facts = ", ".join(f"{name}={value}" for name, value in refused.facts.items() if value)
        err.print(f"[bold red]{refused.reason}[/] {escape(refused.advice)}" + (f" ({escape(facts)})" if facts else ""))
        return 1
    except OSError as error:
        err.print(f"[bold red]PKI_DISK[/] {escape(advice(error))}")
        return 1
    return 0


def init(pki: Pki, _options: argparse.Namespace, out: Console) -> None:
    """Makes the root and the issuing authorities, or what is missing of them."""
    transcript = pki.init()
    out.print(escape(transcript.text()), end="")
    made = f"made {', '.join(transcript.made)}" if transcript.made else "all of it was there already"
    out.print(f"\n[green]done[/]: {made}; written to {pki.state / 'transcript.txt'}")


def issue(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Gives nodes the keys and certificates they lack."""
    for name in options.nodes:
        directory = pki.issue(name)
        out.print(f"[green]issued[/] {name}: {directory}")
        if kinds := sorted({held.kind for held in pki.held() if held.node == name and held.revoked}):
            out.print(f"[yellow]still revoked[/] {name}: {', '.join(kinds)}; a TLS certificate is replaced by `rotate`")


def assign(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Says which witnesses a node's audit log needs; more than half of them must cosign."""
    named = [witness.partition("=") for witness in options.witnesses]
    root = pki.settings.trust_domain
    path = pki.assign(options.node, {name: url or node_id(name, root).uri for name, _, url in named})
    out.print(f"[green]assigned[/] {options.node}: {path}")


def rotate(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Replaces the TLS keys and certificates of nodes."""
    if options.nodes:
        names = options.nodes
        for name in names:
            pki.rotate(name)
    else:
        # Whatever has not been revoked ends within the longest life that a certificate can have.
        names = pki.rotate_due(pki.settings.tls_lifetime if options.all else options.due_within)
    out.print(f"[green]rotated[/] {', '.join(names)}" if names else "nothing is due")


def revoke(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Revokes the TLS certificates of a node that have not ended, and its signing certificate where told."""
    serials = pki.revoke(options.node, options.reason, signing=options.signing)
    out.print(f"[yellow]revoked[/] {options.node}: {', '.join(serials) or 'every certificate had ended already'}")


def crl(pki: Pki, _options: argparse.Namespace, out: Console) -> None:
    """Signs new revocation lists."""
    pki.refresh_crls()
    out.print(f"[green]signed[/] revocation lists of {', '.join(pki.settings.authorities)}")


def suspend(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Makes every node refuse these nodes until they are unsuspended."""
    for name in options.nodes:
        out.print(f"[yellow]suspended[/] {name}" if pki.suspend(name) else f"{name} was suspended already")


def unsuspend(pki: Pki, options: argparse.Namespace, out: Console) -> None:
    """Lifts suspensions."""
    for name in options.nodes:
        out.print(f"[green]unsuspended[/] {name}" if pki.unsuspend(name) else f"{name} was not suspended")


def show(pki: Pki, _options: argparse.Namespace, out: Console) -> None:
    """Shows every certificate in use, with its end and its state."""
    out.print(table(pki), soft_wrap=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.pki.ceremony", description=__doc__)
    parser.add_argument("--state", type=Path, default=_STATE, help="state directory (default: %(default)s)")
    parser.add_argument("--settings", type=Path, default=_SETTINGS, help="ceremony file (default: the one beside this)")
    acts = parser.add_subparsers(required=True, metavar="<act>")
    _add(acts, init)
    _add(acts, issue).add_argument("nodes", nargs="+", metavar="tier/code")
    assignment = _add(acts, assign)
    assignment.add_argument("node", metavar="tier/code")
    assignment.add_argument(
        "witnesses", nargs="+", metavar="tier/code[=URL]", help="a node, or an auditor with its witness's HTTP prefix"
    )
    rotation = _add(acts, rotate)
    rotation.add_argument(
        "nodes", nargs="*", metavar="tier/code", help="these, due or not; default: those that are due"
    )
    which = rotation.add_mutually_exclusive_group()
    which.add_argument("--due-within", type=_span, default=timedelta(days=10), metavar="SPAN", help="10d, 36h (10d)")
    which.add_argument("--all", action="store_true", help="every node that is not revoked")
    revocation = _add(acts, revoke)
    revocation.add_argument("node", metavar="tier/code")
    revocation.add_argument("--reason", required=True, choices=sorted(REASONS))
    revocation.add_argument("--signing", action="store_true", help="the signing certificate too")
    _add(acts, crl)
    _add(acts, suspend).add_argument("nodes", nargs="+", metavar="tier/code")
    _add(acts, unsuspend).add_argument("nodes", nargs="+", metavar="tier/code")
    _add(acts, show)
    return parser


def _add(acts: argparse._SubParsersAction[argparse.ArgumentParser], act: Act) -> argparse.ArgumentParser:
    parser = acts.add_parser(act.__name__, help=act.__doc__, description=act.__doc__)
    parser.set_defaults(act=act)
    return parser


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("give days or hours, for example 10d or 36h")
    return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


def advice(error: OSError) -> str:
    """Says what to do about a failure of the disk."""
    where = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full; free space and run this again, what was finished is kept{where}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"run this as the owner of the state directory{where}"
    return f"{error.strerror}{where}"


if __name__ == "__main__":
    sys.exit(main())
