"""A list that is changed between and during the requests of a walk, and the driver of such a walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from periskope_async.limits.headers import LimitHeaders
from periskope_async.meta import ResponseMeta
from periskope_async.paging.page import Page

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from periskope_async.paging.page import Ask
    from periskope_async.paging.walk import Walk

Counts = Literal["total", "page", "none", "too few", "too many"]
SortBy = Literal["created", "messaged"]
Move = Literal["wake", "insert", "insert silent", "insert old", "hop", "remove"]
StrangeMove = Literal["late", "sink", "return"]
"""A message comes that was sent long ago, the latest one is deleted, or a row comes back that had left."""

Cell: TypeAlias = "tuple[Ask, list[Page[int]]]"
"""A page that is out, and its answer where that is there."""

SECONDS_A_REQUEST = 5.0


class Row(msgspec.Struct, eq=False):
    key: int
    created: float
    messaged: float | None
    rank: float
    """Where it stands among rows of equal sort key."""
    updated: float | None = 0.0
    """When it came or woke up."""


class MovingList(msgspec.Struct, kw_only=True):
    """Rows that answer pages as the server does."""

    rng: random.Random
    size: int
    sort_by: SortBy = "created"
    is_descending: bool = True
    ties: float = 0.8
    """The share of rows that have the oldest time of all, as most chats do, or none."""
    shuffles: bool = False
    """Whether rows of equal sort key stand in another order at each request."""
    max_limit: int = 10_000
    limits: dict[int, int] = {}
    """By the number of a request: what the most becomes with it."""
    counts: Counts = "total"
    ignores_offset: bool = False
    tells_changes: bool = True
    """Whether rows say when they were changed last."""
    tells_date: bool = True
    rows: list[Row] = []
    gone: set[int] = set()
    left: list[Row] = []
    """Of those, the rows that can come back."""
    clock: float = 1_000_000.3
    requests: int = 0
    tells_from: bool = True
    counts_empty: bool = True
    """Whether an answer without rows still counts them."""
    has_whole_seconds: bool = False
    """Whether times are whole seconds, so that rows that move one right after the other are of equal sort key."""

    def __post_init__(self) -> None:
        for key in range(self.size):
            is_tied = self.rng.random() < self.ties
            created = 0.0 if is_tied else 1_000.0 + key
            self.rows.append(Row(key, created, None if is_tied else 500_000.0 + self.rng.random() * 1_000, key))

    def order(self, *, is_descending: bool) -> list[Row]:
        """Sort as Postgres does: newest first has the rows without a time in front, oldest first has them last."""
        rows = list(self.rows)
        if self.shuffles:
            self.rng.shuffle(rows)

        def key(row: Row) -> float:
            time = row.created if self.sort_by == "created" else row.messaged
            return float("inf") if time is None else time

        rows.sort(key=lambda row: (key(row), 0 if self.shuffles else -row.rank), reverse=is_descending)
        return rows

    def page(self, ask: Ask) -> Page[int]:
        self.requests += 1
        self.clock += SECONDS_A_REQUEST
        self.max_limit = self.limits.get(self.requests, self.max_limit)
        order = self.order(is_descending=self.is_descending != ask.is_reversed)
        offset = 0 if self.ignores_offset else ask.offset
        rows = order[offset : offset + min(ask.limit, self.max_limit)]
        count = {
            "total": len(order),
            "page": len(rows),
            "none": None,
            "too few": max(0, len(order) - 3),
            "too many": len(order) + 3,
        }[self.counts]
        count = count if rows or self.counts_empty else 0
        times = [row.created if self.sort_by == "created" else row.messaged for row in rows]
        keys = [row.key for row in rows]
        return Page(
            items=keys,
            keys=keys,
            identity=lambda index: (str(keys[index]), None),
            count=count,
            first_index=offset + 1 if rows and self.tells_from else None,
            meta=ResponseMeta(
                status=200, rate_limit=LimitHeaders(server_time=float(int(self.clock)) if self.tells_date else None)
            ),
            is_all=False,
            sort_time=times.__getitem__,
            changed_since=_changes([row.updated if self.tells_changes else None for row in rows]),
        )

    def move(self, kind: Move | StrangeMove, *, place: int | None = None) -> None:
        """Move a row: the one at a place, or any."""
        self.clock += 0.1
        now = float(int(self.clock)) if self.has_whole_seconds else self.clock
        if kind == "insert":
            self.rows.append(Row(1_000_000 + self.size, now, now, 1_000_000 + self.size, now))
            self.size += 1
        elif kind == "insert silent":
            self.rows.append(Row(1_000_000 + self.size, now, None, 1_000_000 + self.size, now))
            self.size += 1
        elif kind == "insert old":
            # What most chats carry as the time of their creation is as old as can be.
            self.rows.append(Row(1_000_000 + self.size, 0.0, now, 1_000_000 + self.size, now))
            self.size += 1
        elif kind == "return":
            self._bring_back(now)
        elif self.rows:
            row = self.rng.choice(self.rows) if place is None else self.rows[place % len(self.rows)]
            self._move_row(row, kind, now)

    def _move_row(self, row: Row, kind: Move | StrangeMove, now: float) -> None:
        if kind == "wake":
            row.messaged = row.updated = now
        elif kind == "late":
            row.messaged, row.updated = now - self.rng.choice([1.5, 5.0, 30.0, 1e6]), now
        elif kind == "sink":
            row.messaged = None if row.messaged is None else row.messaged - self.rng.choice([1.0, 100.0, 1e6])
            row.updated = now
        elif kind == "hop":
            # As an update moves a row of a table: among its ties, and nowhere else.
            row.rank = self.rng.uniform(-1.0, self.size)
        else:
            self.rows.remove(row)
            self.gone.add(row.key)
            self.left.append(row)

    def _bring_back(self, now: float) -> None:
        if self.left:
            row = self.left.pop(self.rng.randrange(len(self.left)))
            row.updated = now
            self.rows.append(row)


def _changes(updated: list[float | None]) -> Callable[[Sequence[int], float], int]:
    """Count as the client does: a row that does not say when it was changed may have been."""

    def changed_since(indexes: Sequence[int], since: float) -> int:
        return sum((time := updated[index]) is None or time >= since for index in indexes)

    return changed_since


class Reading:
    """A walk over such a list, request by request: when each is sent, when its page is cut, and when that is placed."""

    def __init__(self, walk: Walk, moving: MovingList, *, depth: int, most_requests: int = 5_000) -> None:
        self.walk, self.moving = walk, moving
        self.delivered: list[int] = []
        self._before = {row.key for row in moving.rows}
        self._depth = depth
        self._most_requests = most_requests
        self._cells: dict[Ask, list[Page[int]]] = {}

    @property
    def uncut(self) -> list[Cell]:
        """What is on its way there."""
        return [(ask, self._cells[ask]) for ask in self.walk.out if self._cells.get(ask) == []]

    @property
    def is_next_there(self) -> bool:
        return bool(self.walk.out and self._cells.get(self.walk.out[0]))

    def ask(self) -> None:
        """Have out as many requests as the walk wants."""
        assert self.moving.requests < self._most_requests, "the walk does not end"
        while self.walk.next_ask(self._depth) is not None:
            pass
        for ask in self.walk.out:
            self._cells.setdefault(ask, [])
        assert self.walk.out or self.walk.is_over, "the walk is not over and asks for nothing"

    def cut(self, cell: Cell) -> None:
        """Have the server answer one, with the list as it is now."""
        ask, pages = cell
        pages.append(self.moving.page(ask))

    def lose_page_above(self, limit: int) -> bool:
        """Have the next page not come if it is not there yet, and asks for more rows than that; tell whether it did."""
        ask = self.walk.out[0]
        if self._cells[ask] or ask.limit <= limit:
            return False
        self._cells.clear()
        self.walk.ask_again()
        assert self.walk.ask_for_less(ask, is_refused=False)
        return True

    def place(self) -> None:
        """Place the next page, which must be there."""
        ask = self.walk.out[0]
        (page,) = self._cells[ask]
        self.delivered += [page.keys[index] for index in self.walk.place(ask, page)]
        if not self.walk.out:
            self._cells.clear()
        elif ask not in self.walk.out:
            del self._cells[ask]

    def finish(self) -> None:
        """Go on to the end, with the list at rest."""
        while not self.walk.is_over:
            self.ask()
            if not self.is_next_there:
                self.cut(self.uncut[0])
            self.place()

    def check(self) -> None:
        """Be sure that each row was delivered once; and each that was there all along, or the report knows better."""
        delivered, report = self.delivered, self.walk.report
        assert len(delivered) == len(set(delivered)) == report.rows_placed
        missing = self._before - self.moving.gone - set(delivered)
        assert not missing or report.complete is not True, report
        assert report.why


def drive(walk: Walk, moving: MovingList, *, depth: int, moves: list[Move], most_requests: int = 5_000) -> list[int]:
    """Run a walk to its end; the server answers what is out in any order, and moves before each of its answers."""
    reading = Reading(walk, moving, depth=depth, most_requests=most_requests)
    turns = iter(moves)
    while not walk.is_over:
        reading.ask()
        while not reading.is_next_there:
            entry = moving.rng.choice(reading.uncut)
            for _ in range(moving.rng.randrange(3)):
                if (kind := next(turns, None)) is not None:
                    moving.move(kind)
            reading.cut(entry)
        reading.place()
    return reading.delivered


def drive_steadily(walk: Walk, moving: MovingList, *, depth: int, before_each: list[Move], most_requests: int) -> None:
    """Run a walk to its end over a list that makes the same moves before each of its answers, and check it."""
    reading = Reading(walk, moving, depth=depth, most_requests=most_requests)
    while not walk.is_over:
        reading.ask()
        while not reading.is_next_there:
            for kind in before_each:
                moving.move(kind)
            reading.cut(reading.uncut[0])
        reading.place()
    reading.check()
