"""Syncs against the sandbox: what they ask for, what they find, and what they leave for the next one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from periskope_async import (
    AuthenticationError,
    ClosedError,
    ConfigError,
    DecodeError,
    MirrorError,
    PeriskopeClient,
    PeriskopeError,
    ServerError,
)
from periskope_async.mirror import Mirror, Outcome, SyncResult, sync
from periskope_async.mirror.lists import CHATS, LISTS
from periskope_async.mirror.store import Sweep
from periskope_async.newest_first import is_known_ground
from periskope_async.sandbox import HeaderChange, Sandbox, Status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from periskope_async.paging.page import Page
    from periskope_async.paging.pager import Pager

pytestmark = pytest.mark.usefixtures("nothing_left_over")


class Event(NamedTuple):
    name: str
    raw: bytes


class Gap(NamedTuple):
    seconds: float


@asynccontextmanager
async def opened(
    target: str | Path, *, mirror: dict[str, Any] | None = None, **options: Any
) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient, Mirror]]:
    given: dict[str, Any] = {"lists": ["chats"], **(mirror or {})}
    async with (
        Sandbox(limit=10_000, **options) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, retry=1) as client,
        Mirror(client, target, **given) as opened,
    ):
        yield sandbox, client, opened


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have lists of many pages at little cost."""
    monkeypatch.setattr(sync, "PAGE_SIZE", 100)
    monkeypatch.setattr(sync, "UNDATED_MARGIN", 30)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mirror.sqlite"


async def held(
    mirror: Mirror, columns: str = "chat_id", where: str = "deleted_at IS NULL", table: str = "chats"
) -> list[tuple[Any, ...]]:
    store = mirror._store
    statement = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY 1"  # noqa: S608 - the tests' own names
    return await store.call(store._store._database.execute, statement)


async def wait_for_rows(mirror: Mirror, count: int) -> None:
    for _ in range(20_000):
        if len(await held(mirror)) >= count:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"there are no {count} rows")


async def assert_equal(mirror: Mirror, client: PeriskopeClient) -> None:
    truth = sorted(row.decode() for row in await client.iter_chats().raw().collect())
    assert [raw for (raw,) in await held(mirror, "raw_json")] == truth


async def sync_one(mirror: Mirror, **options: Any) -> Any:
    return (await mirror.sync(**options)).lists[0]


async def test_every_kind_of_database_becomes_the_truth(target: str) -> None:
    async with opened(target, chats=150) as (sandbox, client, mirror):
        first = await sync_one(mirror)
        assert (first.rows, first.inserted, first.full, first.complete) == (150, 150, "it is the first time", True)
        for _ in range(5):
            sandbox.insert()
            sandbox.wake()
        second = await sync_one(mirror)
        assert (second.rows, second.inserted, second.deleted, second.full) == (155, 5, 0, None)
        assert second.updated + second.inserted >= 5
        sandbox.remove()
        third = await sync_one(mirror)
        assert (third.rows, third.deleted) == (154, 1)
        assert third.full == "the server counts -1 rows against the mirror"
        await assert_equal(mirror, client)


async def test_every_list_becomes_the_truth(target: str) -> None:
    async with opened(target, chats=120, mirror={"lists": tuple(LISTS)}, sizes={"messages": 300}) as (
        sandbox,
        client,
        mirror,
    ):
        await mirror.sync()
        for name in ("messages", "contacts", "tickets"):
            sandbox.add(name)
        assert [each.inserted for each in (await mirror.sync()).lists] == [0, 1, 1, 1]
        pagers: dict[str, Pager[Any]] = {
            "messages": client.iter_messages(),
            "contacts": client.iter_contacts(),
            "tickets": client.iter_tickets(),
        }
        for name, pager in pagers.items():
            truth = sorted(row.decode() for row in await pager.raw().collect())
            assert [raw for (raw,) in await held(mirror, "raw_json", table=name)] == truth


@pytest.mark.parametrize("nulls", ["first", "last"])
async def test_what_is_new_costs_two_requests(file: Path, nulls: str) -> None:
    """A fifth of the chats have no message, and may stand before all others."""
    async with opened(file, nulls=nulls, chats=800) as (sandbox, client, mirror):
        await mirror.sync()
        for _ in range(20):
            sandbox.wake()
        sandbox.insert()
        sandbox.clear()
        result = await sync_one(mirror)
        assert (len(sandbox.requests), result.requests) == (2, 2)
        assert result.changes <= 21
        await assert_equal(mirror, client)
        sandbox.clear()
        await mirror.sync()
        assert len(sandbox.requests) == 2


async def test_many_changes_are_read_page_by_page(file: Path) -> None:
    async with opened(file, chats=600) as (sandbox, client, mirror):
        await mirror.sync()
        for number in range(120):
            sandbox.wake(number)
        sandbox.clear()
        assert (await sync_one(mirror)).full is None
        assert len(sandbox.requests) == 3
        await assert_equal(mirror, client)


async def test_a_count_of_the_page_is_told_from_a_total(file: Path) -> None:
    async with opened(file, count="page", chats=250) as (sandbox, client, mirror):
        assert (await sync_one(mirror)).rows == 250
        sandbox.insert()
        assert (await sync_one(mirror)).full is None
        sandbox.remove(5)
        assert (await sync_one(mirror)).rows == 251
        for deleted in (0, 1):
            assert (await sync_one(mirror, full=True)).deleted == deleted
        await assert_equal(mirror, client)


async def test_a_count_of_a_page_after_the_first_is_no_total(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where chats without a message stand first, reading begins behind them."""
    monkeypatch.setattr(sync, "UNDATED_MARGIN", 1)
    async with opened(file, count="page", nulls="first", chats=90) as (sandbox, _, mirror):
        await mirror.sync()
        sandbox.clear()
        assert (await sync_one(mirror)).full is None
        assert [int(request.query["offset"]) for request in sandbox.requests] == [0, 17]
        sandbox.remove(5)
        assert (await sync_one(mirror)).deleted == 1


async def test_a_list_with_no_known_order_is_read_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no order shows is found, and what is gone."""
    listing = msgspec.structs.replace(CHATS.listing, sorts=())
    monkeypatch.setitem(LISTS, "chats", replace(CHATS, listing=listing))
    async with opened(file, chats=250) as (sandbox, client, mirror):
        assert (await sync_one(mirror)).rows == 250
        sandbox._org.world.change(sandbox.chat_ids()[7], {"chat_name": "another"})
        sandbox.remove(3)
        result = await sync_one(mirror)
        assert (result.full, result.updated, result.deleted) == ("the list has no known order", 1, 1)
        await assert_equal(mirror, client)


async def test_a_list_is_read_whole_once_a_day(file: Path) -> None:
    clock = datetime(2026, 11, 29, tzinfo=UTC)
    async with opened(file, chats=10, mirror={"clock": lambda: clock}) as (_, _, mirror):
        await mirror.sync()
        clock += timedelta(hours=23)
        assert (await sync_one(mirror)).full is None
        clock += timedelta(hours=2)
        assert (await sync_one(mirror)).full == "the last time was 25 hours ago"
        assert (await sync_one(mirror)).full is None


async def test_a_clock_that_ran_ahead_is_forgotten_once_it_is_right(file: Path) -> None:
    right = datetime(2026, 11, 29, tzinfo=UTC)
    clock = right + timedelta(days=3650)
    async with opened(file, chats=10, mirror={"clock": lambda: clock}) as (_, client, mirror):
        await mirror.sync()
        state, sweep = mirror._store.state(CHATS), Sweep(token=client.iter_chats().token, began=clock, head=0.0)
        clock = right
        assert (await sync_one(mirror)).full == "the clock was set back since the last time"
        assert (await sync_one(mirror)).full is None
        # A broken-off sweep has no age, either.
        await mirror._store.save_state(CHATS, msgspec.structs.replace(state, sweep=sweep))
        await mirror.sync()
        assert mirror._store.state(CHATS).swept_at == right


async def test_what_is_back_is_restored_though_the_clock_was_set_back(file: Path) -> None:
    clock = datetime(2026, 11, 29, tzinfo=UTC)
    async with opened(file, chats=10, mirror={"clock": lambda: clock}) as (_, client, mirror):
        await mirror.sync()
        await mirror._store.begin_sweep(CHATS)
        # As if a full sweep had met no chat.
        await mirror._store.finish_sweep(CHATS, mirror._store.state(CHATS), complete=True)
        assert await held(mirror) == []
        clock -= timedelta(hours=5, minutes=30)
        assert (await sync_one(mirror)).restored == 10
        await assert_equal(mirror, client)


async def test_a_broken_sweep_goes_on_where_it_was(file: Path) -> None:
    async with opened(file, chats=1_000, latency=0.01) as (sandbox, client, mirror):
        syncing = asyncio.ensure_future(mirror.sync())
        await wait_for_rows(mirror, 300)
        syncing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await syncing
        before = len(await held(mirror))
        await mirror.close()
        sandbox.clear()
        async with Mirror(client, file, lists=["chats"]) as again:
            result = await sync_one(again)
            assert result.full == "the last time it was broken off"
            assert result.inserted == 1_000 - before
            offsets = [int(request.query["offset"]) for request in sandbox.requests]
            assert offsets[0] > 90
            await assert_equal(again, client)


async def test_a_page_of_a_sweep_that_goes_on_is_newer_than_an_event_before(file: Path) -> None:
    clock = datetime(2026, 11, 29, tzinfo=UTC)
    async with opened(file, chats=300, mirror={"clock": lambda: clock}) as (_, client, mirror):
        await mirror.sync()
        state = mirror._store.state(CHATS)
        head = max(state.watermarks.values())
        sweep = Sweep(token=client.iter_chats().token, began=clock, head=head)
        await mirror._store.save_state(CHATS, msgspec.structs.replace(state, sweep=sweep))
        # No look at the newest rows comes so far down.
        created, written = client.iter_chats(), client.iter_chats(sort_by="latest_message_timestamp", sort_order="desc")
        old = set((await created.raw().collect())[100:])
        oldest = [row for row in await written.raw().collect() if row in old][-1]
        clock += timedelta(hours=1)
        event = msgspec.json.encode(msgspec.json.decode(oldest) | {"labels": ["vip"]})
        assert await mirror.apply(Event("chat.updated", event)) is Outcome.UPDATED
        clock += timedelta(hours=1)
        assert (await sync_one(mirror)).full == "the last time it was broken off"
        await assert_equal(mirror, client)


async def test_an_old_token_begins_the_sweep_anew(file: Path) -> None:
    async with opened(file, chats=250) as (_, client, mirror):
        state = mirror._store.state(mirror._lists[0])
        sweep = Sweep(token="of another version", began=datetime.now(UTC), head=0.0)
        await mirror._store.save_state(mirror._lists[0], msgspec.structs.replace(state, sweep=sweep))
        assert (await sync_one(mirror)).rows == 250
        await assert_equal(mirror, client)


async def test_a_failed_sync_keeps_what_was_there(file: Path) -> None:
    async with opened(file, chats=300) as (sandbox, client, mirror):
        await mirror.sync()
        sandbox.wake()
        sandbox.script(Status(500), path="/v1/chats")
        with pytest.raises(ServerError):
            await mirror.sync()
        assert len(await held(mirror)) == 300
        await mirror.sync()
        await assert_equal(mirror, client)


async def test_events_are_applied_once_and_never_backwards(file: Path) -> None:
    async with opened(file, chats=10) as (sandbox, client, mirror):
        await mirror.sync()
        chat_id = sandbox.wake()
        (row,) = [row for row in await client.iter_chats().raw().collect() if chat_id.encode() in row]
        soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        later = msgspec.json.decode(row) | {"updated_at": soon, "chat_name": "later"}
        assert await mirror.apply(Event("chat.updated", row)) is Outcome.UPDATED
        assert await mirror.apply(Event("chat.updated", row)) is Outcome.UNCHANGED
        assert await mirror.apply(Event("chat.updated", msgspec.json.encode(later))) is Outcome.UPDATED
        assert await mirror.apply(Event("chat.updated", row)) is Outcome.OUTDATED
        new = {"chat_id": "7@g.us", "org_phone": None, "updated_at": None}
        assert await mirror.apply(Event("chat.created", msgspec.json.encode(new))) is Outcome.INSERTED
        assert await mirror.apply(Event("note.created", b"{}")) is None
        with pytest.raises(DecodeError, match=r"chat\.created brings no row of chats"):
            await mirror.apply(Event("chat.created", b"{}"))
        # The walk could not prove it, but the list says so twice: the chat that the event brought is not there.
        await mirror.sync()
        assert "7@g.us" not in {chat_id for (chat_id,) in await held(mirror)}


@pytest.mark.parametrize("is_full", [True, False])
async def test_a_page_on_its_way_does_not_undo_an_event(
    file: Path, monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    """Not every change moves a chat's updated_at: then only the moments tell which row is newer."""
    merge = sync.ListSync._merge
    async with opened(file, chats=10) as (_, client, mirror):
        await mirror.sync()
        ((raw,), *_) = await held(mirror, "raw_json")
        new = msgspec.json.encode(msgspec.json.decode(raw) | {"chat_access": {"ada@example.com": True}})

        async def late(self: sync.ListSync, page: Page[bytes], **options: Any) -> list[Outcome]:
            await mirror.apply(Event("chat.updated", new))
            return await merge(self, page, **options)

        with monkeypatch.context() as patch:
            patch.setattr(sync.ListSync, "_merge", late)
            await sync_one(mirror, full=is_full)
        assert (new.decode(),) in await held(mirror, "raw_json")
        # A page asked for later is newer.
        await sync_one(mirror, full=is_full)
        await assert_equal(mirror, client)


async def test_a_mirror_of_another_phone_is_refused(file: Path) -> None:
    async with opened(file, chats=10) as (_, client, mirror):
        await mirror.sync()
        await mirror.close()
        with pytest.raises(MirrorError, match="mirror of all phones of the key, not of phone"):
            await Mirror(client.with_phone("918527184400"), file).open()
        async with Mirror(client, file, lists=["chats"]) as again:
            assert (await sync_one(again)).full is None


async def test_use_before_open_and_after_close(file: Path) -> None:
    async with opened(file, chats=10) as (_, client, mirror):
        with pytest.raises(ClosedError, match="async with Mirror"):
            await Mirror(client, file).sync()
        await mirror.close()
        with pytest.raises(ClosedError):
            await mirror.apply(Event("chat.updated", b'{"chat_id":"1@g.us"}'))
        with pytest.raises(ConfigError, match="lists is"):
            Mirror(client, file, lists=["cats"])
        with pytest.raises(ConfigError, match="lists is 'chats'; give a list of texts"):
            Mirror(client, file, lists="chats")
        seconds: Any = 3600
        with pytest.raises(ConfigError, match="full_every is 3600; give a timedelta"):
            Mirror(client, file, full_every=seconds)
        minute: Any = timedelta(minutes=1)
        with pytest.raises(ConfigError, match="every is datetime"):
            await Mirror(client, file).watch(every=minute)


async def test_watching(file: Path) -> None:
    """Events are applied, a gap has a sync follow, what may pass is told, and what may not ends it."""
    async with opened(file, chats=50) as (sandbox, _, mirror):
        results: asyncio.Queue[SyncResult] = asyncio.Queue()
        errors: asyncio.Queue[PeriskopeError] = asyncio.Queue()
        items: asyncio.Queue[Event | Gap] = asyncio.Queue()

        async def events() -> AsyncIterator[Event | Gap]:
            while True:
                yield await items.get()

        watching = asyncio.ensure_future(
            mirror.watch(every=60, events=events(), on_sync=results.put_nowait, on_error=errors.put_nowait)
        )
        assert (await results.get()).changes == 50
        items.put_nowait(Event("chat.created", b'{"chat_id":"1@g.us","updated_at":"2030-01-01T00:00:00Z"}'))
        await wait_for_rows(mirror, 51)
        for item in (Gap(3.0), Event("chat.created", b"{}")):
            sandbox.insert()
            items.put_nowait(item)
            assert (await results.get()).lists[0].inserted == 1
        sandbox.script(Status(500), path="/v1/chats")
        items.put_nowait(Gap(1.0))
        assert isinstance(await errors.get(), ServerError)
        sandbox.script(Status(401), path="/v1/chats")
        items.put_nowait(Gap(1.0))
        with pytest.raises(AuthenticationError):
            await watching


async def test_watching_ends_with_its_events_error(file: Path) -> None:
    async def events() -> AsyncIterator[Event]:
        raise ConnectionError("no stream")
        yield

    async with opened(file, chats=5) as (_, _, mirror):
        with pytest.raises(ConnectionError, match="no stream"):
            await mirror.watch(every=60, events=events())


async def test_watching_polls(file: Path) -> None:
    async with opened(file, chats=5) as (sandbox, _, mirror):
        results: list[SyncResult] = []
        done = asyncio.Event()

        def tell(result: SyncResult) -> None:
            results.append(result)
            sandbox.insert()
            if len(results) == 3:
                done.set()

        watching = asyncio.ensure_future(mirror.watch(every=0.01, on_sync=tell))
        await done.wait()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert [result.changes for result in results] == [5, 1, 1]


async def test_a_cancel_at_any_step_leaves_a_mirror_that_works(file: Path) -> None:
    async with opened(file, chats=220) as (sandbox, client, mirror):
        steps = 0
        while True:
            sandbox.wake()
            syncing = asyncio.ensure_future(mirror.sync())
            for _ in range(steps):
                await asyncio.sleep(0)
                if syncing.done():
                    break
            if syncing.done():
                break
            syncing.cancel()
            await asyncio.gather(syncing, return_exceptions=True)
            steps += 1 + steps // 3
        await mirror.sync()
        await assert_equal(mirror, client)


@pytest.mark.parametrize(
    ("times", "news", "is_known"),
    [
        ([9, 8, 4], [True, True, False], True),
        ([9, 8, 6], [True, True, False], False),  # the watermark is not reached
        ([9, 8, 4], None, True),  # nobody knows what is news
        ([9, 8, 6], None, False),
        ([9, 4, 3], [True, True, False], False),  # a row came late
        ([None, None], [False, False], False),  # rows without a time come first
        ([None, 4], [True, False], True),
        ([9, 7, None], [True, True, True], True),  # they come last: all others have been read
    ],
)
def test_known_ground(times: list[float | None], news: list[bool] | None, *, is_known: bool) -> None:
    page: Any = SimpleNamespace(items=times, sort_time=times.__getitem__)
    assert is_known_ground(page, watermark=5, news=news) is is_known


@pytest.mark.parametrize("date", ["Mon, 05 Jan 2026 10:00:00 +99999999999999", "Mon, 05 Jan 2026 10:00:00 -0000"])
async def test_a_mirror_survives_every_date(file: Path, date: str) -> None:
    async with opened(file, chats=20) as (sandbox, _, mirror):
        sandbox.script(*[HeaderChange(set={"Date": date})] * 3)
        assert (await mirror.sync()).lists[0].rows == 20
