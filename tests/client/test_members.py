"""The members' methods, as they are sent."""

from __future__ import annotations

import pytest

from periskope_async import ConfigError
from tests.flow.cutting import answer, cutting_server
from tests.wire.test_inputs import SafeText


async def test_a_bound_by_a_label_from_a_template(nothing_left_over: None) -> None:
    async with cutting_server(writes=answer("200 OK", b"[]")) as (server, client):
        assert await client.update_member_access(["a@example.com"], labels=[SafeText("vip")], org_phones=None) == []
        assert server.bodies == [b'{"emails":["a@example.com"],"labels":["vip"],"orgPhones":null}']


async def test_an_address_that_json_cannot_hold_is_refused(nothing_left_over: None) -> None:
    async with cutting_server() as (server, client):
        with pytest.raises(ConfigError, match="cannot be written as JSON"):
            await client.update_member_access(["\ud83d@example.com"], labels=None, org_phones=None)
        assert server.requests == []
