"""What the limiters are put to."""

from __future__ import annotations

from math import inf

from msgspec.structs import replace

from benchmarks.limiter.deployments import DEPLOYMENTS
from benchmarks.limiter.scenario import Front, Group, Scenario

__all__ = ["LONG", "SCENARIOS", "SMOKE"]

_HOUR = 3600.0

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="one-task", title="10 / 1 s, one task", tasks=1, at_most_over=0.03),
    Scenario(name="forty", title="10 / 1 s, 40 tasks", at_most_over=0.03),
    Scenario(name="iter", title="10 / 1 s, iter_chats()", way="iter_chats", has_rivals=False, at_most_over=0.03),
    Scenario(name="slow", title="answers take 300 to 600 ms", latency=(0.3, 0.6)),
    # 102: with 101 a client that spends its first window on one probe would need no more windows than the floor.
    Scenario(name="slower", title="answers take 1 to 1.5 s", pages=102, latency=(1.0, 1.5)),
    Scenario(
        name="jitter",
        title="5 to 80 ms on the way there",
        delay=(0.005, 0.08),
        at_most_over=0.10,
        at_most_learning=2,
    ),
    Scenario(
        name="late",
        title="10 / 1 s, one task, each third window opens 150 ms late",
        has_rivals=False,
        tasks=1,
        late=(30, 0.15),
        at_most_over=0.10,
    ),
    Scenario(name="hundred", title="100 / 1 s", limit=100, pages=1001),
    Scenario(name="clock-fast", title="local clock an hour fast", server_ahead=-_HOUR),
    Scenario(name="clock-slow", title="local clock an hour slow", has_rivals=False, server_ahead=_HOUR),
    Scenario(name="clock-steps", title="local clock stepped in mid-run", clock_steps=((3.3, _HOUR), (6.6, -2 * _HOUR))),
    Scenario(
        name="drop",
        title="limit drops 10 -> 5 at 4.5 s",
        pages=81,
        change=(4.5, 5),
        at_most_refused=10,
        at_most_over=2 / 11,
    ),
    Scenario(
        name="rise",
        title="limit rises 10 -> 100 at 4.5 s",
        has_rivals=False,
        pages=441,
        change=(4.5, 100),
        at_most_over=2 / 8,
    ),
    Scenario(
        name="foreign",
        has_rivals=False,
        title="another program asks for 3 of 10, here and there",
        foreign=3,
        at_most_over=0.15,
        at_most_refused=12,
        at_most_learning=3,
        at_most_a_window=1,
    ),
    Scenario(
        name="foreign-first",
        title="another program takes 3 of 10 as each window opens",
        pages=71,
        foreign_first=3,
        at_most_over=0.15,
        at_most_refused=12,
        at_most_learning=3,
        at_most_a_window=1,
    ),
    Scenario(name="sliding", title="sliding log", has_rivals=False, kind="sliding", at_most_over=0.15),
    Scenario(name="bucket", title="token bucket", has_rivals=False, kind="bucket", at_most_over=0.15),
    Scenario(name="missing", title="each third answer has no headers", tamper="missing"),
    Scenario(name="junk", title="each third answer has junk headers", tamper="junk"),
    Scenario(name="disorder", title="answers out of order (0 to 400 ms)", has_rivals=False, latency=(0.0, 0.4)),
    Scenario(name="down", title="reset rounded down", has_rivals=False, tamper="down"),
    *DEPLOYMENTS,
)

LONG: tuple[Scenario, ...] = (
    Scenario(name="37-3", title="37 / 3 s", limit=37, window=3.0, pages=37 * 6 + 1, at_most_over=0.03),
    Scenario(name="50-10", title="50 / 10 s", limit=50, window=10.0, pages=50 * 6 + 1, at_most_over=0.03),
    Scenario(name="600-60", title="600 / 60 s", limit=600, window=60.0, pages=600 * 3 + 1, at_most_over=0.03),
)

_SHORT = Scenario(name="smoke", title="10 / 0.5 s", window=0.5, pages=12, tasks=4, at_most_over=inf)
_SHORT_OURS = replace(_SHORT, has_rivals=False, latency=(0.005, 0.005))

SMOKE: tuple[Scenario, ...] = (
    _SHORT,
    replace(_SHORT_OURS, name="smoke-bucket", title="token bucket, 10 / 0.5 s", kind="bucket"),
    replace(_SHORT_OURS, name="smoke-nginx", title="nginx writes Date", front=Front(program="nginx", date="own")),
    replace(_SHORT_OURS, name="smoke-cache", title="a cache", front=Front(program="proxy.js", cache="age")),
    replace(_SHORT_OURS, name="smoke-redis", title="rate-limit-redis", store="redis", pages=5),
    replace(_SHORT_OURS, name="smoke-draft", title="RateLimit headers of draft-8", headers="draft-8"),
    replace(_SHORT_OURS, name="smoke-failed", title="three pages in ten fail", has_failures=True),
    replace(_SHORT_OURS, name="smoke-groups", title="groups", groups=(Group(0, 2), Group(0.1, 2))),
    replace(_SHORT_OURS, name="smoke-uvloop", title="100 / 0.5 s, uvloop", limit=100, pages=100, loop="uvloop"),
)
