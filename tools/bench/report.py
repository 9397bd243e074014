"""What a run came to, as tables for a person."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tools.bench.figures import Rate, spread
from tools.bench.plan import IN_FLIGHT, Plan
from tools.bench.result import NOTE, RATIOS, ratios
from tools.bench.run import PGBENCH_DURABLE, PGBENCH_READ, Found

_FLOORS = {
    "echo": "echo",
    "pgbench -S": "pgbench -S",
    "pgbench durable": "SELECT + INSERT",
    "bulk floor": "SQL alone",
}
_SHOWN = ("per_second", "p50_ms", "p99_ms", "server_cpu_us", "database_cpu_us")


def show(found: Found, plan: Plan, console: Console) -> None:
    """Prints the tables."""
    _show_rates(found, plan, console)
    _show_propagation(found, console)
    _show_processes(found, console)
    if found.evidence is not None:
        counts = " and ".join(f"{count:,} {kind}" for kind, count in found.evidence.counts.items())
        console.print(
            f"The agency's log holds {found.evidence.entries:,} entries, among them one for each of {counts} that the "
            f"client received; {found.evidence.receipts:,} receipts stand at their place; audit_fsck finds nothing "
            "wrong, and found the altered copy wrong."
        )
    console.print(f"[dim]{NOTE}[/dim]")


def _show_rates(found: Found, plan: Plan, console: Console) -> None:
    rounds = len(found.steady)
    title = (
        f"By calls in flight, or clients: {plan.records:,} records, {plan.bulk:,} in bulk, medians of {rounds} round(s)"
    )
    table = _table(title, "", "per second", "p50 ms", "p99 ms", "CPU µs", "SQL µs", "ratio")
    table.add_column("to", no_wrap=True)
    measured = ratios(found)
    below: dict[str, list[tuple[list[float], str]]] = {upper: [] for upper, _ in RATIOS.values()}
    for name, (upper, lower) in RATIOS.items():
        below[upper].append((measured[name], lower))
    for number in IN_FLIGHT:
        _add_rate(table, f"mTLS echo, {number}", found.rates[f"echo/{number}"], [])
        key = f"confirm/{number}"
        _add_rate(table, f"[bold]look-up by code, {number}[/bold]", found.rates[key], below[key])
    _add_rate(table, f"pgbench -S, {PGBENCH_READ}", found.rates[f"pgbench -S/{PGBENCH_READ}"], [])
    for clients in PGBENCH_DURABLE:
        _add_rate(table, f"pgbench SELECT + INSERT, {clients}", found.rates[f"pgbench durable/{clients}"], [])
    _add_rate(table, "SQL of a bulk confirmation", found.rates["bulk floor"], [])
    _add_rate(table, "[bold]bulk confirmation[/bold]", found.rates["bulk"], below["bulk"])
    console.print(table)
    console.print("CPU µs: processor time of the answering process for one answer; SQL µs: of PostgreSQL's for it.")


def _add_rate(table: Table, name: str, rates: list[Rate], below: Sequence[tuple[list[float], str]]) -> None:
    middle = {key: spread([getattr(rate, key) for rate in rates]).median for key in _SHOWN}
    shown = [_spread(values) for values, _ in below]
    table.add_row(
        name,
        f"{middle['per_second']:,.0f}",
        _number(middle["p50_ms"]),
        _number(middle["p99_ms"]),
        _whole(middle["server_cpu_us"]),
        _whole(middle["database_cpu_us"]),
        "\n".join(shown),
        "\n".join(_FLOORS[lower.partition("/")[0]] for _, lower in below),
    )


def _show_propagation(found: Found, console: Console) -> None:
    lags = [(one.p50_ms, one.p99_ms, one.act_p50_ms) for one in found.steady]
    table = _table("Propagation: counter, municipality, prefecture, agency", "", "median", "least to most")
    for place, name in enumerate(("lag p50, ms", "lag p99, ms", "the act itself p50, ms")):
        _add_spread(table, name, [each[place] for each in lags], "{:.1f}")
    drains = found.drains
    _add_spread(table, "events made while the agency was down, per second", [d.made_per_second for d in drains])
    _add_spread(table, "events drained at the agency, per second", [d.drained_per_second for d in drains])
    _add_spread(table, "agency up until the first of them, s", [d.resumed_seconds for d in drains], "{:.2f}")
    _add_spread(table, "Ed25519 on one core: signatures, per second", [found.sign_per_second])
    _add_spread(table, "Ed25519 on one core: verifications, per second", [found.verify_per_second])
    console.print(table)


def _show_processes(found: Found, console: Console) -> None:
    table = _table("Processes", "", "start s", "MiB idle")
    table.add_column("MiB after the load", justify="right")
    for name, after in found.memory.items():
        started = found.starts.get(name, math.nan)
        table.add_row(name, _number(started), _number(found.memory_idle[name]), _number(after))
    last = found.drains[-1]
    table.add_row(f"agency/national, {last.log_entries:,} entries in its log", _number(last.started_seconds), "", "")
    console.print(table)
    console.print(f"The checkpoint covered the whole log {found.publishing_seconds:.1f} s after the last answer.")


def _add_spread(table: Table, name: str, values: Sequence[float], form: str = "{:,.0f}") -> None:
    found = spread(values)
    ends = f"{form.format(found.least)} to {form.format(found.most)}" if len(values) > 1 else ""
    table.add_row(name, form.format(found.median), ends)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    return table


def _spread(values: Sequence[float]) -> str:
    found = spread(values)
    ends = f" ({found.least:.2f}–{found.most:.2f})" if len(values) > 1 else ""
    return f"{found.median:.2f}{ends}"


def _whole(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"
