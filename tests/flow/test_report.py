"""The report's numbers, each against what the sandbox knows it did, or against what a script must lead to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async import NotFoundError, RateLimit, RateLimiter, RetryPolicy
from periskope_async.events import RequestSent, ResponseReceived
from periskope_async.sandbox import Churn, CutBody, Pass, ResetConnection, Slow, Status
from tests.paging.sources import ListSource, at_rest, pager_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from periskope_async import PeriskopeClient
    from periskope_async.paging.report import WalkReport
    from periskope_async.sandbox import PageAsked, Sandbox
    from tests.flow.conftest import Opened

BY_MESSAGE = {"sort_by": "latest_message_timestamp"}
UNTIED = 95
"""A page size that puts no two messages of one second (one in seven) beside each other where pages meet."""


class Cut(msgspec.Struct, frozen=True):
    """A page as the sandbox cut it."""

    offset: int
    is_descending: bool
    ids: list[str]
    total: int


class Account:
    """What the sandbox did: every page that it cut, in order, and what a reader of them must have placed."""

    def __init__(self, sandbox: Sandbox, before: Callable[[PageAsked], object] = lambda _: None) -> None:
        self.sandbox = sandbox
        self.pages: list[Cut] = []
        sandbox.before_page = before
        sandbox.after_page = self._note

    def _note(self, asked: PageAsked) -> None:
        order = "desc" if asked.descending else "asc"
        ids = self.sandbox.chat_ids(sort_by=asked.sort_by, sort_order=order)
        page = ids[asked.offset : asked.offset + asked.limit]
        self.pages.append(Cut(asked.offset, asked.descending, page, len(ids)))

    def agree(self, report: WalkReport) -> None:
        """Compare all that can be told from the pages alone: one page after another, each used."""
        answered = [record for record in self.sandbox.requests if record.status == 200]
        assert report.requests == len(self.sandbox.requests)
        assert report.pages == len(answered) == len(self.pages)
        assert report.bytes == sum(record.body_bytes for record in answered)
        assert report.rows_received == sum(len(page.ids) for page in self.pages)
        assert report.count_at_start == self.pages[0].total
        assert report.count_at_end == self.pages[-1].total
        placed: set[str] = set()
        caught_up = 0
        is_main = True
        for number, page in enumerate(self.pages):
            is_main &= page.is_descending == self.pages[0].is_descending and (number == 0 or page.offset > 0)
            caught_up += 0 if is_main else len(set(page.ids) - placed)
            placed |= set(page.ids)
        assert report.rows_placed == len(placed)
        assert report.caught_up == caught_up


def at_page(number: int, *actions: Callable[[], object]) -> Callable[[PageAsked], object]:
    """Let something happen right before the page of that number is cut."""

    def before(asked: PageAsked) -> None:
        if asked.number == number:
            for act in actions:
                act()

    return before


async def walk(client: PeriskopeClient, **options: Any) -> tuple[list[str], WalkReport]:
    """Read pages of 100, one after another, and give the ids and the report."""
    options = {"page_size": 100, "prefetch": 1, **options}
    pager = client.iter_chats(**options)
    ids = [chat.chat_id async for chat in pager]
    return ids, pager.report


def moved(report: WalkReport) -> dict[str, int]:
    """Give what the report says of movement, as far as it is not 0."""
    names = ("duplicates", "inserted", "removed", "steps_back", "caught_up")
    return {name: value for name in names if (value := getattr(report, name))}


# -- a list at rest --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "asks"),
    [
        # Pages of 100 share three rows. All that were counted were met: the head is not looked at.
        ({}, [(0, 100), (97, 100), (194, 56)]),
        ({"sort_order": "asc"}, [(0, 100), (97, 100), (194, 56)]),
        ({"consistency": "dedupe"}, [(0, 100), (100, 100), (200, 50)]),
        # A first page that is short of what was asked for may be all there is, or all that the server gives at once.
        ({"page_size": 300}, [(0, 250), (247, 3)]),
        # A full one that ends where the count does has another one behind it, which is short.
        ({"offset": 150, **BY_MESSAGE}, [(150, 100), (247, 3)]),
        ({"max_items": 120}, [(0, 100), (97, 23)]),
    ],
)
async def test_a_list_at_rest(opened: Opened, query: dict[str, Any], asks: list[tuple[int, int]]) -> None:
    async with opened() as (sandbox, client):
        account = Account(sandbox)
        ids, report = await walk(client, **query)
        assert [(page.offset, len(page.ids)) for page in account.pages] == asks
        account.agree(report)
        assert report.rows_placed == len(ids) == min(query.get("max_items", 250), 250 - query.get("offset", 0))
        assert moved(report) == {}
        assert report.passes == 1
        assert (report.count_at_start, report.count_at_end) == (250, 250)
        is_exact = query.keys().isdisjoint({"consistency", "max_items", "offset"})
        assert report.complete is (True if is_exact else False if "max_items" in query else None)


async def test_from_an_offset_on_tied_rows_may_have_changed_places_with_those_before_it(opened: Opened) -> None:
    async with opened() as (_, client):
        ids, report = await walk(client, offset=150)
        assert len(ids) == 100
        assert report.complete is None
        assert "before the offset" in report.why


async def test_what_the_report_says_before_during_and_after_a_walk(opened: Opened) -> None:
    async with opened() as (_, client):
        pager = client.iter_chats(page_size=100, prefetch=1)
        assert pager.report == type(pager.report)()
        rows = aiter(pager)
        await anext(rows)
        during = pager.report
        assert (during.pages, during.rows_placed, during.complete) == (1, 100, None)
        assert during.why == "the walk has not ended"
        assert len([row async for row in rows]) == 249
        # What was read before is a copy, and stays.
        assert (during.rows_placed, during.complete) == (100, None)
        after = pager.report
        assert (after.rows_placed, after.complete) == (250, True)
        assert "counted at first was met" in after.why
        # A new walk has a report of its own.
        await anext(aiter(pager))
        assert pager.report.rows_placed == 100
        assert after.rows_placed == 250


async def test_bytes_are_those_of_the_decoded_bodies(opened: Opened) -> None:
    reports: list[WalkReport] = []
    sent: list[int] = []
    for compress in (False, True):
        async with opened(sandbox={"compress": compress}) as (sandbox, client):
            reports.append((await walk(client))[1])
            sent.append(sum(record.body_bytes for record in sandbox.requests))
    assert reports[0].bytes == reports[1].bytes == sent[0]
    assert sent[1] < sent[0] / 2


@pytest.mark.looptime  # which cannot turn the hands of uvloop
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize(("work", "seconds"), [(0.0, 4.0), (10.0, 34.0)])
async def test_a_server_that_gives_less_than_was_asked_for(work: float, seconds: float) -> None:
    source = ListSource(at_rest(20, max_limit=7), latency=1.0, body_bytes=1_000)
    pager = pager_of(source, prefetch=1)
    async for _ in pager.pages():
        await asyncio.sleep(work)
    # It is found out with the first page; the pages overlap by one row, and the head is looked at again.
    assert source.arrived == [(0, 7), (6, 7), (12, 7), (18, 2)]
    report = pager.report
    assert (report.requests, report.pages, report.rows_received, report.rows_placed) == (4, 4, 23, 20)
    assert report.bytes == 4_000
    assert moved(report) == {}
    # With pauses after four pages: the fifth gives no new row.
    assert report.seconds == pytest.approx(seconds)
    assert report.seconds_waited == 0.0
    assert report.complete is True


# -- movement --------------------------------------------------------------------------------------------------------


async def test_rows_that_come_in_above(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        account = Account(sandbox, at_page(2, sandbox.insert, sandbox.insert))
        ids, report = await walk(client)
        account.agree(report)
        # The known rows have sunk by two, and these two are met again; the new ones are found at the head.
        assert moved(report) == {"duplicates": 2, "inserted": 2, "caught_up": 2}
        assert (report.count_at_start, report.count_at_end, report.rows_placed) == (250, 252, 252)
        assert set(ids) == set(sandbox.chat_ids())
        assert report.complete is True


@pytest.mark.parametrize("has_ties", [False, True])
async def test_rows_above_that_leave_within_the_overlap(opened: Opened, *, has_ties: bool) -> None:
    query: dict[str, Any] = {} if has_ties else BY_MESSAGE
    async with opened(sandbox={"nulls": "last"}) as (sandbox, client):
        before = sandbox.chat_ids(**query)
        account = Account(sandbox, at_page(2, lambda: sandbox.remove(before[7]), lambda: sandbox.remove(before[60])))
        ids, report = await walk(client, page_size=UNTIED, **query)
        account.agree(report)
        assert moved(report) == {"removed": 2}
        assert (report.count_at_start, report.count_at_end, report.rows_placed) == (250, 248, 250)
        assert ids == before
        # Both left when they had been met, nothing came, and so all that was counted at first is here.
        assert report.complete is True


async def test_more_rows_that_leave_than_pages_overlap_by(opened: Opened) -> None:
    async with opened(sandbox={"nulls": "last"}) as (sandbox, client):
        before = sandbox.chat_ids(**BY_MESSAGE)
        account = Account(sandbox, at_page(2, *(lambda row=row: sandbox.remove(before[row]) for row in range(5))))
        # (In pages of 96 no two rows of equal sort key meet where it matters.)
        ids, report = await walk(client, page_size=96, **BY_MESSAGE)
        account.agree(report)
        # The page at 93 begins with an unknown row: one from a quarter of a page before meets known ones.
        assert [page.offset for page in account.pages] == [0, 93, 69, 181]
        assert moved(report) == {"removed": 5, "steps_back": 1}
        assert report.rows_received == 96 + 96 + 120 + (245 - 181)
        assert ids == before
        assert report.complete is True


@pytest.mark.parametrize("way", ["rows", "pages", "raw"])
@pytest.mark.parametrize("chats", [250, 2_300])
async def test_a_row_that_says_it_was_changed_may_be_one_that_came(opened: Opened, way: str, chats: int) -> None:
    # By created_at most chats are tied, and pages join among them: then the count tells, of rows that did not change.
    async with opened(sandbox={"chats": chats}) as (sandbox, client):
        pager = client.iter_chats(page_size=chats // 2, prefetch=1)

        async def read() -> WalkReport:
            walked = pager.raw() if way == "raw" else pager
            async for _ in walked.pages() if way == "pages" else walked:
                pass
            return walked.report

        at_rest = await read()
        assert (at_rest.complete, at_rest.passes) == (True, 1)
        last = sandbox.chat_ids()[-1]
        sandbox.before_page = at_page(at_rest.pages + 2, lambda: sandbox.wake(last))
        moved = await read()
        # One answer that holds all of them tells it, where one can.
        assert (moved.complete, moved.passes) == ((True, 2) if chats < 2_000 else (None, 1))


async def test_a_row_that_wakes_up_behind_the_reader(opened: Opened) -> None:
    async with opened(sandbox={"nulls": "last"}) as (sandbox, client):
        before = sandbox.chat_ids(**BY_MESSAGE)
        account = Account(sandbox, at_page(2, lambda: sandbox.wake(before[180])))
        ids, report = await walk(client, page_size=UNTIED, **BY_MESSAGE)
        account.agree(report)
        assert moved(report) == {"duplicates": 1, "inserted": 1, "caught_up": 1}
        assert ids == [*before[:180], *before[181:], before[180]]
        assert (report.count_at_start, report.count_at_end) == (250, 250)
        assert report.complete is True


async def test_a_row_that_wakes_up_after_it_was_read_changes_nothing(opened: Opened) -> None:
    async with opened(sandbox={"nulls": "last"}) as (sandbox, client):
        before = sandbox.chat_ids(**BY_MESSAGE)
        account = Account(sandbox, at_page(2, lambda: sandbox.wake(before[20])))
        ids, report = await walk(client, **BY_MESSAGE)
        account.agree(report)
        assert moved(report) == {}
        assert ids == before
        assert report.complete is True


async def test_oldest_first_what_comes_in_is_met_at_the_end(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        before = sandbox.chat_ids(sort_order="asc")
        account = Account(sandbox, at_page(2, sandbox.insert, lambda: sandbox.remove(before[5])))
        ids, report = await walk(client, sort_order="asc")
        account.agree(report)
        assert moved(report) == {"removed": 1}
        assert report.pages == 3
        assert report.complete is True
        assert ids[:250] == before
        assert len(ids) == 251
        assert (report.count_at_start, report.count_at_end) == (250, 250)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("query", [{}, {"sort_order": "asc"}, BY_MESSAGE, {**BY_MESSAGE, "sort_order": "asc"}])
async def test_whatever_moves_the_sums_agree(opened: Opened, seed: int, query: dict[str, Any]) -> None:
    churn = Churn(wakes=1.5, inserts=0.7, removes=0.6)
    async with opened(sandbox={"chats": 400, "seed": seed, "churn": churn, "nulls": "last"}) as (sandbox, client):
        account = Account(sandbox)
        ids, report = await walk(client, page_size=40, **query)
        account.agree(report)
        assert len(ids) == len(set(ids)) == report.rows_placed
        missed = set(sandbox.chat_ids(**query)) - {each for page in account.pages for each in page.ids}
        assert not set(sandbox.chat_ids()) - set(ids) - missed
        reversed_pages = [page for page in account.pages if page.is_descending != account.pages[0].is_descending]
        # Oldest first, the look at what moved is newest first, too.
        assert report.passes == 1 or reversed_pages


async def test_ties_that_change_places_cost_a_second_pass(opened: Opened) -> None:
    async with opened(sandbox={"chats": 500, "ties": "shuffled"}) as (sandbox, client):
        ids, report = await walk(client, page_size=50)
        queries = [dict(record.query) for record in sandbox.requests]
        again = [query for query in queries if query.get("sort_order") == "asc"]
        assert again, "the sandbox's ties were expected to hide rows"
        assert report.passes == 2
        assert report.requests == report.pages == len(queries)
        assert report.rows_received == sum(min(int(each["limit"]), 500 - int(each["offset"])) for each in queries)
        assert report.rows_placed == len(ids) == len(set(ids))
        # All rows but those of the first pass, which is as many as its pages and their overlaps let through.
        assert 0 < report.caught_up < report.rows_placed
        assert report.complete is (len(ids) == 500)
        assert len(ids) == 500 or f"{500 - len(ids)} rows fewer" in report.why


# -- what requests cost ----------------------------------------------------------------------------------------------


class Waits:
    """Adds up the seconds in which a walk of one page after another had no request out."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = asyncio.get_running_loop().time()

    def __call__(self, event: object) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(event, RequestSent):
            self.seconds += now - self._since
        elif isinstance(event, ResponseReceived):
            self._since = now


async def test_tries_that_failed_are_requests_and_no_pages(opened: Opened) -> None:
    waits = Waits()
    retry = RetryPolicy(tries=4, base=0.2)
    async with opened(retry=retry, hooks=[waits]) as (sandbox, client):
        began = asyncio.get_running_loop().time()
        sandbox.script(Status(503), Status(500), Pass(), Status(502), Slow(0.3))
        ids, report = await walk(client)
        seconds = asyncio.get_running_loop().time() - began
        assert [record.status for record in sandbox.requests] == [503, 500, 200, 502, 200, 200]
        assert report.requests == 6
        assert report.pages == 3
        assert report.rows_received == 100 + 100 + 56
        assert report.bytes == sum(record.body_bytes for record in sandbox.requests if record.status == 200)
        assert ids == sandbox.chat_ids()
        # Reading and decoding is no waiting; between two requests here it takes a few milliseconds.
        assert 0 < report.seconds_waited <= waits.seconds
        assert report.seconds_waited == pytest.approx(waits.seconds, abs=0.2)
        assert 0.3 + report.seconds_waited <= report.seconds <= seconds
        assert report.complete is True


async def test_answers_that_broke_off_are_requests_and_no_pages(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(ResetConnection(), CutBody(50), Pass(), CutBody(10))
        _, report = await walk(client)
        records = sandbox.requests
        assert report.requests == len(records) == 6
        assert report.pages == 3
        assert report.bytes == sum(record.body_bytes for record in (records[2], *records[4:]))
        assert report.rows_placed == 250


async def test_refusals_are_requests_and_their_wait_is_waited(opened: Opened) -> None:
    waits = Waits()
    async with opened(hooks=[waits]) as (sandbox, client):
        sandbox.script(Pass(), Status(429, headers={"Retry-After": "1"}))
        _, report = await walk(client)
        assert [record.status for record in sandbox.requests] == [200, 429, 200, 200]
        assert (report.requests, report.pages) == (4, 3)
        assert report.bytes == sum(record.body_bytes for record in sandbox.requests if record.status == 200)
        # What the server asked for, and up to a tenth of the window more.
        assert 1.0 <= report.seconds_waited <= waits.seconds
        assert report.seconds_waited == pytest.approx(waits.seconds, abs=0.2)
        assert report.seconds >= report.seconds_waited


async def test_waits_of_pages_at_once_are_summed(opened: Opened) -> None:
    limiter = RateLimiter(assume=RateLimit(2, 0.2))
    async with opened(sandbox={"limit": 2, "window": 0.2}, limiter=limiter) as (sandbox, client):
        ids, report = await walk(client, page_size=60, prefetch=6)
        assert ids == sandbox.chat_ids()
        assert sandbox.refusals == 0
        assert report.requests == report.pages == len(sandbox.requests)
        assert report.bytes == sum(record.body_bytes for record in sandbox.requests)
        # Each of the pages out waits while those in front of it do.
        assert report.seconds < report.seconds_waited < 6 * report.seconds
        assert report.seconds_waited == pytest.approx(client.rate_limit.seconds_waited, abs=0.05)


async def test_pages_that_the_server_refused_as_too_large_were_requests_too(opened: Opened) -> None:
    async with opened(sandbox={"max_limit": 60}) as (sandbox, client):
        ids, report = await walk(client, page_size=200)
        assert ids == sandbox.chat_ids()
        assert [record.status for record in sandbox.requests[:3]] == [422, 422, 200]
        # It is not asked for so many rows again.
        assert [record.status for record in sandbox.requests[3:]] == [200] * (report.pages - 1)
        assert report.requests == len(sandbox.requests)


async def test_a_page_that_failed_for_good_was_a_request_too(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(Pass(), Status(404))
        pager = client.iter_chats(page_size=100, prefetch=1)
        rows = aiter(pager)
        with pytest.raises(NotFoundError):
            [row async for row in rows]
        assert len([row async for row in rows]) == 150
        assert pager.report.pages == 3
        assert pager.report.requests == len(sandbox.requests) == 4


async def test_pages_read_ahead_are_of_use_still_when_the_walk_steps_back(opened: Opened) -> None:
    async with opened(sandbox={"chats": 1000}) as (sandbox, client):
        before = sandbox.chat_ids()
        # All pages ahead are there long before the second one, which shows that five rows above have left.
        has_left = False

        def leave(asked: PageAsked) -> None:
            nonlocal has_left
            if asked.offset == 97 and not has_left:
                has_left = True
                for row in range(5):
                    sandbox.remove(before[row])

        sandbox.script(Pass(), Slow(0.3))
        sandbox.before_page = leave
        ids, report = await walk(client, prefetch=4)
        assert ids == before
        # There, and where the pages begin that were asked for after it.
        assert report.steps_back == 2
        assert report.requests == len(sandbox.requests)
        assert report.bytes == sum(record.body_bytes for record in sandbox.requests)
