"""Every list of the API keeps what chats promise: look-ahead, resume, report, raw rows, Arrow tables and exports."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from periskope_async import PeriskopeClient, RateLimit, RateLimiter, decode
from periskope_async.client.lists import LISTS
from periskope_async.events import Event, RequestFailed, RequestSent, ResponseReceived
from periskope_async.export import export
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from periskope_async import Pager

_PHONE = "918527184400"
_SIZES = {"messages": 300, "notifications": 200, "notes": 100, "reactions": 150, "contacts": 100, "tickets": 60}
_OF_THE_ORGANISATION = {"contacts", "tickets", "tasks", "knowledge_base"}
# The sandbox's count of these is that of the page, as it is documented.
_WITHOUT_TOTAL = {"notes", "reactions"}


class Case(NamedTuple):
    """A list, and what its rows belong to where it is not the list of all."""

    name: str
    of: str | None = None


CASES = [
    *(Case(name) for name in LISTS if name != "occurrences"),
    *(Case(name, of="chat_id") for name in ("messages", "notifications", "notes")),
    Case("occurrences", of="scheduled_id"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(chats=40, limit=100_000, latency=0.003, sizes=_SIZES) as running:
        yield running


class InFlight:
    """Counts the requests, how many of them were out at once, and how many were given up."""

    def __init__(self) -> None:
        self.sent = self.out = self.most = self.given_up = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestSent):
            self.sent += 1
            self.out += 1
            self.most = max(self.most, self.out)
        elif isinstance(event, ResponseReceived | RequestFailed):
            self.out -= 1
            self.given_up += isinstance(event, RequestFailed)


def client_of(sandbox: Sandbox, *hooks: Callable[[Event], object]) -> PeriskopeClient:
    limiter = RateLimiter(assume=RateLimit(100_000, 1.0))
    return PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=_PHONE, limiter=limiter, hooks=hooks)


def truth(sandbox: Sandbox, case: Case, owner: dict[str, str]) -> list[str]:
    """Give the ids of all rows."""
    phone = None if case.name in _OF_THE_ORGANISATION else f"{_PHONE}@c.us"
    if case.name == "chats":
        return sandbox.chat_ids(phone=_PHONE)
    if case.of == "scheduled_id":
        return sandbox.ids(case.name, tag=owner["scheduled_id"])
    return sandbox.ids(case.name, phone=phone, **owner)


def owner_of(sandbox: Sandbox, case: Case) -> dict[str, str]:
    """Give the chat, or the scheduled message, that has the most rows of a list."""
    if case.of is None:
        return {}
    owners = truth(sandbox, Case("chats" if case.of == "chat_id" else "scheduled_messages"), {})
    return max(({case.of: owner} for owner in owners), key=lambda owner: len(truth(sandbox, case, owner)))


def walks(client: PeriskopeClient, case: Case, owner: dict[str, str], *, rows: int) -> Callable[..., Pager[Any]]:
    """Give what makes walks over a list, in pages that are small for so many rows."""
    return partial(getattr(client, f"iter_{case.name}"), **owner, page_size=max(2, rows // 6), prefetch=3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} of {case.of}" if case.of else case.name)
async def test_every_list(sandbox: Sandbox, case: Case, tmp_path: Path, nothing_left_over: None) -> None:
    owner, identity, in_flight = owner_of(sandbox, case), LISTS[case.name].identity[0], InFlight()
    expected = truth(sandbox, case, owner)
    async with client_of(sandbox, in_flight) as client:
        walk = walks(client, case, owner, rows=len(expected))
        pager = walk()
        rows = await pager.collect()
        ids = [getattr(row, identity) for row in rows]
        report = pager.report
        assert sorted(ids) == sorted(expected)
        assert report.rows_placed == len(rows)
        # One that is given up at once is never written to its connection.
        assert 0 <= in_flight.sent - report.requests <= in_flight.given_up
        assert report.complete is (None if case.name in _WITHOUT_TOTAL else True), report.why
        assert await pager.count() == (None if case.name in _WITHOUT_TOTAL else len(rows))
        assert in_flight.most > 1, "no page was read ahead"
        assert not any(row.undecoded for row in rows)
        assert (await getattr(client, f"list_{case.name}")(**owner, limit=7)).items == rows[:7]

        some = len(rows) // 2
        begun = walk(max_items=some)
        assert await begun.collect() == rows[:some]
        assert await walk(resume=begun.token).collect() == rows[some:]

        raw = await pager.raw().collect()
        assert [msgspec.json.decode(row)[identity] for row in raw] == ids
        assert [decode(row, type=LISTS[case.name].row) for row in raw] == rows
        assert [decode(msgspec.json.encode(row), type=LISTS[case.name].row) for row in rows] == rows
        assert (await export(walk(), tmp_path / "out.jsonl")).rows == len(rows)
        assert (tmp_path / "out.jsonl").read_bytes().splitlines() == raw


@pytest.mark.parametrize("name", LISTS)
def test_an_unknown_option_is_told_by_the_method_that_was_called(name: str) -> None:
    owner = {"scheduled_id": "s"} if name == "occurrences" else {}
    told = rf"^iter_{name}\(\) got an unexpected keyword argument 'limit'; it takes .*page_size, max_items, .*cache$"
    with pytest.raises(TypeError, match=told):
        getattr(PeriskopeClient("key"), f"iter_{name}")(**owner, limit=5)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "occurrences"])
async def test_arrow_tables(sandbox: Sandbox, name: str) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is in an extra, and has no wheel for every Python")
    identity = LISTS[name].identity[0]
    async with client_of(sandbox) as client:
        pager = walks(client, Case(name), {}, rows=60)()
        ids = [getattr(row, identity) for row in await pager.collect()]
        assert (await pager.to_arrow()).column(identity).to_pylist() == ids
        sizes = [len(batch) async for batch in pager.arrow_batches(rows=8)]
        assert (set(sizes[:-1]), sum(sizes)) == ({8}, len(ids))
