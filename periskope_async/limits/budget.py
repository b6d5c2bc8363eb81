"""A gate's interface to a budget: the one of this process (the ledger), or a share of one kept elsewhere (pure).

Every ``now`` is of one monotonic clock, in seconds. A token belongs to the budget that has given it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.limits.headers import LimitHeaders

__all__ = ["Budget"]


class Budget(Protocol):
    """Which requests may go, and how they end."""

    @property
    def limit(self) -> int:
        """Requests in a window, as well as it is known."""
        ...

    @property
    def window(self) -> float:
        """The window's length in seconds, as well as it is known."""
        ...

    @property
    def is_window_sure(self) -> bool:
        """Whether answers have shown the window's length, or the caller has told it."""
        ...

    @property
    def is_known(self) -> bool:
        """Whether the first answer has come, or the caller told the limit. The first answer need not tell it.

        A budget for several processes asks for more: an answer that told it, or the caller's word.
        """
        ...

    @property
    def is_paced(self) -> bool:
        """Whether requests are spaced by a rate, and never go together."""
        ...

    @property
    def requests_per_second(self) -> float:
        """The limit's rate, as well as it is known."""
        ...

    @property
    def refusals(self) -> int:
        """How many refusals there were."""
        ...

    @property
    def margin(self) -> float:
        """Jitter in seconds: how much longer one request may take to the server than another."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests still waiting for their headers."""
        ...

    def foreign(self, now: float) -> int:
        """Estimate the foreign use of this window."""
        ...

    def closed_for(self, now: float) -> float:
        """Seconds until a refusal, or a wider limit that is spent, holds nobody back any more; 0 if none does."""
        ...

    def remaining(self, now: float) -> int:
        """How many requests may go right now."""
        ...

    def wait_for(self, place: int, now: float) -> float:
        """Estimate the seconds until the ``place``-th request from now may go; 0 if nothing is known."""
        ...

    def take_up_to(self, wanted: int, now: float) -> Sequence[Any]:
        """Take as many tokens as are wanted and free."""
        ...

    def sent(self, token: Any, now: float) -> None:
        """Book a request as written to its connection."""
        ...

    def settle(
        self,
        token: Any,
        now: float,
        headers: LimitHeaders,
        *,
        is_refusal: bool = False,
        is_failure: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Book an answer; a refusal closes the budget for the server's wait, plus ``jitter`` seconds."""
        ...

    def lose(self, token: Any, now: float) -> None:
        """Book a sent request as lost, without headers."""
        ...

    def give_back(self, token: Any) -> None:
        """Return the token of a request never sent."""
        ...

    def close_for(self, seconds: float, now: float) -> None:
        """Let nothing go for some seconds."""
        ...

    def observe_jitter(self, variation: float) -> None:
        """Take a connection's mean deviation of its round trip, in seconds."""
        ...
