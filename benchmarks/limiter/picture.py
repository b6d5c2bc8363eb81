"""The picture: a lane for each contender, its requests as ticks on the server's windows, refusals in red."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.limiter.contenders import OURS
from benchmarks.svg import INK, PALE, RED, SOFT, STRONG, open_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.limiter.measure import Run
    from benchmarks.limiter.scenario import Scenario

__all__ = ["draw"]

_WIDTH, _LEFT, _RIGHT, _TOP = 1120, 226, 150, 92
_LANE, _BAND, _FOOT = 50, 34, 56


def draw(scenario: Scenario, runs: Sequence[Run]) -> str:
    """Draw one scenario as SVG, on a white card of its own, so that it reads on any page."""
    height = _TOP + _LANE * len(runs) + _FOOT
    longest = max(run.seconds for run in runs)
    parts = [
        *open_card(_WIDTH, height, _title(scenario)),
        *_legend(),
        *_axis(longest, _TOP + _LANE * len(runs)),
    ]
    x_floor = _x(scenario.floor(), longest)
    bottom = _TOP + _LANE * len(runs)
    parts.append(
        f'<path d="M{x_floor:.1f} {_TOP - 12}V{bottom}" stroke="{SOFT}" stroke-dasharray="4 3" fill="none"/>'
        f'<text x="{x_floor:.1f}" y="{_TOP - 17}" text-anchor="middle" font-size="12" fill="{SOFT}">'
        f"the fastest allowed: {scenario.floor():.1f} s</text>"
    )
    for number, run in enumerate(runs):
        parts += _lane(scenario, run, _TOP + _LANE * number, longest)
    return "\n".join([*parts, "</svg>", ""])


def _title(scenario: Scenario) -> str:
    return (
        f"{scenario.pages} pages by {scenario.tasks} tasks, where the server allows {scenario.limit} requests "
        f"in {scenario.window:g} s"
    )


def _x(seconds: float, longest: float) -> float:
    return _LEFT + seconds / longest * (_WIDTH - _LEFT - _RIGHT)


def _legend() -> Iterator[str]:
    y = 52
    yield f'<g font-size="12" fill="{SOFT}">'
    yield f'<rect x="24" y="{y - 2}" width="22" height="13" fill="{PALE}"/>'
    yield f'<text x="52" y="{y + 9}">a window of the server</text>'
    yield f'<path d="M214 {y - 2}v13" stroke="{STRONG}" stroke-width="1.6"/>'
    yield f'<text x="222" y="{y + 9}">a request</text>'
    yield f'<path d="M300 {y - 2}v13" stroke="{RED}" stroke-width="1.6"/>'
    yield f'<text x="308" y="{y + 9}">a refused one (429)</text></g>'


def _axis(longest: float, y: float) -> Iterator[str]:
    yield f'<g font-size="12" fill="{SOFT}" text-anchor="middle">'
    step = next(step for step in (1, 2, 5, 10, 20, 60, 120) if longest / step <= 14 or step == 120)
    for second in range(0, int(longest) + 1, step):
        yield f'<path d="M{_x(second, longest):.1f} {y}v5" stroke="{SOFT}"/>'
        yield f'<text x="{_x(second, longest):.1f}" y="{y + 20}">{second} s</text>'
    yield "</g>"
    yield f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="{SOFT}" fill="none"/>'


def _lane(scenario: Scenario, run: Run, top: float, longest: float) -> Iterator[str]:
    is_ours = run.contender == OURS
    y = top + (_LANE - _BAND) / 2
    middle = top + _LANE / 2
    weight = ' font-weight="700"' if is_ours else ""
    yield f'<text x="24" y="{middle + 4.5:.1f}"{weight}>{escape(run.contender)}</text>'
    for window in run.windows:
        begins = _x(window.opened / 1000, longest)
        ends = min(_x(window.opened / 1000 + scenario.window, longest), _WIDTH - _RIGHT)
        # A hair of white between one window and the next.
        width = max(ends - begins - 1.2, 0.5)
        yield f'<rect x="{begins:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAND}" fill="{PALE}"/>'
    for moments, colour, inset in ((run.passed_at, STRONG, 5), (run.refused_at, RED, 1)):
        marks = "".join(f"M{_x(at / 1000, longest):.1f} {y + inset:.1f}v{_BAND - 2 * inset}" for at in moments)
        if marks:
            yield f'<path d="{marks}" stroke="{colour}" stroke-width="1" stroke-opacity="0.75" fill="none"/>'
    x = _WIDTH - _RIGHT + 14
    colour = RED if run.refused else INK
    took = run.failure or f"{run.seconds:.1f} s ({run.over:+.0%})"
    yield f'<text x="{x}" y="{middle - 3:.1f}"{weight}>{escape(took)}</text>'
    yield f'<text x="{x}" y="{middle + 13:.1f}" font-size="12" fill="{colour}">{run.refused} refused</text>'
