"""A new list takes a row type, one entry, and its thin methods: here one of another kind than any of the API's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer

from periskope_async import PeriskopeClient
from periskope_async.models import UNSET, ListPage, Maybe
from periskope_async.models.part import Part
from periskope_async.wire.listing import Listing

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async import Pager
    from periskope_async.client.base import WalkParams


class Widget(Part, frozen=True, kw_only=True):
    widget_id: str
    colour: Maybe[str] = UNSET


WIDGETS = Listing(path="/widgets", key="things", row=Widget, identity=("widget_id",))


class Client(PeriskopeClient):
    def iter_widgets(self, **walk: Unpack[WalkParams]) -> Pager[Widget]:
        return self._walk(WIDGETS.query(), **walk)

    async def list_widgets(self, *, offset: int = 0, limit: int = 1000) -> ListPage[Widget]:
        return await self._list(WIDGETS.query(), ListPage[Widget], offset=offset, limit=limit)


ROWS = [b'{"widget_id": "w%d", "colour": %s}' % (number, b"[]" if number == 70 else b'"red"') for number in range(130)]


async def widgets(request: web.Request) -> web.Response:
    offset, limit = int(request.query["offset"]), int(request.query["limit"])
    rows = ROWS[offset : offset + limit]
    head = b'"from": %d, "to": %d, "count": %d' % (offset + 1, offset + len(rows), len(ROWS))
    return web.Response(body=b'{"things": [%s], %s}' % (b", ".join(rows), head), content_type="application/json")


async def test_a_made_up_list_is_walked_exactly_typed_and_raw_and_resumed() -> None:
    (app := web.Application()).router.add_get("/widgets", widgets)
    async with TestServer(app) as server, Client("key", base_url=str(server.make_url(""))) as client:
        pager = client.iter_widgets(page_size=50)
        found = [widget async for widget in pager]
        assert [widget.widget_id for widget in found] == [f"w{number}" for number in range(130)]
        assert (found[0].colour, found[70].undecoded, pager.report.complete) == ("red", {"colour": []}, True)
        assert await pager.raw().collect() == ROWS
        stopped = client.iter_widgets(page_size=50, max_items=60)
        assert await stopped.collect() == found[:60]
        assert await client.iter_widgets(page_size=50, resume=stopped.token).collect() == found[60:]
        assert (await client.list_widgets(offset=100)).items == found[100:]
