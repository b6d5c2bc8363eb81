"""A client's interface to a limiter.

Two come with the package: :class:`~periskope_async.limits.gate.RateLimiter` keeps the budget of this process, and
:class:`~periskope_async.limits.shared.SharedLimiter` the one of many processes. Any other object with these members
will do, and a test's fake takes a few lines::

    class CountingLimiter:
        requests_per_second = math.inf
        requests_at_once = 1_000
        acquired = 0

        async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
            self.acquired += 1
            return Permit()

        def snapshot(self) -> RateLimitSnapshot:
            return RateLimitSnapshot(limit=1_000, window=1.0, remaining=1_000)

        def close(self) -> None:
            pass
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from periskope_async.events import Hook
    from periskope_async.limits.permit import Permit
    from periskope_async.limits.snapshot import RateLimitSnapshot

__all__ = ["Limiter"]


class Limiter(Protocol):
    """The budget of one API key, for all tasks of one event loop.

    A client calls ``use_key`` with its key (a :class:`~periskope_async.secret.Secret`), if there is such a method.
    """

    async def acquire(self, *, is_retry: bool = False, is_bulk: bool = False, hooks: Sequence[Hook] = ()) -> Permit:
        """Wait for leave to send one request, and give it.

        ``is_retry``: it was refused or failed before, and goes first. ``is_bulk``: it is a page of a walk, and single
        calls may go ahead of it. ``hooks`` are to be told of a wait (:class:`~periskope_async.events.Throttled`).

        Each request gets a permit of its own, which learns how it ends. The client passes on any error raised here;
        WaitTooLong and ClosedError are meant for it.
        """
        ...

    @property
    def requests_per_second(self) -> float:
        """The limit's rate, as well as it is known; infinite if there is none. A walk plans by it."""
        ...

    @property
    def requests_at_once(self) -> int:
        """How many requests may go at once after a rest."""
        ...

    def snapshot(self) -> RateLimitSnapshot:
        """Give a frozen view of how the limit stands now. It changes nothing."""
        ...

    def close(self) -> Awaitable[object] | None:
        """End all waits with ClosedError. May be called twice. A client closes its own limiter, never a lent one.

        It gives an awaitable if it cannot close everything at once.
        """
        ...
