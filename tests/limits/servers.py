"""Servers that count requests, each in its own way; they share no code with what they test."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from periskope_async.limits.headers import LimitHeaders
from periskope_async.sandbox.limiter import FixedWindow as SandboxWindow

if TYPE_CHECKING:
    import random


class Counted(msgspec.Struct, frozen=True):
    """What became of a request: refused or not, and what the limiter knew when it counted it."""

    is_refused: bool
    limit: int
    used: int
    ends_at: float
    retry_after: float


class FixedWindow:
    """A window is opened by the first request after the last one has ended, as express-rate-limit has it."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.ends_at = -math.inf
        self.hits = 0

    def count(self, now: float) -> Counted:
        if now >= self.ends_at:
            self.ends_at, self.hits = now + self.window, 0
        self.hits += 1
        is_refused = self.hits > self.limit
        return Counted(is_refused, self.limit, min(self.hits, self.limit), self.ends_at, self.ends_at - now)


class RedisWindow(FixedWindow):
    """It tells each answer its window's end anew, a little off, as rate-limit-redis does."""

    def __init__(self, limit: int, window: float, *, rng: random.Random, wander: float) -> None:
        super().__init__(limit, window)
        self.has_two_marks = False
        """Whether a window has told two resets, rounded to seconds."""
        self._rng, self._wander = rng, wander
        self._marks: dict[float, set[int]] = {}

    def count(self, now: float) -> Counted:
        counted = super().count(now)
        told = counted.ends_at + self._rng.uniform(0, self._wander)
        marks = self._marks.setdefault(counted.ends_at, set())
        marks.add(math.ceil(told))
        self.has_two_marks |= len(marks) > 1
        return replace(counted, ends_at=told)


class SlidingLog:
    """At most so many requests in any stretch of one window."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.log: deque[float] = deque()

    def count(self, now: float) -> Counted:
        while self.log and self.log[0] <= now - self.window:
            self.log.popleft()
        is_refused = len(self.log) >= self.limit
        if not is_refused:
            self.log.append(now)
        ends_at = self.log[0] + self.window
        return Counted(is_refused, self.limit, min(len(self.log), self.limit), ends_at, ends_at - now)


class Throttler(SlidingLog):
    """A log that tells the seconds left of a window of its own, as @nestjs/throttler does."""

    def __init__(self, limit: int, window: float) -> None:
        super().__init__(limit, window)
        self.ends_at = -math.inf

    def count(self, now: float) -> Counted:
        if now >= self.ends_at:
            self.ends_at = now + self.window
        # The same seconds from a whole second on are read from it.
        return replace(super().count(now), ends_at=math.floor(now) + math.ceil(self.ends_at - now))


class TokenBucket:
    """So many tokens, refilled evenly."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.tokens = float(limit)
        self.at = -math.inf

    def count(self, now: float) -> Counted:
        rate = self.limit / self.window
        if self.at > -math.inf:
            self.tokens = min(self.limit, self.tokens + (now - self.at) * rate)
        self.at = now
        is_refused = self.tokens < 1 - 1e-9
        if not is_refused:
            self.tokens -= 1
        full_at = now + (self.limit - self.tokens) / rate
        used = self.limit - math.floor(self.tokens + 1e-9)
        return Counted(is_refused, self.limit, used, full_at, (1 - self.tokens) / rate)


class Sandboxed:
    """The fixed window of the package's own sandbox, which counts in whole milliseconds like the server's clock."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit = limit
        self.limiter = SandboxWindow(limit, round(window * 1000))

    def count(self, now: float) -> Counted:
        verdict = self.limiter.hit("key", int(now * 1000))
        used = verdict.limit - verdict.remaining
        return Counted(verdict.refused, verdict.limit, used, verdict.resets_at_ms / 1000, float(verdict.retry_after))


class LeakyBucket:
    """So many requests a second, evenly, and some that may come early: nginx's ``limit_req ... nodelay``."""

    def __init__(self, rate: float, early: int) -> None:
        self.rate, self.limit, self.early = rate, math.ceil(rate), early
        self.excess = 0.0
        self.at = -math.inf

    def count(self, now: float) -> Counted:
        excess = max(0.0, self.excess - (now - self.at) * self.rate + 1) if self.at > -math.inf else 0.0
        is_refused = excess > self.early
        if not is_refused:
            self.excess, self.at = excess, now
        # It says nothing of all this.
        return Counted(is_refused, self.limit, 0, now, 0.0)


class TwoLimits:
    """A gateway tells its own wide limit with every answer; an app behind it refuses above a narrow one."""

    def __init__(self, told: FixedWindow, silent: FixedWindow | LeakyBucket, *, retry_after: float = 0.0) -> None:
        self.limit = told.limit
        self.told, self.silent, self.retry_after = told, silent, retry_after

    def count(self, now: float) -> Counted:
        told, is_refused = self.told.count(now), self.silent.count(now).is_refused
        return replace(told, is_refused=is_refused, retry_after=self.retry_after)


class ShortFirst:
    """Two express-rate-limits: the short one refuses first, and the long one writes over its headers otherwise."""

    def __init__(self, short: FixedWindow | SlidingLog, long: FixedWindow | SlidingLog) -> None:
        self.limit = long.limit
        self.short, self.long = short, long

    def count(self, now: float) -> Counted:
        counted = self.short.count(now)
        return counted if counted.is_refused else self.long.count(now)


Server = FixedWindow | SlidingLog | TokenBucket | Sandboxed | LeakyBucket | TwoLimits | ShortFirst


def headers_of(counted: Counted, answered_at: float) -> LimitHeaders:
    """Give what the client reads: the reset rounded up, Date at the answer and rounded down."""
    mark, date = float(math.ceil(counted.ends_at)), float(math.floor(answered_at))
    return LimitHeaders(
        limit=counted.limit,
        remaining=counted.limit - counted.used,
        resets_in=max(0.0, mark - date),
        retry_after=float(math.ceil(counted.retry_after)) if counted.is_refused else None,
        server_time=date,
    )
