"""The look-ups of a run as a picture: bars for floors and ours, a line from the least to the most of the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tools.bench.figures import Spread, spread
from tools.bench.plan import IN_FLIGHT
from tools.bench.run import PGBENCH_DURABLE, Found

_LABELS, _BARS, _VALUES = 250, 380, 110
"""Widths, in pixels."""
_ROW, _BAR, _TOP = 26, 14, 46
_OURS, _FLOOR = "#0b6e4f", "#b8c4bb"
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600}.value{font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}line{stroke:#ddd}}line{stroke:#222}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the picture."""

    label: str
    per_second: Spread
    ours: bool


def look_ups(found: Found) -> str:
    """Returns the picture of a run's look-ups as SVG."""
    bars = []
    for number in IN_FLIGHT:
        bars.append(_bar(found, f"mTLS echo, {number} in flight", f"echo/{number}", ours=False))
        bars.append(_bar(found, f"look-up, {number} in flight", f"confirm/{number}", ours=True))
    for clients in PGBENCH_DURABLE:
        label, key = f"SELECT + INSERT, {clients} clients", f"pgbench durable/{clients}"
        bars.append(_bar(found, label, key, ours=False))
    return draw("Per second, durable and audited (dark) beside floors of the same run (light)", bars)


def draw(title: str, bars: Sequence[Bar]) -> str:
    """Returns a bar chart as SVG; raises ValueError when there is nothing to draw."""
    longest = max(bar.per_second.most for bar in bars)
    width, height = _LABELS + _BARS + _VALUES, _TOP + _ROW * len(bars) + 10
    rows = [_row(bar, _TOP + _ROW * place, longest) for place, bar in enumerate(bars)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="10" y="24">{escape(title)}</text>',
            *rows,
            "</svg>",
            "",
        ]
    )


def _bar(found: Found, label: str, key: str, *, ours: bool) -> Bar:
    return Bar(label, spread([rate.per_second for rate in found.rates[key]]), ours)


def _row(bar: Bar, top: int, longest: float) -> str:
    least, middle, most = (
        round(value / longest * _BARS, 1)
        for value in (bar.per_second.least, bar.per_second.median, bar.per_second.most)
    )
    centre, base = top + _BAR / 2, top + _BAR - 2
    return (
        f'<text x="{_LABELS - 10}" y="{base}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{_LABELS}" y="{top}" width="{middle}" height="{_BAR}" fill="{_OURS if bar.ours else _FLOOR}"/>'
        f'<line x1="{_LABELS + least}" x2="{_LABELS + most}" y1="{centre}" y2="{centre}"/>'
        f'<text class="value" x="{_LABELS + _BARS + 10}" y="{base}">{bar.per_second.median:,.0f}</text>'
    )
