"""What the limiters are put to, and the fastest that each server's limit allows."""

from __future__ import annotations

from math import inf
from typing import Literal

from msgspec import Struct

__all__ = ["LONG", "ROWS_A_PAGE", "SCENARIOS", "SMOKE", "Scenario"]

Kind = Literal["fixed", "sliding", "bucket"]
Tamper = Literal["none", "missing", "junk", "down"]
Way = Literal["list_chats", "iter_chats"]

ROWS_A_PAGE = 20


class Scenario(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One server and one job. Times are in seconds."""

    name: str
    title: str
    limit: int = 10
    window: float = 1.0
    pages: int = 101
    tasks: int = 40
    kind: Kind = "fixed"
    way: Way = "list_chats"
    """How our client reads; ``iter_chats`` chooses its own number of tasks, and the rivals sit it out."""
    latency: tuple[float, float] = (0.02, 0.02)
    """From the count to the answer."""
    delay: tuple[float, float] = (0.0, 0.0)
    """From the request's arrival at the machine to the count: the way to the server."""
    change: tuple[float, int] | None = None
    """Seconds after the first count, and the limit from then on."""
    tamper: Tamper = "none"
    server_ahead: float = 0.0
    """By how much the server's clock is ahead of ours."""
    clock_steps: tuple[tuple[float, float], ...] = ()
    """Seconds after the start, and what is then added to the local wall clock."""
    foreign: int = 0
    """Requests in each window that another program makes with the same key, at moments of its own."""
    foreign_first: int = 0
    """The same, made as the window opens, so that it always gets them."""
    has_rivals: bool = True
    at_most_over: float = 0.05
    """The share over the floor that our client may take."""
    at_most_refused: int = 0
    """In a steady state: after the first windows."""
    at_most_learning: int = 0
    """Refusals in the first windows."""
    at_most_a_window: int | None = None
    """Refusals in any one window of the steady state."""

    @property
    def rows(self) -> int:
        """How many chats the server has. A walk ends at the first page that is not full: the last one is empty."""
        return ROWS_A_PAGE * (self.pages - 1 if self.way == "iter_chats" else self.pages)

    def floor(self, *, taken: int = 0) -> float:
        """Give the fastest time: the window that holds the last page opens as early as it may, and it is answered.

        ``taken`` is what another program got through: that much of the budget was not to be had.
        """
        return self._last_send(self.pages + taken) + sum(self.latency) / 2 + sum(self.delay) / 2

    @property
    def patience(self) -> float:
        """When a run is broken off."""
        return 3 * self.floor() + 10

    def _last_send(self, left: int) -> float:
        if self.kind == "bucket":
            return max(0, left - self.limit) * self.window / self.limit
        opened = 0.0
        # A limit raised inside a window shows with the first answer of the next one, to the best of clients too.
        while (left := left - (self.change[1] if self.change and opened >= self.change[0] else self.limit)) > 0:
            opened += self.window
        return opened


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
)

LONG: tuple[Scenario, ...] = (
    Scenario(name="37-3", title="37 / 3 s", limit=37, window=3.0, pages=37 * 6 + 1, at_most_over=0.03),
    Scenario(name="50-10", title="50 / 10 s", limit=50, window=10.0, pages=50 * 6 + 1, at_most_over=0.03),
    Scenario(name="600-60", title="600 / 60 s", limit=600, window=60.0, pages=600 * 3 + 1, at_most_over=0.03),
)

SMOKE: tuple[Scenario, ...] = (
    Scenario(name="smoke", title="10 / 0.5 s", window=0.5, pages=12, tasks=4, at_most_over=inf),
    Scenario(
        name="smoke-bucket",
        title="token bucket, 10 / 0.5 s",
        window=0.5,
        pages=12,
        kind="bucket",
        has_rivals=False,
        at_most_over=inf,
    ),
)
