"""The reactions: their ``count`` is documented as the number of rows returned, so it tells nothing of the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from periskope_async import PeriskopeClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from periskope_async.paging.page import Consistency

ROWS = [{"reaction_id": f"r{number}", "org_phone": "919876543210@c.us"} for number in range(1_200)]
MOST_ROWS = 500


async def reactions(request: web.Request) -> web.Response:
    offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), MOST_ROWS)
    rows = ROWS[offset : offset + limit]
    return web.json_response({"from": offset + 1, "to": offset + len(rows), "count": len(rows), "reactions": rows})


@pytest.fixture
async def client() -> AsyncIterator[PeriskopeClient]:
    (app := web.Application()).router.add_get("/reactions", reactions)
    async with (
        TestServer(app) as server,
        PeriskopeClient("key", phone="919876543210", base_url=str(server.make_url(""))) as client,
    ):
        yield client


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
async def test_a_page_cut_short_is_not_the_end(client: PeriskopeClient, consistency: Consistency) -> None:
    pager = client.iter_reactions(page_size=2_000, consistency=consistency)
    assert {row.reaction_id for row in await pager.collect()} == {row["reaction_id"] for row in ROWS}
    assert pager.report.complete is None


async def test_nobody_takes_it_for_the_number_of_all_rows(client: PeriskopeClient) -> None:
    assert await client.iter_reactions().count() is None
    assert (await client.list_reactions(limit=7)).count == 7
