"""Answers that others would read over, and answers of strangers: what calls, walks and logs make of them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from periskope_async import DecodeError, ServerError, ValidationError
from periskope_async.export import export_chats
from periskope_async.sandbox import Body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flow.conftest import Opened

JSON = "application/json"


@pytest.mark.parametrize("count", ["", ',"count":0', ',"count":null'])
async def test_null_for_no_rows_is_no_rows(opened: Opened, tmp_path: Path, count: str) -> None:
    """PostgreSQL's json_agg gives null where there are none."""
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(b'{"from":0,"to":0,"chats":null%s}' % count.encode(), JSON)] * 4)
        assert (await client.list_chats(label="nobody")).chats == []
        pager = client.iter_chats(label="nobody")
        assert [chat async for chat in pager] == []
        assert pager.report.complete
        assert [row async for row in client.iter_chats(label="nobody").raw()] == []
        await export_chats(client.iter_chats(label="nobody"), tmp_path / "none.jsonl")
        assert (tmp_path / "none.jsonl").read_bytes() == b""
        assert len(sandbox.requests) == 4


async def test_null_where_rows_are_counted_is_no_list(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(b'{"from":1,"to":5,"count":5,"chats":null}', JSON)] * 2)
        with pytest.raises(DecodeError) as caught:
            await client.list_chats()
        assert caught.value.path == "$.chats"
        with pytest.raises(DecodeError):
            [chat async for chat in client.iter_chats()]


async def test_a_log_line_holds_no_more_than_a_line(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    said = {"code": "X", "message": "\x1b[31mred\r\nsecond line " + "M" * 1_000_000}
    async with opened() as (sandbox, client):
        sandbox.script(*[Body(json.dumps(said).encode(), JSON, status=503)] * 4)
        with caplog.at_level(logging.DEBUG, "periskope_async"), pytest.raises(ServerError) as caught:
            await client.list_chats()
        assert len(sandbox.requests) == 4
    lines = [record.getMessage() for record in caplog.records]
    assert sum("try" in line for line in lines) == 3
    for line in (*lines, str(caught.value)):
        assert len(line.encode()) < 2000
        assert line.isprintable()
    assert r"\x1b[31mred second line MMM" in str(caught.value)


@pytest.mark.parametrize("value", [b'"vip \\ud83d"', b"1e400", b'"caf\xe9"'])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_an_error_keeps_its_code_whatever_is_quoted(opened: Opened, value: bytes, mark: bytes) -> None:
    fields = b'{"label":{"message":"unknown","value":%s}}' % value
    encoded = mark + b'{"code":"VALIDATION_ERROR","message":"no","fields":%s}' % fields
    async with opened() as (sandbox, client):
        sandbox.script(Body(encoded, JSON, status=422))
        with pytest.raises(ValidationError) as caught:
            await client.list_chats()
    assert caught.value.code == "VALIDATION_ERROR"
    assert caught.value.fields["label"].startswith("unknown (sent ")
    assert caught.value.body == encoded
