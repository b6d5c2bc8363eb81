"""The picture: CPU for 1,000 chats of every contender as bars, for large pages and for small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.compare.contest import OURS
from benchmarks.svg import FAINT, INK, SOFT, STRONG, open_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.compare.report import Bar, Results

__all__ = ["draw"]

_WIDTH, _LEFT, _RIGHT, _TOP = 1120, 262, 86, 92
_LANE, _THICK, _GAP, _FOOT = 58, 19, 4, 56
# By the size of the pages: large, small.
_OURS, _OTHERS = (STRONG, "#7ba7dc"), ("#8c959f", "#c4cad1")
_TITLE = "CPU time to read 1,000 typed chats from a server that is never the bottleneck"


def draw(results: Results) -> str:
    """Draw the bars as SVG, on a white card of its own, so that it reads on any page."""
    sizes = sorted({bar.page_size for bar in results.bars}, reverse=True)
    by_name: dict[str, dict[int, Bar]] = {}
    for bar in results.bars:
        by_name.setdefault(bar.contender, {})[bar.page_size] = bar
    lanes = sorted(by_name.items(), key=lambda lane: min(bar.median for bar in lane[1].values()))
    longest = max(max(bar.cpu_ms) for bar in results.bars)
    height = _TOP + _LANE * len(lanes) + _FOOT
    parts = [
        *open_card(_WIDTH, height, _TITLE),
        *_legend(sizes),
        *_axis(longest, _TOP + _LANE * len(lanes)),
    ]
    for number, (name, bars) in enumerate(lanes):
        parts += _lane(name, [bars.get(size) for size in sizes], _TOP + _LANE * number, longest)
    return "\n".join([*parts, "</svg>", ""])


def _x(ms: float, longest: float) -> float:
    return _LEFT + ms / longest * (_WIDTH - _LEFT - _RIGHT)


def _legend(sizes: Sequence[int]) -> Iterator[str]:
    x = 24.0
    yield f'<g font-size="12" fill="{SOFT}">'
    for size, ours, others in zip(sizes, _OURS, _OTHERS, strict=False):
        yield f'<rect x="{x}" y="54" width="13" height="13" fill="{ours}"/>'
        yield f'<rect x="{x + 15}" y="54" width="13" height="13" fill="{others}"/>'
        yield f'<text x="{x + 36}" y="65">pages of {size:,} rows</text>'
        x += 190
    yield f'<text x="{x}" y="65">the line is the spread of the runs; shorter is better</text></g>'


def _axis(longest: float, y: float) -> Iterator[str]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000) if longest / step <= 12 or step == 1000)
    yield f'<g font-size="12" fill="{SOFT}" text-anchor="middle">'
    for ms in range(0, int(longest) + 1, step):
        x = _x(ms, longest)
        yield f'<path d="M{x:.1f} {_TOP - 8}V{y}" stroke="{FAINT}" stroke-width="1"/>'
        yield f'<text x="{x:.1f}" y="{y + 20}">{ms} ms</text>'
    yield "</g>"


def _lane(name: str, bars: Sequence[Bar | None], top: float, longest: float) -> Iterator[str]:
    is_ours = name.startswith(OURS.name)
    weight = ' font-weight="700"' if is_ours else ""
    yield f'<text x="24" y="{top + _LANE / 2 + 4.5:.1f}"{weight}>{escape(name)}</text>'
    drawn = [bar for bar in bars if bar is not None]
    y = top + (_LANE - len(drawn) * _THICK - (len(drawn) - 1) * _GAP) / 2
    fills = _OURS if is_ours else _OTHERS
    for bar, fill in zip(bars, fills, strict=False):
        if bar is None:
            continue
        ends, middle = _x(bar.median, longest), y + _THICK / 2
        low, high = _x(min(bar.cpu_ms), longest), _x(max(bar.cpu_ms), longest)
        yield f'<rect x="{_LEFT}" y="{y:.1f}" width="{ends - _LEFT:.1f}" height="{_THICK}" fill="{fill}"/>'
        yield f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="{INK}" stroke-width="1.2"/>'
        yield f'<text x="{high + 8:.1f}" y="{middle + 4.5:.1f}"{weight}>{bar.median:.1f} ms</text>'
        y += _THICK + _GAP
