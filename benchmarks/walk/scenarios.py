"""How the list moves while it is read."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["DRAWN", "PACED", "SCENARIOS", "SMOKE", "Scenario"]

SortBy = Literal["created_at", "latest_message_timestamp"]
SortOrder = Literal["desc", "asc"]


class Scenario(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One list and one way of moving: so many chats before each page is cut."""

    name: str
    title: str
    wakes: int = 0
    inserts: int = 0
    removes: int = 0
    chats: int = 20_000
    page_size: int = 100
    sort_by: SortBy = "latest_message_timestamp"
    sort_order: SortOrder = "desc"
    nulls: Literal["first", "last"] = "first"
    ties: Literal["stable", "shuffled"] = "stable"
    """Shuffled: each request meets all rows of equal sort key (no message, or no known date) in another order."""

    @property
    def moves_up(self) -> int:
        """Rows that jump to the head before each page."""
        wakes = self.wakes if self.sort_by == "latest_message_timestamp" else 0
        return wakes + self.inserts if self.sort_order == "desc" else 0

    def catch_up_allowed(self, main: int) -> int:
        """Give the requests that catching up may take after ``main`` requests.

        One sweep over all that has moved up, the pages of the sweep itself included, and one more to see that all of it
        is known; the look that even a list at rest gets; and two to find the head again, where it has moved up because
        chats without a message, which stand before it, were deleted or got one.
        """
        share = self.moves_up / self.page_size
        sweep = 1 if share < 1 else main
        while share < 1 and sweep < share * (main + sweep):
            sweep += 1
        return (
            (2 * sweep if self.moves_up else 0)
            + (2 if self.removes or (self.wakes and self.nulls == "first") else 0)
            + 1
        )


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="rest", title="at rest"),
    Scenario(name="wake-1", title="1 wake-up a request", wakes=1),
    Scenario(name="wake-5", title="5 wake-ups a request", wakes=5),
    Scenario(name="wake-20", title="20 wake-ups a request", wakes=20),
    Scenario(name="wake-5-last", title="5 wake-ups, chats without a message last", wakes=5, nulls="last"),
    Scenario(name="wake-5-oldest", title="5 wake-ups, oldest first", wakes=5, sort_order="asc"),
    Scenario(name="wake-5-created", title="5 wake-ups, by created_at (none moves)", wakes=5, sort_by="created_at"),
    Scenario(name="insert-1", title="1 insert a request", inserts=1),
    Scenario(name="insert-5", title="5 inserts a request, by created_at", inserts=5, sort_by="created_at"),
    Scenario(name="remove-1", title="1 deletion a request", removes=1),
    Scenario(name="remove-5", title="5 deletions a request, by created_at", removes=5, sort_by="created_at"),
    Scenario(name="all", title="2 wake-ups, 1 insert, 1 deletion", wakes=2, inserts=1, removes=1),
    Scenario(name="rest-1000", title="at rest, pages of 1,000", page_size=1000),
    Scenario(name="wake-20-1000", title="20 wake-ups, pages of 1,000", wakes=20, page_size=1000),
    Scenario(name="ties", title="15,653 tied rows permute, by created_at", ties="shuffled", sort_by="created_at"),
    Scenario(name="ties-1000", title="4,000 tied rows permute, pages of 1,000", ties="shuffled", page_size=1000),
)

DRAWN = ("rest", "wake-1", "wake-5", "wake-20")

PACED = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name in {"rest", "wake-1", "wake-5", "wake-20", "wake-20-1000", "insert-1", "remove-1", "all"}
)
"""Those whose course depends on how much time goes by."""

SMOKE: tuple[Scenario, ...] = (
    Scenario(name="rest", title="at rest", chats=600, page_size=50),
    Scenario(name="wake-1", title="1 wake-up a request", chats=600, page_size=50, wakes=1),
    Scenario(name="insert-1", title="1 insert a request", chats=600, page_size=50, inserts=1, sort_by="created_at"),
    Scenario(name="remove-1", title="1 deletion a request", chats=600, page_size=50, removes=1),
)
