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


async def test_a_bound_that_is_not_given_stays(nothing_left_over: None) -> None:
    async with cutting_server(writes=[answer("200 OK", b"[]")] * 2) as (server, client):
        await client.update_member_access(["a@example.com"], labels=[])
        await client.update_member_access(["a@example.com"], org_phones=None)
        assert server.bodies == [
            b'{"emails":["a@example.com"],"labels":[]}',
            b'{"emails":["a@example.com"],"orgPhones":null}',
        ]


async def test_no_bound_at_all_is_refused(nothing_left_over: None) -> None:
    async with cutting_server() as (server, client):
        with pytest.raises(ConfigError, match="give at least one of labels, org_phones"):
            await client.update_member_access(["a@example.com"])
        assert server.requests == []


async def test_an_address_that_json_cannot_hold_is_refused(nothing_left_over: None) -> None:
    async with cutting_server() as (server, client):
        with pytest.raises(ConfigError, match="cannot be written as JSON"):
            await client.update_member_access(["\ud83d@example.com"], labels=None, org_phones=None)
        assert server.requests == []
