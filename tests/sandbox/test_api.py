"""What the endpoints answer, byte by byte where a recorded answer tells, and as Express would elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from periskope_async.sandbox import LABELS, ORG_ID, PHONES
from tests.sandbox.conftest import raw_request

if TYPE_CHECKING:
    from tests.sandbox.conftest import Served

DATA = Path(__file__).parent.parent / "data"
RECORDED = json.loads((DATA / "chats-200.json").read_bytes())
DOCUMENT = json.loads((DATA / "list-all-chats.openapi.json").read_bytes())


def recorded_headers(status: int) -> dict[str, str]:
    headers = DOCUMENT["paths"]["/chats"]["get"]["responses"][str(status)]["headers"]
    return {name: header["schema"]["example"] for name, header in headers.items()}


# The key and the routes


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer another", "Basic right", "right", "Bearer right more"]
)
async def test_a_wrong_key_is_a_401(served: Served, authorization: str | None) -> None:
    async with served(api_key="right") as wire:
        headers = {} if authorization is None else {"Authorization": authorization}
        reply = await wire.ask(key=None, headers=headers)
        assert (reply.status, reply.reason) == (401, "Unauthorized")
        assert reply.body == b'{"code":"UNAUTHORIZED_ERROR","message":"Invalid bearer auth token","status":401}'
        assert (await wire.ask(key=None, headers={"authorization": "bearer right"})).status == 200


async def test_any_key_will_do_unless_one_is_named(served: Served) -> None:
    async with served() as wire:
        assert (await wire.ask(key="whatever")).status == 200
        assert (await wire.ask(key=None)).status == 401


@pytest.mark.parametrize("path", ["/chats/", "/CHATS", "/Chats"])
async def test_routes_know_no_case_and_no_last_slash(served: Served, path: str) -> None:
    async with served() as wire:
        assert (await wire.ask(path)).body == (await wire.ask()).body


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/nothing", "Cannot GET /v1/nothing"),
        ("GET", "/chats/a/b", "Cannot GET /v1/chats/a/b"),
        ("POST", "/chats", "Cannot POST /v1/chats"),
        ("DELETE", "/chats/1@c.us", "Cannot DELETE /v1/chats/1@c.us"),
        ("GET", "/'quoted'", "Cannot GET /v1/&#39;quoted&#39;"),
    ],
)
async def test_an_unknown_route_is_the_html_404_of_express(served: Served, method: str, path: str, shown: str) -> None:
    async with served() as wire:
        reply = await wire.ask(path, method=method)
        assert reply.status == 404
        assert reply.body.decode() == (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
            f"<body>\n<pre>{shown}</pre>\n</body>\n</html>\n"
        )
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.headers["Content-Security-Policy"] == "default-src 'none'"
        assert "ETag" not in reply.headers


async def test_head_is_get_without_its_body(served: Served) -> None:
    async with served() as wire:
        get, head = await wire.ask(limit=3), await wire.ask(limit=3, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        different = {"x-periskope-trace-id", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Date"}
        assert [pair for pair in head.headers.items() if pair[0] not in different] == [
            pair for pair in get.headers.items() if pair[0] not in different
        ]
        assert int(head.headers["Content-Length"]) == len(get.body)
        assert [record.body_bytes for record in wire.sandbox.requests] == [len(get.body), 0]


async def test_options_names_the_methods(served: Served) -> None:
    async with served() as wire:
        reply = await wire.ask(method="OPTIONS", key=None)
        assert (reply.status, reply.body, reply.headers["Allow"]) == (200, b"GET,HEAD", "GET,HEAD")


# Against the recorded answers


async def test_the_recorded_422_byte_for_byte(served: Served) -> None:
    async with served() as wire:
        reply = await wire.ask(limit=10_000)
        assert (reply.status, reply.reason) == (422, "Unprocessable Entity")
        assert reply.json == json.loads((DATA / "chats-422.json").read_bytes())
        recorded = recorded_headers(422)
        assert reply.headers["ETag"] == recorded["ETag"] == 'W/"c5-sOfQmoGHJ22vOJ8WnucWzYQT5DI"'
        assert reply.headers["Content-Length"] == recorded["Content-Length"] == "197"
        assert reply.headers["org_id"] == recorded["org_id"]


@pytest.mark.parametrize(("status", "limit"), [(200, 5), (422, 10_000)])
async def test_headers_are_those_recorded(served: Served, status: int, limit: int) -> None:
    async with served(limit=10) as wire:
        reply = await wire.ask(limit=limit, headers={"x-phone": PHONES[0].phone_id} if status == 200 else {})
        recorded = recorded_headers(status)
        # Postman sorted those of the record; of ours only Content-Type is not among them.
        assert sorted(set(reply.names) - {"Content-Type"}, key=str.lower) == sorted(recorded, key=str.lower)
        fixed = set(recorded) - {"Content-Length", "Date", "ETag", "X-RateLimit-Reset", "x-periskope-trace-id"}
        assert {name: reply.headers[name] for name in fixed} == {name: recorded[name] for name in fixed}
        trace, recorded_trace = (UUID(headers["x-periskope-trace-id"]) for headers in (reply.headers, recorded))
        assert trace.version == recorded_trace.version == 1


async def test_headers_come_in_the_order_of_express(served: Served) -> None:
    async with served() as wire:
        assert (await wire.ask(limit=1)).names == [
            "X-Powered-By",
            "Access-Control-Allow-Origin",
            "x-periskope-trace-id",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "Date",
            "X-RateLimit-Reset",
            "x-periskope-org-id",
            "Content-Type",
            "Content-Length",
            "ETag",
            "Connection",
            "Keep-Alive",
        ]


async def test_rows_have_the_keys_and_types_of_the_recorded_ones(served: Served) -> None:
    def kinds(rows: list[dict[str, Any]]) -> dict[str, set[str]]:
        return {key: {type(row[key]).__name__ for row in rows} for key in rows[0]}

    async with served(chats=400) as wire:
        page = (await wire.ask()).json
        assert list(page) == sorted(RECORDED)
        assert {tuple(row) for row in page["chats"]} == {tuple(row) for row in RECORDED["chats"]}
        made, recorded = kinds(page["chats"]), kinds(RECORDED["chats"])
        assert [key for key in recorded if not recorded[key] <= made[key]] == []

        def messages(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [row["latest_message"] for row in rows if row["latest_message"]]

        assert {tuple(message) for message in messages(page["chats"])} == {
            tuple(message) for message in messages(RECORDED["chats"])
        }
        made, recorded = kinds(messages(page["chats"])), kinds(messages(RECORDED["chats"]))
        assert [key for key in recorded if not recorded[key] <= made[key]] == []


# ETags


async def test_a_known_etag_is_a_304(served: Served) -> None:
    async with served() as wire:
        first = await wire.ask(limit=3)
        etag = first.headers["ETag"]
        assert re.fullmatch(rf'W/"{len(first.body):x}-[A-Za-z0-9+/]{{27}}"', etag)
        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            reply = await wire.ask(limit=3, headers={"If-None-Match": known})
            assert (reply.status, reply.reason, reply.body) == (304, "Not Modified", b""), known
            assert reply.headers["ETag"] == etag
            assert not {"Content-Length", "Content-Type"} & set(reply.headers)
        for other in ('W/"other"', ""):
            assert (await wire.ask(limit=3, headers={"If-None-Match": other})).status == 200
        no_cache = {"If-None-Match": etag, "Cache-Control": "no-cache"}
        assert (await wire.ask(limit=3, headers=no_cache)).status == 200
        wire.sandbox.insert()
        assert (await wire.ask(limit=3, headers={"If-None-Match": etag})).status == 200


async def test_an_error_is_never_a_304(served: Served) -> None:
    async with served() as wire:
        etag = (await wire.ask(limit=10_000)).headers["ETag"]
        assert (await wire.ask(limit=10_000, headers={"If-None-Match": etag})).status == 422


# Pages


async def test_the_numbers_of_a_page(served: Served) -> None:
    async with served(chats=60) as wire:
        for offset, limit, rows in [(0, 25, 25), (25, 25, 25), (50, 25, 10), (59, 1, 1), (60, 25, 0), (10**14, 1, 0)]:
            page = (await wire.ask(offset=offset, limit=limit)).json
            assert (page["from"], page["to"], page["count"]) == (offset + 1, offset + rows, 60)
            assert len(page["chats"]) == rows


async def test_count_of_the_page(served: Served) -> None:
    async with served(chats=60, count="page") as wire:
        assert [(await wire.ask(offset=offset, limit=25)).json["count"] for offset in (0, 50, 75)] == [25, 10, 0]


async def test_without_offset_and_limit_it_is_the_first_largest_page(served: Served) -> None:
    async with served(chats=60, max_limit=40) as wire:
        page = (await wire.ask()).json
        assert (page["from"], page["to"], page["count"]) == (1, 40, 60)
        assert (await wire.ask(limit=40)).status == 200
        reply = await wire.ask(limit=41)
        assert reply.json["fields"] == {"limit": {"message": "Limit should be less than 40", "value": "41"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", ""),
        ("limit", "1,2"),
        ("limit", "٣"),
        ("offset", "-1"),
        ("offset", "a"),
        ("offset", "1e3"),
        ("sort_by", "updated_at"),
        ("sort_order", "DESC"),
        ("start_time", "2025-04-31"),
        ("end_time", "yesterday"),
        ("end_time", "2025-04-30T25:00:00Z"),
    ],
)
async def test_what_is_wrong_is_named_with_its_value(served: Served, name: str, value: str) -> None:
    async with served() as wire:
        reply = await wire.ask(query={name: value})
        assert reply.status == 422
        assert reply.json["code"] == "VALIDATION_ERROR"
        assert list(reply.json["fields"]) == [name]
        assert reply.json["fields"][name]["value"] == value
        assert reply.headers["org_id"] == ORG_ID
        assert "x-periskope-org-id" not in reply.headers


async def test_a_parameter_sent_twice_is_a_list_to_javascript(served: Served) -> None:
    async with served() as wire:
        assert (await wire.ask("/chats?limit=1&limit=2")).json["fields"]["limit"]["value"] == "1,2"


# One chat


@pytest.mark.parametrize("kind", ["g.us", "c.us"])
async def test_one_chat_by_its_id(served: Served, kind: str) -> None:
    async with served() as wire:
        row = next(row for row in (await wire.ask()).json["chats"] if row["chat_id"].endswith(kind))
        chat_id = row["chat_id"]
        reply = await wire.ask(f"/chats/{chat_id}")
        chat = reply.json
        assert reply.status == 200
        members, labels = chat.pop("members"), chat.pop("labels")
        assert chat == row
        assert list(reply.json) == sorted(reply.json)
        assert len(members) == row["member_count"]
        assert all(member["contact_id"] == contact_id for contact_id, member in members.items())
        assert {member["chat_id"] for member in members.values()} == {chat_id}
        assert row["org_phone"] in members
        assert kind == "g.us" or set(members) == {chat_id, row["org_phone"]}
        names = {label.label_id: label.name for label in LABELS}
        assert labels == [names[label_id] for label_id in row["label_ids"]]
        assert (await wire.ask("/chats/" + chat_id.replace("@", "%40"))).body == reply.body


@pytest.mark.parametrize("chat_id", ["1@c.us", "x", "120363999999999999@g.us", "%F0%9F%9A%80"])
async def test_an_unknown_chat_is_a_json_404(served: Served, chat_id: str) -> None:
    async with served() as wire:
        reply = await wire.ask(f"/chats/{chat_id}")
        assert reply.status == 404
        assert reply.body == b'{"code":"NOT_FOUND_ERROR","message":"Chat not found","status":404}'


async def test_a_path_that_is_no_text_is_a_400(served: Served) -> None:
    async with served() as wire:
        assert (await wire.ask("/chats/%FF")).status == 400


async def test_a_removed_chat_is_gone_by_id_too(served: Served) -> None:
    async with served() as wire:
        chat_id = wire.sandbox.remove(7)
        assert (await wire.ask(f"/chats/{chat_id}")).status == 404
        assert (await wire.ask(chat_id=chat_id)).status == 404


async def test_chat_id_answers_the_bare_chat(served: Served) -> None:
    async with served() as wire:
        chat_id = wire.sandbox.chat_ids()[17]
        assert (await wire.ask(chat_id=chat_id)).body == (await wire.ask(f"/chats/{chat_id}")).body
        assert (await wire.ask(chat_id="1@c.us")).status == 404


async def test_chat_id_answers_a_list_of_one(served: Served) -> None:
    async with served(one_chat="list") as wire:
        row = (await wire.ask()).json["chats"][17]
        chat_id = row["chat_id"]
        reply = await wire.ask(chat_id=chat_id)
        assert reply.json == {"chats": [row], "count": 1, "from": 1, "to": 1}
        assert (await wire.ask(chat_id=chat_id, offset=1)).json == {"chats": [], "count": 1, "from": 2, "to": 1}
        assert (await wire.ask(chat_id="1@c.us")).json == {"chats": [], "count": 0, "from": 1, "to": 0}


@pytest.mark.parametrize("one_chat", ["chat", "list"])
async def test_chat_id_heeds_the_other_filters(served: Served, one_chat: str) -> None:
    async with served(one_chat=one_chat) as wire:
        group = wire.sandbox.chat_ids(chat_type="group")[0]
        assert wire.sandbox.chat_ids(chat_type="group", phone=PHONES[0].phone_id)
        found = [
            await wire.ask(chat_id=group, chat_type=chat_type, headers={"x-phone": phone.org_phone})
            for chat_type in ("group", "user")
            for phone in PHONES
        ]
        hits = [reply.status == 200 and group in reply.body.decode() for reply in found]
        assert any(hits[:3])
        assert not all(hits[:3])
        assert not any(hits[3:])


# Connections


async def raw_answers(port: int, requests: list[bytes]) -> tuple[list[bytes], bool]:
    """Send requests over one connection. Give the answers, and whether the server closed it after the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = list[bytes]()
    try:
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length
            answers.append(head + await reader.readexactly(int(length[1])))
        try:
            async with asyncio.timeout(0.6):
                return answers, await reader.read() == b""
        except TimeoutError:
            return answers, False
    finally:
        writer.close()
        await writer.wait_closed()


async def test_keep_alive_is_announced_and_kept(served: Served) -> None:
    async with served() as wire:
        answers, closed = await raw_answers(wire.port, [raw_request(), raw_request()])
        assert not closed
        for answer in answers:
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n" in answer
        assert [record.connection for record in wire.sandbox.requests] == [1, 1]


async def test_an_idle_connection_is_closed(served: Served) -> None:
    async with served(keep_alive=0.2) as wire:
        _, closed = await raw_answers(wire.port, [raw_request()])
        assert closed


async def test_close_is_heeded(served: Served) -> None:
    async with served() as wire:
        answers, closed = await raw_answers(wire.port, [raw_request("Connection: close")])
        assert closed
        assert b"\r\nConnection: close\r\n\r\n" in answers[0]
        assert b"Keep-Alive" not in answers[0]
        _, closed = await raw_answers(wire.port, [raw_request(version="1.0")])
        assert closed
        assert [record.connection for record in wire.sandbox.requests] == [1, 2]


# Compression


async def test_bodies_are_compressed_on_demand_only(served: Served) -> None:
    async with served(compress=True) as wire, served() as plain:
        whole = (await plain.ask()).body
        reply = await wire.ask(headers={"Accept-Encoding": "gzip"})
        assert reply.headers["Content-Encoding"] == "gzip"
        assert reply.headers["Vary"] == "Accept-Encoding"
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert gzip.decompress(reply.body) == whole
        assert len(reply.body) < len(whole) // 3
        assert [record.body_bytes for record in wire.sandbox.requests] == [len(reply.body)]
        deflated = await wire.ask(headers={"Accept-Encoding": "gzip;q=0, deflate"})
        assert (deflated.headers["Content-Encoding"], zlib.decompress(deflated.body)) == ("deflate", whole)
        for headers in ({}, {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip;q=0.0"}):
            reply = await wire.ask(headers=headers)
            assert "Content-Encoding" not in reply.headers
            assert reply.body == whole
        # The ETag is that of the whole body, whatever its coding.
        assert {reply.headers["ETag"], deflated.headers["ETag"]} == {(await plain.ask()).headers["ETag"]}
        accepts = await plain.ask(headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in accepts.headers


async def test_small_bodies_are_left_alone(served: Served) -> None:
    async with served(compress=True) as wire:
        reply = await wire.ask(limit=10_000, headers={"Accept-Encoding": "gzip"})
        assert (reply.headers["Content-Length"], "Content-Encoding" in reply.headers) == ("197", False)
