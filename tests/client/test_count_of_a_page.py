"""The ``count`` of reactions and notes is documented as the number of rows returned: it tells nothing of the list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from periskope_async import PeriskopeClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from periskope_async.paging.page import Consistency

CHAT_ID = "120363298090795525@g.us"
MOST_ROWS = 500


class Case(NamedTuple):
    """A list, where it is asked for, and the field of a row's id."""

    name: str
    path: str
    identity: str
    filters: dict[str, str]

    @property
    def rows(self) -> list[dict[str, str]]:
        return [{self.identity: f"r{number}", "org_phone": "919876543210@c.us"} for number in range(1_200)]


CASES = [
    Case("reactions", "/reactions", "reaction_id", {}),
    Case("notes", "/note", "message_id", {}),
    Case("notes", f"/chats/{CHAT_ID}/notes", "message_id", {"chat_id": CHAT_ID}),
]


async def answer(case: Case, request: web.Request) -> web.Response:
    offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), MOST_ROWS)
    rows = case.rows[offset : offset + limit]
    return web.json_response({"from": offset + 1, "to": offset + len(rows), "count": len(rows), case.name: rows})


@pytest.fixture
async def client() -> AsyncIterator[PeriskopeClient]:
    app = web.Application()
    for case in CASES:
        app.router.add_get(case.path, partial(answer, case))
    async with (
        TestServer(app) as server,
        PeriskopeClient("key", phone="919876543210", base_url=str(server.make_url(""))) as client,
    ):
        yield client


def asked(client: PeriskopeClient, verb: str, case: Case) -> Any:
    return partial(getattr(client, f"{verb}_{case.name}"), **case.filters)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
async def test_a_page_cut_short_is_not_the_end(client: PeriskopeClient, consistency: Consistency, case: Case) -> None:
    pager = asked(client, "iter", case)(page_size=2_000, consistency=consistency)
    assert {getattr(row, case.identity) for row in await pager.collect()} == {row[case.identity] for row in case.rows}
    assert pager.report.complete is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
async def test_nobody_takes_it_for_the_number_of_all_rows(client: PeriskopeClient, case: Case) -> None:
    assert await asked(client, "iter", case)().count() is None
    assert (await asked(client, "list", case)(limit=7)).count == 7
