"""The server's rate limit: the counting of the npm package express-rate-limit, and two other ways.

Pure: ``now_ms`` is an argument, in whole milliseconds like JavaScript's ``Date.now()``. A limiter keeps one state for
each key (here: for each API key), and counts every request, the refused ones too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["FixedWindow", "Kind", "Limiter", "SlidingLog", "TokenBucket", "Verdict", "limiter_of"]

Kind = Literal["fixed", "sliding", "bucket"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one request: whether it was refused, and the values for the headers."""

    limit: int
    remaining: int
    resets_at_ms: int
    refused: bool
    now_ms: int

    @property
    def reset(self) -> int:
        """``X-RateLimit-Reset``: Unix seconds, rounded up."""
        return -(-self.resets_at_ms // 1000)

    @property
    def retry_after(self) -> int:
        """``Retry-After``: whole seconds until the reset, rounded up, never below 0."""
        return max(-((self.now_ms - self.resets_at_ms) // 1000), 0)


class Limiter(Protocol):
    """Counts requests."""

    def hit(self, key: str, now_ms: int) -> Verdict:
        """Count one request of ``key``."""
        ...


class FixedWindow:
    """The window opens with the first request after the last one ended; ``limit`` requests pass in it.

    A refused request counts as well, and neither prolongs the window nor spends of the next one.
    """

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit = limit
        self._window_ms = window_ms
        self._windows: dict[str, tuple[int, int]] = {}

    def hit(self, key: str, now_ms: int) -> Verdict:
        """Count one request of ``key``."""
        ends_at_ms, hits = self._windows.get(key, (0, 0))
        if ends_at_ms <= now_ms:
            ends_at_ms, hits = now_ms + self._window_ms, 0
        hits += 1
        self._windows[key] = (ends_at_ms, hits)
        return Verdict(self._limit, max(self._limit - hits, 0), ends_at_ms, hits > self._limit, now_ms)


class SlidingLog:
    """Passes up to ``limit`` requests in any stretch of a window's length. Refused ones are not logged."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit = limit
        self._window_ms = window_ms
        self._logs: dict[str, deque[int]] = {}

    def hit(self, key: str, now_ms: int) -> Verdict:
        """Count one request of ``key``. The reset is the time when the oldest request leaves the log."""
        log = self._logs.setdefault(key, deque())
        while log and log[0] + self._window_ms <= now_ms:
            log.popleft()
        refused = len(log) >= self._limit
        if not refused:
            log.append(now_ms)
        return Verdict(self._limit, self._limit - len(log), log[0] + self._window_ms, refused, now_ms)


class TokenBucket:
    """A bucket of ``limit`` tokens that refills evenly, a whole bucket in a window; a request takes one."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit = limit
        self._window_ms = window_ms
        self._buckets: dict[str, tuple[int, int]] = {}

    def hit(self, key: str, now_ms: int) -> Verdict:
        """Count one request of ``key``. The reset is the time of a full bucket, or of one token for a refused request.

        The level is kept in tokens times milliseconds, so that nothing is lost in rounding.
        """
        token = self._window_ms
        full = self._limit * token
        level, at_ms = self._buckets.get(key, (full, now_ms))
        level = min(level + (now_ms - at_ms) * self._limit, full)
        refused = level < token
        if not refused:
            level -= token
        self._buckets[key] = (level, now_ms)
        missing = (token if refused else full) - level
        return Verdict(self._limit, level // token, now_ms - (-missing // self._limit), refused, now_ms)


def limiter_of(kind: Kind, limit: int, window_ms: int) -> Limiter:
    """Give a fresh limiter of that kind."""
    kinds: dict[Kind, type[FixedWindow | SlidingLog | TokenBucket]] = {
        "fixed": FixedWindow,
        "sliding": SlidingLog,
        "bucket": TokenBucket,
    }
    if kind not in kinds:
        raise ValueError(f"kind={kind!r} is no limiter: use one of {', '.join(kinds)}")
    return kinds[kind](limit, window_ms)
