"""Walks that were cut and gone on with, on lists that move: what is called whole is whole."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError, PaginationError
from periskope_async.client.lists import CONTACTS
from periskope_async.export import export
from periskope_async.export.formats import format_of
from periskope_async.export.older import rows_of
from periskope_async.sandbox import PHONES, Pass, Status
from periskope_async.tables.columns import table_of
from tests.export.test_formats import needs
from tests.export.test_runner import connected, names_in
from tests.export.test_update import gone_in, ids_in, said_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from periskope_async import PeriskopeClient
    from periskope_async.paging.pager import Pager
    from periskope_async.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("nothing_left_over")


async def cut(sandbox: Sandbox, sources: Any, out: Path, *, after: int, **settings: Any) -> None:
    """Run an export that breaks off after some pages."""
    sandbox.script(*[Pass()] * after, Status(401))
    with pytest.raises(AuthenticationError):
        await export(sources, out, **settings)


def chats(client: PeriskopeClient, **filters: Any) -> Pager[Any]:
    return client.iter_chats(page_size=100, prefetch=1, **filters)


def contacts(client: PeriskopeClient, **filters: Any) -> Pager[Any]:
    return client.iter_contacts(page_size=100, prefetch=1, **filters)


# The second cut is in the rest of the first walk.
@pytest.mark.parametrize("cuts", [(3,), (3, 4)])
async def test_no_row_is_lost_where_ties_change_places(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(ties="shuffled") as (sandbox, client):
        for pages in cuts:
            await cut(sandbox, chats(client), out, after=pages)
        result = await export(chats(client), out)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert (result.manifest.state, result.rows) == ("whole", 700)
    assert result.resumed_rows


# The second cut is in the walk that has begun once more.
@pytest.mark.parametrize("cuts", [(3,), (6, 4)])
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "sqlite", "parquet"])
async def test_the_last_version_of_a_row_that_came_is_in_the_file(
    tmp_path: Path, ending: str, cuts: tuple[int, ...]
) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(sizes={"contacts": 700}) as (sandbox, client):
        first, *others = cuts
        await cut(sandbox, contacts(client), out, after=first)
        for contact in sandbox.ids("contacts")[::20]:
            await client.update_contact(contact, contact_name="new")
        for pages in others:
            await cut(sandbox, contacts(client), out, after=pages)
        result = await export(contacts(client), out)
        truth = {contact.contact_id: contact.contact_name async for contact in client.iter_contacts()}
    rows = [json.loads(raw) for raw, *_ in rows_of(out, format_of(out.name), table_of(CONTACTS))]
    assert {row["contact_id"]: row.get("contact_name") for row in rows} == truth
    assert (result.rows, len(rows), [*truth.values()].count("new")) == (700, 700, 35)
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


@pytest.mark.parametrize("is_merged", [False, True])
async def test_the_last_version_comes_from_whichever_walk(tmp_path: Path, *, is_merged: bool) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(ties="shuffled") as (sandbox, client):
        sources = {"all": chats(client), "groups": chats(client, chat_type="group")}
        sandbox.script(*[Pass()] * 3, Status(401), Status(401))
        with pytest.raises(AuthenticationError):
            await export(sources, out, merge=is_merged)
        woken = {sandbox.wake(name) for name in sandbox.chat_ids(chat_type="group")[:20]}
        result = await export(sources, out, merge=is_merged)
        truth = {name: json.loads(raw) for name, raw in (await said_of(client)).items()}
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert result.rows == len(rows) == len({(row["chat_id"], row.get("_source")) for row in rows})
    for row in rows:
        if row["chat_id"] in woken:
            assert row["latest_message"] == truth[row["chat_id"]]["latest_message"]


async def test_merged_rows_are_not_lost_where_ties_change_places(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(ties="shuffled") as (sandbox, client):
        sources = {"all": chats(client), "groups": chats(client, chat_type="group")}
        sandbox.script(*[Pass()] * 3, Status(401), Status(401))
        with pytest.raises(AuthenticationError):
            await export(sources, out, merge=True)
        result = await export(sources, out, merge=True)
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert result.manifest.state == "whole"


@pytest.mark.parametrize(("walk", "is_again"), [(chats, False), (contacts, True)])
async def test_only_a_lasting_order_tells_that_nothing_moved_since_a_cut(
    tmp_path: Path, walk: Callable[[PeriskopeClient], Pager[Any]], *, is_again: bool
) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(sizes={"contacts": 700}) as (sandbox, client):
        await cut(sandbox, walk(client), out, after=6)
        before = len(sandbox.requests)
        result = await export(walk(client), out)
        assert (len(sandbox.requests) - before > 3) is is_again
    assert (result.manifest.state, result.rows) == ("whole", 700)


@pytest.mark.parametrize("is_growing", [False, True])
async def test_a_cut_of_the_walk_once_more_is_not_the_cause_of_another(tmp_path: Path, *, is_growing: bool) -> None:
    """A process with little time would never come to an end."""
    out = tmp_path / "out.jsonl"
    async with connected(sizes={"contacts": 700}) as (sandbox, client):
        sandbox.before_page = lambda _: is_growing and sandbox.add("contacts")
        await cut(sandbox, contacts(client), out, after=6)
        await cut(sandbox, contacts(client), out, after=7)
        before = len(sandbox.requests)
        result = await export(contacts(client), out)
        assert len(sandbox.requests) - before < 7
    assert result.manifest.state == "unknown"
    assert result.rows >= 700


@pytest.mark.parametrize("is_merged", [False, True])
async def test_rows_met_twice_do_not_fill_up_max_items(tmp_path: Path, *, is_merged: bool) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(ties="shuffled") as (sandbox, client):
        await cut(sandbox, chats(client, max_items=500), out, after=3, merge=is_merged)
        result = await export(chats(client, max_items=500), out, merge=is_merged)
        assert result.rows == len(set(ids_in(out))) < 500
    assert result.manifest.state == "unknown"


async def test_the_first_rows_are_never_more_than_max_items(tmp_path: Path) -> None:
    """From the head there are others by now."""
    out = tmp_path / "out.jsonl"
    async with connected() as (sandbox, client):
        await cut(sandbox, chats(client, max_items=500), out, after=3)
        for chat in sandbox.chat_ids()[:300]:
            sandbox.remove(chat)
        with pytest.raises(PaginationError, match="changed too much") as caught:
            await export(chats(client, max_items=500), out)
        assert any("--restart" in note for note in caught.value.__notes__)
        result = await export(chats(client, max_items=500), out, restart=True)
    assert (result.manifest.state, result.rows) == ("whole", 400)


async def test_a_cut_that_is_nowhere_any_more_costs_no_row(tmp_path: Path) -> None:
    """All rows that its token names have left."""
    out = tmp_path / "out.jsonl"
    async with connected() as (sandbox, client):
        await cut(sandbox, chats(client), out, after=3)
        for chat in sandbox.chat_ids()[:300]:
            sandbox.remove(chat)
        result = await export(chats(client), out)
        assert set(sandbox.chat_ids()) < set(ids_in(out))
    # Three pages, each with three rows of the one before.
    assert (result.manifest.state, result.rows) == ("whole", 294 + 400)


async def test_equal_counts_hide_no_row_that_moved_past_a_cut(tmp_path: Path) -> None:
    """One leaves, an older one comes, and an unread one wakes up: there are as many rows as before."""
    out = tmp_path / "out.jsonl"
    phone = PHONES[0].phone_id
    by_message: Any = {"sort_by": "latest_message_timestamp", "sort_order": "desc"}
    async with connected(chats=2_000, nulls="last") as (sandbox, client):

        def vips() -> Pager[Any]:
            return client.iter_chats(page_size=10, prefetch=1, phone=phone, label="vip", **by_message)

        there = sandbox.chat_ids(phone=phone, label="vip", **by_message)
        others = [chat for chat in sandbox.chat_ids(phone=phone, **by_message) if chat not in there]
        await cut(sandbox, vips(), out, after=2)
        await client.set_chat_labels([there[3]], [], phone=phone)
        await client.set_chat_labels([others[-1]], ["vip"], phone=phone)
        sandbox.wake(there[-1])
        result = await export(vips(), out)
        now = sandbox.chat_ids(phone=phone, label="vip", **by_message)
        assert (len(now), now[0]) == (len(there), there[-1])
        assert set(now) - set(ids_in(out)) == set()
    assert (result.manifest.state, result.rows) == ("whole", len(there) + 1)


def swapping(sandbox: Sandbox, seed: int) -> Callable[[object], None]:
    """Have one chat leave and another come, before some page."""
    rng = random.Random(seed)
    pages, present = [rng.randrange(2, 40)], sorted(sandbox.chat_ids())

    def swap(_asked: object) -> None:
        pages[0] -= 1
        if not pages[0]:
            sandbox.remove(rng.choice(present))
            sandbox.insert()

    return swap


@pytest.mark.parametrize("seed", [1, 10, 21])
async def test_a_newcomer_is_not_counted_for_a_row_not_met(tmp_path: Path, seed: int) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=300, max_limit=50, ties="shuffled", seed=seed) as (sandbox, client):
        await export(client.iter_chats(page_size=50, prefetch=1), out)
        sandbox.before_page = swapping(sandbox, seed)
        result = await export(client.iter_chats(page_size=50, prefetch=1), out, if_exists="sweep")
        assert result.report is not None
        assert (result.report.complete, result.manifest.state) == (None, "unknown")
        assert gone_in(out) == set()
        assert len(set(sandbox.chat_ids()) - set(ids_in(out))) < 2


async def test_a_walk_that_looks_for_nothing_that_moved_is_not_called_whole(tmp_path: Path) -> None:
    async with connected(chats=30) as (_, client):
        result = await export(client.iter_chats(consistency="dedupe"), tmp_path / "out.jsonl")
    assert (result.manifest.state, result.rows) == ("unknown", 30)
