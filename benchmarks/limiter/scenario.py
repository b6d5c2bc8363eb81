"""One server and one job, and the fastest that the server's limit allows."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["FAILING", "REDIS_WAY", "Front", "Group", "Scenario"]

Kind = Literal["fixed", "sliding", "bucket"]
Tamper = Literal["none", "missing", "junk", "down"]
Way = Literal["list_chats", "iter_chats"]

FAILING = 10, (0, 3, 6)
"""Of so many pages, these fail where a scenario says that some do: three in ten."""
REDIS_WAY = 0.0, 0.01
"""Seconds to a Redis, and as many back."""


class Front(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands between our client and the app."""

    program: Literal["nginx", "proxy.js"]
    date: Literal["kept", "own", "none"] = "kept"
    """What becomes of the app's ``Date``. nginx always writes its own."""
    cache: Literal["none", "age", "date"] = "none"
    """Each second page comes from a cache: with ``Age``, or with its old ``Date`` alone."""
    second_limit: Literal["none", "before", "after"] = "none"
    """The front's own ``X-RateLimit-*`` (1000 a second), before or after those of the app."""
    refuses_with: int = 0
    """nginx's limit_req counts, and answers so where a request is one too many; 0 where the app counts."""
    burst: int = 0
    """Requests that limit_req lets through at once beyond the first."""


class Group(Struct, frozen=True):
    """Pages that are asked for at one moment."""

    at: float
    """Seconds after the start at the earliest; the group waits for those before it."""
    pages: int


class Scenario(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One server and one job. Times are in seconds."""

    name: str
    title: str
    limit: int = 10
    window: float = 1.0
    pages: int = 101
    page_size: int = 20
    tasks: int = 40
    kind: Kind = "fixed"
    way: Way = "list_chats"
    """How our client reads; ``iter_chats`` chooses its own number of tasks, and the rivals sit it out."""
    groups: tuple[Group, ...] = ()
    """Where pages are not asked for from one pile: when, and how many at once. They replace ``pages``."""
    has_proof: bool = False
    """Whether the walk proves that it lost nothing, as it does by itself; what it asks for that is in the floor."""
    is_told: bool = False
    """Whether our client is told the limit."""
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    latency: tuple[float, float] = (0.02, 0.02)
    """From the count to the answer."""
    delay: tuple[float, float] = (0.0, 0.0)
    """From the request's arrival at the machine to the count: the way to the server."""
    late: tuple[int, float] = (0, 0.0)
    """Each so-manieth request, from the first on, is counted so many seconds later."""
    change: tuple[float, int] | None = None
    """Seconds after the first count, and the limit from then on."""
    short_limit: tuple[int, float] | None = None
    """A second limit and its window, counted first: its headers stay on its refusals alone."""
    headers: Literal["x", "draft-6", "draft-7", "draft-8", "none"] = "x"
    """The family of headers that tells the limit: ``X-RateLimit-*``, or a draft of the standard."""
    tamper: Tamper = "none"
    store: Literal["memory", "redis"] = "memory"
    """Where express-rate-limit counts."""
    has_failures: bool = False
    """Three in ten pages end with 404 or 422, which ``skipFailedRequests`` takes off the count again."""
    front: Front | None = None
    server_ahead: float = 0.0
    """By how much the app's clock is ahead of ours and of the front's."""
    clock_steps: tuple[tuple[float, float], ...] = ()
    """Seconds after the start, and what is then added to the local wall clock."""
    foreign: int = 0
    """Requests in each window that another program makes with the same key, at moments of its own."""
    is_foreign_even: bool = False
    """That program sends as evenly as a clock instead."""
    foreign_first: int = 0
    """The same, made as the window opens, so that it always gets them."""
    starts_at: float | None = None
    """The part of a wall clock's second at which the start is."""
    opened_before: float = 0.0
    """Another program opened the first window with one request, so many seconds before the start."""
    has_rivals: bool = True
    at_most_over: float = 0.05
    """The share over the floor that our client may take."""
    at_most_refused: int = 0
    """In a steady state: after the first windows."""
    at_most_learning: int = 0
    """Refusals in the first windows."""
    at_most_a_window: int | None = None
    """Refusals in any one window of the steady state."""
    at_most_in_all: int | None = None
    """Refusals in the whole run; where it is given, it stands for the three above."""
    at_most_of_foreign: float | None = None
    """The share of the other program's requests that are refused after two windows."""
    half_within: float | None = None
    """By when half of what the limit allows must have passed in one window."""

    @property
    def asked(self) -> int:
        """How many pages are asked for."""
        return sum(group.pages for group in self.groups) or self.pages

    @property
    def rows(self) -> int:
        """How many chats the server has. A walk ends at the first page that is not full: the last one is empty."""
        return self.page_size * (self.asked - 1 if self.way == "iter_chats" else self.asked)

    @property
    def to_read(self) -> int:
        """How many of them can be read."""
        return self.rows - self.page_size * sum(map(self.is_failing, range(self.asked)))

    @property
    def counted(self) -> int:
        """How many of them the server counts."""
        return sum(not (self.is_failing(page) or self.is_cached(page)) for page in range(self.asked))

    @property
    def patience(self) -> float:
        """When a run is broken off."""
        return 3 * self.floor() + 20 + (self.groups[-1].at if self.groups else 0.0)

    def is_failing(self, page: int) -> bool:
        """Tell whether this page cannot be read."""
        every, failing = FAILING
        return self.has_failures and page % every in failing

    def is_cached(self, page: int) -> bool:
        """Tell whether this page comes from the front's cache, uncounted."""
        return self.front is not None and self.front.cache != "none" and page % 2 == 1

    def floor(self, *, asked: int | None = None, taken: int = 0) -> float:
        """Give the fastest time: the last page goes as early as it may, and the slowest beside it is answered.

        ``asked`` is how many requests the job took, where it is not one for each page that is counted. ``taken`` is
        what another program got through: that much of the budget was not to be had.
        """
        if self.groups:
            return sum(self._floors_of_groups())
        last, beside = self._last_send((self.counted if asked is None else asked) + taken)
        return last + self._answered(beside)

    def _answered(self, beside: int) -> float:
        """Give the time that the slowest of so many answers takes, the mean over many runs."""
        parts = [self.latency, self.delay, *(2 * [REDIS_WAY] if self.store == "redis" else [])]
        return sum(least + (most - least) * beside / (beside + 1) for least, most in parts)

    def _last_send(self, left: int) -> tuple[float, int]:
        """Give when the last one may go, and how many may go with it."""
        if self.front and self.front.refuses_with:
            return max(0, left - 1 - self.front.burst) * self.window / self.limit, 1
        if self.kind == "bucket":
            return max(0, left - self.limit) * self.window / self.limit, 1
        opened = 0.0
        # A limit raised inside a window shows with the first answer of the next one, to the best of clients too.
        while left > (allowed := self.change[1] if self.change and opened >= self.change[0] else self.limit):
            left -= allowed
            opened += self.window
        return max(0.0, opened - self.opened_before), left

    def _floors_of_groups(self) -> list[float]:
        """Give how long each group takes, from the moment it may go, where every window is used as it can be."""
        found: list[float] = []
        now, opened, used = 0.0, -self.window, 0
        for group in self.groups:
            now = began = max(now, group.at)
            beside = 0
            for _ in range(group.pages):
                if now >= opened + self.window:
                    opened, used, beside = now, 0, 0
                elif used == self.limit:
                    now = opened = opened + self.window
                    used = beside = 0
                used += 1
                beside += 1
            now += self._answered(beside)
            found.append(now - began)
        return found
