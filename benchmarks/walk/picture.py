"""The picture: rows lost by each contender, for so many wake-ups a request."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.svg import FAINT, INK, PALE, RED, SOFT, STRONG, open_card
from benchmarks.walk.contenders import CONTENDERS, DEDUPE, GATHER, OURS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.walk.moving import Row

__all__ = ["draw"]

_WIDTH, _HEIGHT = 1120, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 104, 372
_BAR, _GAP = 46, 8
_COLOURS = {OURS: STRONG, PLAIN: RED, DEDUPE: "#e5868c", GATHER: "#8c959f"}


def draw(rows: Sequence[Row]) -> str:
    """Draw one group of bars for each scenario of the rows."""
    scenarios = list({row.scenario.name: row.scenario for row in rows}.values())
    shown = scenarios[0]
    lost = {(row.scenario.name, row.contender): statistics.median(run.lost for run in row.runs) for row in rows}
    top = _round_up(max(lost.values()))
    title = f"Rows lost of {shown.chats:,}, read in pages of {shown.page_size} while chats wake up"
    parts = [*open_card(_WIDTH, _HEIGHT, title), *_legend(), *_axis(top)]
    width = (_WIDTH - _LEFT - _RIGHT) / len(scenarios)
    for number, scenario in enumerate(scenarios):
        middle = _LEFT + width * (number + 0.5)
        left = middle - (len(CONTENDERS) * (_BAR + _GAP) - _GAP) / 2
        for place, name in enumerate(CONTENDERS):
            parts.append(_bar(left + place * (_BAR + _GAP), lost[scenario.name, name], top, name))
        parts.append(f'<text x="{middle:.1f}" y="{_BOTTOM + 24}" text-anchor="middle">{escape(scenario.title)}</text>')
    note = f"median of {len(rows[0].runs)} runs; each request of each contender meets the same wake-ups"
    parts += [f'<text x="{_LEFT}" y="{_HEIGHT - 24}" font-size="12" fill="{SOFT}">{note}</text>', "</svg>", ""]
    return "\n".join(parts)


def _legend() -> Iterator[str]:
    x = 24
    for name, colour in _COLOURS.items():
        weight = ' font-weight="700"' if name == OURS else ""
        yield f'<rect x="{x}" y="50" width="13" height="13" fill="{colour}"/>'
        yield f'<text x="{x + 19}" y="61" font-size="12" fill="{SOFT}"{weight}>{escape(name)}</text>'
        x += 44 + 7 * len(name)


def _axis(top: float) -> Iterator[str]:
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        colour = FAINT if step else SOFT
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{colour}" fill="none"/>'
        place = f'x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end"'
        yield f'<text {place} font-size="12" fill="{SOFT}">{value:,.0f}</text>'


def _bar(x: float, lost: float, top: float, name: str) -> str:
    y = _y(lost, top)
    weight = ' font-weight="700"' if name == OURS else ""
    # No row lost is a result, too, and must not look like a missing bar.
    height = max(_BOTTOM - y, 1.5)
    fill = _COLOURS[name] if lost else PALE
    return (
        f'<rect x="{x:.1f}" y="{_BOTTOM - height:.1f}" width="{_BAR}" height="{height:.1f}" fill="{fill}"/>'
        f'<text x="{x + _BAR / 2:.1f}" y="{_BOTTOM - height - 6:.1f}" font-size="12" text-anchor="middle" '
        f'fill="{INK}"{weight}>{lost:,.0f}</text>'
    )


def _y(value: float, top: float) -> float:
    return _BOTTOM - value / top * (_BOTTOM - _TOP)


def _round_up(value: float) -> float:
    """Give the next value that four steps divide well."""
    if value <= 4:
        return 4
    unit = 10.0 ** math.floor(math.log10(value / 4))
    return next(4 * unit * step for step in (1, 2, 2.5, 5, 10) if 4 * unit * step >= value)
