"""The server's ``Date`` of each page: read in every form, kept in the checkpoint, and asked by the next update."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from periskope_async import AuthenticationError
from periskope_async.export import export
from periskope_async.sandbox import HeaderChange, Status
from tests.export.test_runner import connected

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")

MONDAY = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "known_since"),
    [
        ("Mon, 05 Jan 2026 10:00:00 GMT", MONDAY),
        ("Mon, 05 Jan 2026 10:00:00 -0000", MONDAY),
        ("2026-01-05T10:00:00Z", MONDAY),
        ("Mon, 05 Jan 2026 10:00:00 +99999999999999", None),
        ("Mon, 05 Jan 99999999999999999999 10:00:00 GMT", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59.999999Z", None),
        ("soon", None),
    ],
)
async def test_an_export_survives_every_date(tmp_path: Path, text: str, known_since: datetime | None) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(HeaderChange(set={"Date": text}))
        result = await export(client.iter_chats(), out)
        assert result.manifest.known_since == known_since
        await export(client.iter_chats(), out, if_exists="update")
    assert result.manifest.state == "whole"


async def test_dates_with_and_without_a_zone_are_compared(tmp_path: Path) -> None:
    async with connected(chats=20) as (sandbox, client):
        dates = ("Mon, 05 Jan 2026 10:00:00 -0000", "Mon, 05 Jan 2026 10:00:00 GMT")
        sandbox.script(*[HeaderChange(set={"Date": date}) for date in dates])
        sources = {name: client.iter_chats(chat_type=name) for name in ("group", "user")}
        result = await export(sources, tmp_path / "out.jsonl")
    assert result.manifest.known_since == MONDAY


async def test_the_date_of_a_walks_first_page_is_kept_in_the_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(HeaderChange(set={"Date": "2026-01-05T10:00:00Z"}), Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=10, prefetch=1), out)
        result = await export(client.iter_chats(page_size=10), out)
    assert result.manifest.known_since == MONDAY
