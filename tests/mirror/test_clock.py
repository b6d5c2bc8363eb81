"""The server's clock against the mirror's, as far as an answer's ``Date`` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async import PeriskopeClient
from periskope_async.mirror import Mirror
from periskope_async.mirror.async_store import AsyncStore
from periskope_async.mirror.clock import lead_of
from periskope_async.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from periskope_async.meta import ResponseMeta
    from periskope_async.mirror.store import Scope


@pytest.mark.parametrize(
    ("date", "took", "lead"),
    [
        (100, 0.0, 0.0),  # its second has just begun
        (99, 0.0, 0.0),  # its second is just over
        (98, 1.5, 0.0),  # the answer was on its way for long
        (98, 0.5, -2.0),
        (40, 0.5, -60.0),
        (101, 0.5, 1.0),  # no answer comes before it is sent
        (160, 0.5, 60.0),
    ],
)
def test_clocks_agree_if_they_may(date: float, took: float, lead: float) -> None:
    assert lead_of(date, took=took, now=100.0) == lead


@pytest.mark.parametrize("is_full", [False, True])
async def test_the_clock_is_read_before_the_database_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    calls: list[str] = []
    bind = AsyncStore.bind

    async def slow_bind(store: AsyncStore, scope: Scope) -> None:
        calls.append("bind")
        await bind(store, scope)

    monkeypatch.setattr(AsyncStore, "bind", slow_bind)

    def note_date(_store: AsyncStore, _meta: ResponseMeta) -> None:
        calls.append("note_date")

    monkeypatch.setattr(AsyncStore, "note_date", note_date)
    async with (
        Sandbox(chats=3, limit=10_000) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        for _ in range(2):
            async with Mirror(client, tmp_path / "mirror.sqlite", lists=["chats"]) as mirror:
                # It binds anew, and the second one reads the head if it is not full.
                calls.clear()
                await mirror.sync(full=is_full)
            assert calls.index("note_date") < calls.index("bind")
