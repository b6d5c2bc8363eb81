"""An older export brought up to date: only what is new is asked for, and what is gone is marked, not lost."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError, ConfigError
from periskope_async.client.lists import CHATS
from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.formats import format_of
from periskope_async.export.jsonl import tagged, untagged
from periskope_async.export.keys import RowKeys
from periskope_async.export.manifest import read_manifest
from periskope_async.export.older import rows_of
from periskope_async.export.update import Changes, updated
from periskope_async.sandbox import Body, HeaderChange, Pass, Status
from periskope_async.tables.columns import table_of
from tests.export.test_formats import needs
from tests.export.test_runner import (
    connected,
    end_before_the_manifest,
    end_before_the_place,
    end_before_the_sweep,
    names_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from periskope_async import PeriskopeClient
    from periskope_async.export.formats import Row

pytestmark = pytest.mark.usefixtures("nothing_left_over")

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def rows_in(out: Path) -> list[Row]:
    return list(rows_of(out, format_of(out.name), table_of(CHATS)))


def ids_in(out: Path) -> list[str]:
    return [json.loads(raw)["chat_id"] for raw, _, _ in rows_in(out)]


def gone_in(out: Path) -> set[str]:
    return {json.loads(raw)["chat_id"] for raw, _, gone_at in rows_in(out) if gone_at is not None}


async def said_of(client: PeriskopeClient) -> dict[str, bytes]:
    return {json.loads(raw)["chat_id"]: raw async for raw in client.iter_chats().raw()}


# Rows, without any server


@pytest.mark.parametrize("row", [b'{"chat_id":"1@c.us"}', b"{}"])
@pytest.mark.parametrize(
    ("source", "gone_at"), [("", None), ('a "b" \\ ü', None), ("", NOW), ("phone=1", NOW)], ids=["", "s", "g", "sg"]
)
def test_tags_come_off_as_they_went_on(row: bytes, source: str, gone_at: datetime | None) -> None:
    tags = {"_source": source} if source else {}
    tags |= {"_gone_at": gone_at.isoformat()} if gone_at else {}
    assert untagged(tagged([row], tags)[0] if tags else row) == (row, source, gone_at)


def test_fresh_rows_take_the_place_of_older_ones() -> None:
    def row(name: str, text: str, gone_at: datetime | None = None, source: str = "") -> Row:
        return json.dumps({"chat_id": name, "chat_name": text}).encode(), source, gone_at

    unread: Row = (b"7", "", None)
    older = [row("a", "old"), row("b", "old"), row("c", "old", NOW), row("a", "old", source="other"), unread]
    fresh = [row("c", "new"), row("a", "new"), row("d", "new")]
    keys, changes = RowKeys(CHATS, is_merged=False), Changes()
    fresh.append(row("same", "old"))
    older += [row("same", "old")]
    merged = list(updated(fresh, older, keys, changes, swept={""}, now=NOW))
    assert merged == [*fresh, row("b", "old", NOW), row("a", "old", source="other"), unread]
    assert (changes.met, changes.replaced, changes.gone) == (3, 2, 1)
    assert (changes.rows[""], changes.there[""], changes.there["other"]) == (6, 5, 1)


def test_a_row_that_is_back_is_replaced_even_if_it_is_the_same() -> None:
    changes = Changes()
    back: Row = (b'{"chat_id":"1"}', "", None)
    keys = RowKeys(CHATS, is_merged=False)
    assert list(updated([back], [(*back[:2], NOW)], keys, changes, swept={""}, now=NOW)) == [back]
    assert (changes.met, changes.replaced) == (1, 1)


# Updates


@pytest.mark.parametrize(
    ("ending", "chats"),
    [("jsonl", 3_000), *[(ending, 300) for ending in ("jsonl.gz", "csv", "sqlite", "parquet", "duckdb")]],
)
async def test_only_what_is_new_is_asked_for(tmp_path: Path, ending: str, chats: int) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=chats) as (sandbox, client):
        await export(client.iter_chats(), out)
        names = {sandbox.wake(chats - 9), sandbox.wake(7), sandbox.insert()}
        before = len(sandbox.requests)
        result = await export(client.iter_chats(), out, if_exists="update")
        # The newest by each of two orders, and the end of the chats that have no message.
        requests = sandbox.requests[before:]
        assert 2 <= len(requests) <= 3
        assert result.report is not None
        assert (result.report.requests, result.report.pages) == (len(requests), len(requests))
        truth = await said_of(client)
    assert sorted(ids_in(out)) == sorted(truth)
    assert (result.rows, result.manifest.state) == (chats + 1, "whole")
    update = result.manifest.update
    assert update is not None
    assert (update.added, update.gone) == (1, 0)
    # The bytes of a row in a CSV are not known, so every row that was read again counts.
    assert update.replaced == 2 or (ending == "csv" and update.replaced > 2)
    rows = {json.loads(raw)["chat_id"]: raw for raw, _, _ in rows_in(out)}
    if ending != "csv":
        assert rows == truth
    else:
        assert {json.loads(rows[name])["latest_message"]["message_id"] for name in names} == {
            json.loads(truth[name])["latest_message"]["message_id"] for name in names
        }
    assert out.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


@pytest.mark.parametrize("mode", ["update", "sweep"])
@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.zst"])
async def test_a_file_without_rows_stays_readable(tmp_path: Path, ending: str, mode: Any) -> None:
    out = tmp_path / f"out.{ending}"
    async with connected(chats=0) as (_, client):
        for _ in range(3):
            result = await export(client.iter_chats(), out, if_exists=mode)
            assert (result.rows, rows_in(out)) == (0, [])
            assert out.stat().st_size > 0


async def test_a_partial_file_without_rows_stays_readable(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl.gz"
    async with connected(chats=50) as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "nobody's")}
        sandbox.script(Status(401))
        assert (await export(sources, out)).manifest.state == "partial"
        assert (out.stat().st_size > 0, rows_in(out)) == (True, [])
        result = await export(sources, out)
    assert (result.manifest.state, result.rows) == ("whole", len(rows_in(out)))
    assert result.manifest.known_since is not None


async def test_half_emojis_of_older_rows_are_counted(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    cut, whole = rb'{"chat_id":"1@c.us","chat_name":"cut \ud83d"}', b'{"chat_id":"2@c.us"}'
    pages = [b'{"from":1,"to":2,"count":2,"chats":[%s]}' % b",".join([cut, whole])]
    pages += [b'{"count":1,"chats":[%s]}' % whole] * 4
    async with connected(chats=0) as (sandbox, client):
        sandbox.script(*[Body(page, "application/json") for page in pages])
        await export(client.iter_chats(), out)
        result = await export(client.iter_chats(), out, if_exists="update")
    assert sorted(out.read_bytes().splitlines()) == [cut, whole]
    assert result.manifest.half_emojis == 1


async def test_the_first_update_is_a_whole_export(tmp_path: Path) -> None:
    async with connected() as (sandbox, client):
        result = await export(client.iter_chats(), tmp_path / "out.jsonl", if_exists="update")
        assert ids_in(tmp_path / "out.jsonl") == sandbox.chat_ids()
    assert (result.rows, result.manifest.state, result.manifest.update) == (700, "whole", None)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "sqlite", "parquet", "duckdb"])
async def test_a_sweep_marks_what_is_gone(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=300) as (sandbox, client):
        await export(client.iter_chats(), out)
        gone = {sandbox.remove(5), sandbox.remove(250)}
        update = await export(client.iter_chats(), out, if_exists="update")
        assert (update.manifest.state, gone_in(out)) == ("unknown", set())
        assert update.report is not None
        assert "a full sweep tells why" in update.report.why
        sweep = await export(client.iter_chats(), out, if_exists="sweep")
        assert gone_in(out) == gone
        assert (sweep.rows, sweep.manifest.gone, sweep.manifest.state) == (300, 2, "whole")
        before = {raw: gone_at for raw, _, gone_at in rows_in(out) if gone_at}
        again = await export(client.iter_chats(), out, if_exists="sweep")
        assert {raw: gone_at for raw, _, gone_at in rows_in(out) if gone_at} == before
        assert again.manifest.update is not None
        assert again.manifest.update.gone == 0
        assert sorted(ids_in(out)) == sorted([*sandbox.chat_ids(), *gone])


async def test_what_comes_back_is_no_longer_marked(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=50) as (sandbox, client):
        await export(client.iter_chats(), out)
        taken = out.read_bytes()
        gone = sandbox.remove(3)
        await export(client.iter_chats(), out, if_exists="sweep")
        assert gone_in(out) == {gone}
    async with connected(chats=50) as (_, client):
        # The same organisation, with that chat in the list again.
        await export(client.iter_chats(), out, if_exists="sweep")
    assert gone_in(out) == set()
    assert sorted(out.read_bytes().splitlines()) == sorted(taken.splitlines())


def unknown(*_: object, **_more: object) -> None:
    return None


async def test_a_sweep_that_is_not_proven_marks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was not met may only have moved past the reader."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=30) as (sandbox, client):
        await export(client.iter_chats(), out)
        sandbox.remove(5)
        monkeypatch.setattr("periskope_async.export.account._complete", unknown)
        result = await export(client.iter_chats(), out, if_exists="sweep")
    assert (result.manifest.state, result.rows, gone_in(out)) == ("unknown", 30, set())


async def test_lists_without_an_order_are_read_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=60) as (sandbox, client):
        await export(client.iter_contacts(), out)
        new = sandbox.add("contacts")
        result = await export(client.iter_contacts(), out, if_exists="update")
    assert new in out.read_text()
    assert result.rows == len(out.read_bytes().splitlines())
    assert result.manifest.update is not None
    assert result.manifest.update.added == 1


async def test_messages_are_asked_for_from_the_newest(tmp_path: Path) -> None:
    out = tmp_path / "out.sqlite"
    async with connected(chats=100) as (sandbox, client):
        first = await export(client.iter_messages(), out)
        new = {sandbox.add("messages") for _ in range(3)}
        before = len(sandbox.requests)
        result = await export(client.iter_messages(), out, if_exists="update")
        assert len(sandbox.requests) - before == 1
        expected = set(sandbox.ids("messages"))
    assert result.rows == first.rows + 3
    with closing(sqlite3.connect(out)) as database:
        there = {row[0] for row in database.execute("SELECT message_id FROM messages")}
    assert new <= there == expected


@pytest.mark.parametrize("is_merged", [True, False])
async def test_each_source_is_brought_up_to_date(tmp_path: Path, *, is_merged: bool) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=400) as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        await export(sources, out, merge=is_merged)
        both = set(sandbox.chat_ids(label="vip")) & set(sandbox.chat_ids(label="lead"))
        woken = sandbox.wake(next(iter(both)) if both else sandbox.chat_ids(label="vip")[0])
        result = await export(sources, out, merge=is_merged, if_exists="update")
        expected = {label: set(sandbox.chat_ids(label=label)) for label in sources}
        latest = json.loads((await said_of(client))[woken])["latest_message"]
    assert result.manifest.state == "whole"
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert all(row["latest_message"] == latest for row in rows if row["chat_id"] == woken)
    if is_merged:
        assert sorted(row["chat_id"] for row in rows) == sorted(expected["vip"] | expected["lead"])
    else:
        there = {label: {row["chat_id"] for row in rows if row["_source"] == label} for label in sources}
        assert there == expected
        assert {name: source.rows for name, source in result.manifest.sources.items()} == {
            name: len(ids) for name, ids in expected.items()
        }


@pytest.mark.parametrize("mode", ["replace", "update", "sweep", "overwrite"])
@pytest.mark.parametrize("ending", ["jsonl", "sqlite"])
async def test_a_first_run_that_was_partial_is_gone_on_with(tmp_path: Path, mode: Any, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    async with connected(chats=400) as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        sandbox.script(Status(401))
        assert (await export(sources, out, if_exists=mode)).manifest.state == "partial"
        before = len(sandbox.requests)
        result = await export(sources, out, if_exists=mode)
        expected = {label: len(sandbox.chat_ids(label=label)) for label in sources}
        assert len(sandbox.requests) - before == 2
        assert result.resumed_rows in expected.values()
    assert {name: source.rows for name, source in result.manifest.sources.items()} == expected
    assert result.manifest.state == "whole"


async def test_a_source_that_had_failed_is_read_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=400) as (sandbox, client):
        sources = {label: client.iter_chats(label=label) for label in ("vip", "lead")}
        sandbox.script(Status(401))
        assert (await export(sources, out)).manifest.state == "partial"
        for left in (".partial", ".partial.log"):
            (tmp_path / f"out.jsonl{left}").unlink()
        result = await export(sources, out, if_exists="update")
        expected = {label: len(sandbox.chat_ids(label=label)) for label in sources}
    assert {name: source.rows for name, source in result.manifest.sources.items()} == expected
    assert result.manifest.state == "whole"


# What breaks off, and goes on


async def test_an_update_that_fails_is_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "out.sqlite"
    async with connected(chats=600) as (sandbox, client):
        pager = client.iter_chats(page_size=100)
        await export(pager, out)
        older, woken = out.read_bytes(), {sandbox.wake(place) for place in range(0, 600, 4)}
        sandbox.script(Pass(), Pass(), Status(401), Status(401))
        with pytest.raises(AuthenticationError):
            await export(pager, out, if_exists="update")
        sandbox.clear()
        assert out.read_bytes() == older
        with pytest.raises(ExportError, match="other filters or settings"):
            await export(pager, out)
        result = await export(pager, out, if_exists="update")
        truth = await said_of(client)
    assert result.resumed_rows > 0
    assert result.manifest.state == "whole"
    assert {json.loads(raw)["chat_id"]: raw for raw, _, _ in rows_in(out)} == truth
    assert len(woken) == 150


@pytest.mark.parametrize(
    "end", [end_before_the_place, end_before_the_manifest, end_before_the_sweep], ids=lambda end: end.__name__
)
@pytest.mark.parametrize("if_exists", ["update", "sweep"])
@pytest.mark.parametrize("ending", ["jsonl", "sqlite"])
async def test_the_last_steps_of_an_update_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[Any], None], if_exists: Any, ending: str
) -> None:
    out = tmp_path / f"out.{ending}"
    async with connected(chats=30) as (sandbox, client):
        await export(client.iter_chats(), out)
        sandbox.insert()
        with monkeypatch.context() as patched:
            end(patched)
            with pytest.raises(ZeroDivisionError):
                await export(client.iter_chats(), out, if_exists=if_exists)
        before = len(sandbox.requests)
        result = await export(client.iter_chats(), out, if_exists=if_exists)
        assert len(sandbox.requests) == before
        assert sorted(ids_in(out)) == sorted(sandbox.chat_ids())
    assert (result.rows, result.manifest) == (31, read_manifest(out))
    assert names_in(tmp_path) == [out.name, f"{out.name}.manifest.json"]


@pytest.mark.parametrize("is_escaped", [True, False])
async def test_cells_of_a_csv_keep_their_apostrophes(tmp_path: Path, *, is_escaped: bool) -> None:
    out = tmp_path / "out.csv"
    names = ["'=1+1", "=1+1", "'a", "''-", "'"]
    page = {"from": 1, "to": 5, "count": 5, "chats": [{"chat_id": n, "chat_name": n} for n in names]}
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(Body(json.dumps(page).encode()))
        await export(client.iter_chats(), out, csv_escape=is_escaped)
        older = cells_in(out)
        await export(client.iter_chats(), out, csv_escape=is_escaped, if_exists="update")
    assert older <= cells_in(out)


def cells_in(out: Path) -> set[tuple[str, str]]:
    with out.open(newline="") as file:
        return {(row["chat_id"], row["chat_name"]) for row in csv.DictReader(file)}


# What is refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"filters": {"label": "vip"}}, r"other settings \(filters: label: none there, 'vip' asked for\)"),
        ({"filters": {"phone": "918527184400"}}, r"other settings \(filters: phone: none there"),
        ({"csv_escape": False}, r"other settings \(csv_escape: True there, False asked for\)"),
        ({"merge": True}, r"other settings \(merge: False there"),
        ({"list": "contacts"}, r"other settings \(list: chats there, contacts asked for\)"),
    ],
    ids=["label", "phone", "escape", "merge", "list"],
)
async def test_an_update_by_other_settings_is_told(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    out = tmp_path / "out.csv"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(sort_by="latest_message_timestamp"), out)
        older, before = out.read_bytes(), len(sandbox.requests)
        pager = getattr(client, f"iter_{settings.get('list', 'chats')}")(**settings.get("filters", {}))
        chosen = {name: value for name, value in settings.items() if name not in {"filters", "list"}}
        with pytest.raises(ExportError, match=said):
            await export(pager, out, if_exists="update", **chosen)
        assert (out.read_bytes(), len(sandbox.requests)) == (older, before)


async def test_an_update_by_another_key_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        older = out.read_bytes()
        sandbox.script(*[HeaderChange(set={"x-periskope-org-id": "org-others"})] * 2)
        with pytest.raises(ExportError, match="this key is of org-others"):
            await export(client.iter_chats(), out, if_exists="update")
    assert out.read_bytes() == older


@pytest.mark.parametrize("if_exists", ["update", "sweep"])
async def test_a_changed_file_is_not_updated(tmp_path: Path, if_exists: Any) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        await export(client.iter_chats(), out)
        content = out.read_bytes()
        before = len(sandbox.requests)
        out.write_bytes(content.replace(b"a", b"b"))
        with pytest.raises(ExportError, match="was changed since it was exported"):
            await export(client.iter_chats(), out, if_exists=if_exists)
        out.write_bytes(content)
        (tmp_path / "out.jsonl.manifest.json").unlink()
        with pytest.raises(ExportError, match=r"has no 'out\.jsonl\.manifest\.json' beside it"):
            await export(client.iter_chats(), out, if_exists=if_exists)
        assert (out.read_bytes(), len(sandbox.requests)) == (content, before)


async def test_a_file_that_is_no_export_is_kept(tmp_path: Path) -> None:
    async with connected(chats=20) as (sandbox, client):
        for ending in ("jsonl", "jsonl.gz", "csv", "sqlite", "parquet", "duckdb"):
            needs(ending)
            out = tmp_path / f"out.{ending}"
            out.write_bytes(b"a letter to a friend\n")
            with pytest.raises(ExportError, match=r"may be no export.* Nothing was changed"):
                await export(client.iter_chats(), out)
            assert out.read_bytes() == b"a letter to a friend\n"
        with closing(sqlite3.connect(tmp_path / "of others.sqlite")) as database:
            database.execute("CREATE TABLE chats (id, text)")
        with pytest.raises(ExportError, match="may be no export"):
            await export(client.iter_chats(), tmp_path / "of others.sqlite")
        (tmp_path / "of others.jsonl").write_text('{"id":1}\n')
        with pytest.raises(ExportError, match="may be no export"):
            await export(client.iter_chats(), tmp_path / "of others.jsonl")
        assert not sandbox.requests
        await export(client.iter_chats(), tmp_path / "out.csv", if_exists="overwrite")
        assert len(ids_in(tmp_path / "out.csv")) == 20


async def test_settings_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    async with connected(chats=1) as (sandbox, client):
        with pytest.raises(ConfigError, match="leave out max_items"):
            await export(client.iter_chats(max_items=3), tmp_path / "out.jsonl", if_exists="update")
        with pytest.raises(ConfigError, match="it takes one of replace"):
            await export(client.iter_chats(), tmp_path / "out.jsonl", if_exists="append")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert not sandbox.requests


async def test_times_of_the_server_tell_known_ground(tmp_path: Path) -> None:
    """A wrong clock of this machine must not hide what is new."""
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(HeaderChange(set={"Date": "Mon, 05 Jan 2026 10:00:00 GMT"}))
        result = await export(client.iter_chats(), tmp_path / "out.jsonl")
    assert result.manifest.known_since == datetime(2026, 1, 5, 10, tzinfo=UTC)
