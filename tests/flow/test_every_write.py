"""Every write of the client, with its connection cut at every border: never twice, and what is known is said."""

from __future__ import annotations

import pytest

from periskope_async import ConnectError, OutcomeUnknown, PeriskopeClient, RetryPolicy
from tests.flow.cutting import answer, cutting_server
from tests.flow.every_write import WRITES
from tests.flow.test_writes import BORDERS
from tests.house.test_whole_api import EVERY

READS = ("iter_", "list_", "get_")


def test_the_table_of_writes_is_whole() -> None:
    assert set(WRITES) == {name for name in EVERY if not name.startswith(READS)}


@pytest.mark.parametrize("name", WRITES)
async def test_cut_at_every_border(name: str, nothing_left_over: None) -> None:
    for reads, writes, ends, arrives in (border.values for border in BORDERS):
        async with cutting_server(reads=reads, writes=writes, ends=ends) as (server, client):  # type: ignore[arg-type] # of a table
            # Those that are answered with nothing that matters have all that they need in the head.
            with pytest.raises(OutcomeUnknown, match="before you send it again") as caught:
                await WRITES[name](client)
            assert len(server.requests) == arrives
            assert caught.value.look_at.split("(")[0].split(" ")[0] in {*dir(client), "the"}


@pytest.mark.parametrize("name", WRITES)
async def test_a_gateways_failure_is_not_tried_again(name: str, nothing_left_over: None) -> None:
    async with cutting_server(writes=[answer("502 Bad Gateway"), answer("200 OK")]) as (server, client):
        with pytest.raises(OutcomeUnknown):
            await WRITES[name](client)
        assert len(server.requests) == 1


async def test_nothing_is_sent_without_a_connection(nothing_left_over: None) -> None:
    """Port 9 of this machine has no listener."""
    async with PeriskopeClient("key", base_url="http://127.0.0.1:9/v1", retry=RetryPolicy(tries=2, base=0.0)) as client:
        for write in WRITES.values():
            with pytest.raises(ConnectError):
                await write(client)
