"""What was written is read back, time moves what was sent, lists move while they are read, and events tell of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

from periskope_async.sandbox import (
    PHONES,
    SIZES,
    Body,
    Churn,
    CutAnswer,
    CutBody,
    CutUpload,
    PageAsked,
    Redirect,
    ResetConnection,
    Sandbox,
    Status,
)
from periskope_async.sandbox.routes import Route, Router, problem
from periskope_async.sandbox.webhooks_api import EVENTS
from tests.sandbox.conftest import SEND, START, Caller, Clock

if TYPE_CHECKING:
    from periskope_async.sandbox import Fault
    from tests.sandbox.conftest import Served

# Routes


@pytest.mark.parametrize(("body", "status"), [(False, 400), (0, 400), ("x", 400), ([], 422), ({}, 200)])
async def test_a_body_is_an_object(calling: Any, body: Any, status: int) -> None:
    async with calling() as call:
        await call("POST", "/message/queues", body, status=status)


def test_plain_segments_go_first() -> None:
    routes = [Route("GET", "/chats/{chat_id}", print), Route("GET", "/chats/messages", print)]
    found = Router(routes).find("/CHATS/Messages/")
    assert found["GET"] == (routes[1], {})
    assert Router(routes).find("/chats/a%40b")["GET"] == (routes[0], {"chat_id": "a%40b"})
    assert not Router(routes).find("/chats/")
    assert not Router(routes).find("/chats/a/b")


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        ("x", {"type": "string"}, None),
        (True, {"type": "number"}, "of type number"),
        (None, {"type": ["string", "null"]}, None),
        (5, {"type": "number", "maximum": 4}, "from 5 to 4"),
        ("", {"type": "string", "minLength": 1}, "of 1 to any number of characters"),
        ([1], {"type": "array", "items": {"type": "string"}}, "a list of items of type string"),
        ([], {"type": "array", "minItems": 1}, "at least 1 long"),
        ({"a": 1}, {"type": "object", "required": ["b"]}, "an object with b"),
        ({"a": 1}, {"additionalProperties": {"type": "boolean"}}, "an object whose a is of type boolean"),
        ("soon", {"type": "string", "format": "date-time"}, "an ISO 8601 time like 2025-02-06T11:21:00Z"),
        ({"c": 1}, {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, "an object with a or an object with b"),
    ],
)
def test_a_value_is_held_against_its_schema(value: object, schema: dict[str, Any], said: str | None) -> None:
    assert problem(value, schema) == said


async def test_errors_are_the_documented_ones(calling: Any) -> None:
    async with calling() as call:
        refused = await call("PATCH", "/contacts/labels", {"labels": "x"}, status=422)
        assert refused == {
            "name": "Validation Error",
            "code": "VALIDATION_ERROR",
            "fields": {"contact_ids": {"message": "contact_ids is missing"}},
            "message": "Invalid body. All of the following keys are required: contact_ids, labels",
            "status": 422,
        }
        empty = await call("GET", "/webhooks?is_subscribed=", status=422)
        assert empty["message"] == "is_subscribed should be one of true, false"
        newest = await call("POST", "/message/scheduled", {"message": "x"}, status=422)
        assert newest["message"] == "Request validation failed"
        assert set(newest["fields"]) == {"body.chat_id", "body.scheduled_at"}
        missing = await call("GET", "/tickets/BKT-999", status=404)
        assert missing == {"code": "NOT_FOUND_ERROR", "message": "Ticket not found", "status": 404}


async def test_some_endpoints_need_a_phone(served: Served) -> None:
    async with served() as wire:
        reply = await wire.ask("/phones")
        assert (reply.status, reply.json["message"]) == (422, "Missing Header: {x-phone}")
        assert (await wire.ask("/phones/all")).status == 200
        assert (await wire.ask("/contacts", headers={"x-phone": "1"})).status == 200
        assert (await wire.ask("/note", headers={"x-phone": "1"})).status == 401


async def test_notes_are_those_of_all_phones_unless_one_is_named(served: Served) -> None:
    async with served() as wire:
        notes = (await wire.ask("/note")).json["notes"]
        assert [note["message_id"] for note in notes] == wire.sandbox.ids("notes")
        assert len({note["org_phone"] for note in notes}) > 1
        for name in ("notes", "notifications"):
            assert (await wire.ask(f"/chats/{notes[0]['chat_id']}/{name}")).status == 200


# Lists

LISTS = {
    "messages": ("/chats/messages", "messages", "message_id"),
    "notifications": ("/chats/notifications", "messages", "notification_id"),
    "notes": ("/note", "notes", "message_id"),
    "reactions": ("/reactions", "reactions", "reaction_id"),
    "contacts": ("/contacts", "contacts", "contact_id"),
    "tickets": ("/tickets", "tickets", "ticket_id"),
    "tasks": ("/tasks", "tasks", "task_id"),
    "scheduled_messages": ("/message/scheduled", "scheduled_messages", "scheduled_id"),
    "knowledge_base": ("/knowledge-base", "data", "context_id"),
}


@pytest.mark.parametrize("name", SIZES)
async def test_pages_of_a_list_hold_each_row_once(calling: Any, name: str) -> None:
    path, key, row_id = LISTS[name]
    async with calling(sizes={name: 57}) as call:
        rows: list[Any] = []
        while page := (await call("GET", f"{path}?limit=10&offset={len(rows)}"))[key]:
            rows += page
        phone = PHONES[0].org_phone if any("org_phone" in row for row in rows) else None
        assert [row[row_id] for row in rows] == call.sandbox.ids(name, phone=phone)
        assert len(call.sandbox.ids(name)) == len(set(call.sandbox.ids(name))) == 57
        assert len(rows) > 10


@pytest.mark.parametrize("name", ["notes", "reactions"])
async def test_some_lists_give_and_count_500_rows_unless_asked_for_more(calling: Any, name: str) -> None:
    path, key, _ = LISTS[name]
    async with calling(sizes={name: 2_000}) as call:
        for query, rows in (("", 500), ("?limit=501", 501)):
            page = await call("GET", f"{path}{query}")
            assert (len(page[key]), page["count"]) == (rows, rows)


@pytest.mark.parametrize("name", SIZES)
async def test_a_list_moves_while_it_is_read(calling: Any, name: str) -> None:
    path, key, row_id = LISTS[name]
    asked: list[str] = []

    def note(page: PageAsked) -> None:
        asked.append(page.list)

    async with calling(churn=Churn(inserts=1), before_page=note) as call:
        before = call.sandbox.ids(name)
        await call("GET", f"{path}?limit=2")
        after = call.sandbox.ids(name)
        assert after[1:] == before
        assert asked == [name]
        call.sandbox.drop(name, after[0])
        assert call.sandbox.ids(name) == before
        added = call.sandbox.add(name)
        assert call.sandbox.ids(name)[0] == added
        if name in {"contacts", "tickets", "tasks"}:
            assert (await call("GET", f"{path}?limit=1&offset=1"))[key][0][row_id] == added


@pytest.mark.parametrize("name", ["chats", *SIZES])
def test_no_row_of_now_was_changed_after_now(name: str) -> None:
    sandbox = Sandbox(chats=50)
    sandbox._org.world.clock = lambda: START + 0.5
    for _ in range(40):
        text = msgspec.json.encode(row_of_now(sandbox, name)).decode()
        written = re.findall(r'_at":"(20[^"]+)"', re.sub(r'"(scheduled|remind)_at":"[^"]+"', "", text))
        moments = [datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() for moment in written]
        moments += [int(millis) / 1000 for millis in re.findall(r":(\d{13})\b", text)]
        assert max(moments, default=0.0) <= START + 0.5, text


def row_of_now(sandbox: Sandbox, name: str) -> dict[str, Any]:
    world = sandbox._org.world
    if name == "chats":
        return world.whole(sandbox.wake()) or {}
    key = sandbox.add(name)
    shelf = sandbox._org.shelf(name)
    entry = shelf.find(key)
    assert entry is not None
    return shelf.row(entry)


def test_a_seed_says_what_all_lists_hold() -> None:
    assert [Sandbox(chats=50).ids(name) for name in SIZES] == [Sandbox(chats=50).ids(name) for name in SIZES]
    assert Sandbox(chats=50, seed=2).ids("messages") != Sandbox(chats=50).ids("messages")
    with pytest.raises(ValueError, match="sizes names parrots"):
        Sandbox(sizes={"parrots": 1})
    with pytest.raises(ValueError, match="no list 'parrots'"):
        Sandbox(chats=5).ids("parrots")


async def test_the_latest_message_is_the_first_of_its_chat(calling: Any) -> None:
    async with calling() as call:
        chat_id = call.sandbox.wake(call.sandbox.chat_ids(phone=PHONES[0].phone_id)[3])
        chat = await call("GET", f"/chats/{chat_id}")
        page = await call("GET", f"/chats/{chat_id}/messages?limit=2")
        assert page["messages"][0] == chat["latest_message"]
        assert (await call("GET", "/chats/messages?limit=1"))["messages"] == page["messages"][:1]


# Chats


async def test_labels_that_were_set_filter(calling: Any) -> None:
    async with calling() as call:
        chat_id = call.sandbox.chat_ids(phone=PHONES[0].phone_id)[0]
        await call("GET", "/chats?label=VIP")
        await call("PATCH", "/chats/labels", {"labels": "vip, Brand new", "chat_ids": [chat_id]}, status=204)
        assert (await call("GET", f"/chats/{chat_id}"))["labels"] == ["VIP", "Brand new"]
        found = await call("GET", "/chats?label=brand%20new")
        assert [chat["chat_id"] for chat in found["chats"]] == [chat_id]
        assert chat_id in {chat["chat_id"] for chat in (await call("GET", "/chats?label=VIP"))["chats"]}


async def test_partial_success_is_told_for_each(calling: Any) -> None:
    async with calling() as call:
        group = await call("POST", "/chats/create", {"group_name": "Crew", "participants": ["4915112345670"]})
        path = f"/chats/{group['chat_id']}"
        people = ["4915112345671", "4915112341111", "4915112340000", "4915112345670"]
        told = await call("POST", f"{path}/add", {"participants": people})
        assert [told[f"{person}@c.us"]["code"] for person in people] == [200, 403, 404, 409]
        assert (await call("GET", path))["member_count"] == 3
        noted = await call("GET", f"{path}/notifications")
        assert noted["messages"][0]["recipientids"] == ["4915112345671@c.us", "4915112341111@c.us"]


# Events


async def test_events_tell_of_what_was_done(calling: Any) -> None:
    seen: Counter[str] = Counter()

    def note(name: str, said: dict[str, Any]) -> None:
        seen.update([name] if said else [])

    async with calling() as call:
        call.sandbox.listen(note)
        chat_id = call.sandbox.chat_ids(phone=PHONES[0].phone_id)[0]
        call.sandbox.wake(chat_id)
        await call("PATCH", f"/chats/{chat_id}", {"custom_properties": {"tier": "gold"}})
        await call("POST", "/note/create", {"chat_id": chat_id, "message": "x"})
        ticket = await call("POST", "/tickets/create", {"chat_id": chat_id, "subject": "x"})
        await call("PATCH", f"/tickets/{ticket['ticket']['ticket_id']}", {"status": "closed"})
        await call("POST", "/message/send", SEND)
        call.clock.at += 10
        await call("POST", "/phones/restart", status=204)
        call.clock.at += 10
        await call("POST", "/phones/reset", status=204)
    assert seen == {
        "message.created": 2,
        "chat.updated": 1,
        "chat.custom_properties.updated": 1,
        "note.created": 1,
        "ticket.created": 1,
        "ticket.updated": 1,
        "chat.created": 1,
        "message.ack.updated": 3,
        "org.phone.disconnected": 2,
        "org.phone.connected": 1,
        "org.phone.qr": 1,
    }
    assert set(seen) <= set(EVENTS)


async def test_time_moves_the_world_when_nobody_asks(served: Served) -> None:
    read = asyncio.Event()
    async with served(pace=0.01) as wire:
        wire.sandbox.listen(lambda _name, said: read.set() if said.get("ack") == "4" else None)
        await Caller(wire, Clock(0))("POST", "/message/send", SEND)
        await asyncio.wait_for(read.wait(), 5)
        assert len(wire.sandbox.requests) == 1


# Writes that go wrong


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        (Status(503), False),
        (Status(503, after_work=True), True),
        (ResetConnection(), False),
        (ResetConnection(after_work=True), True),
        (Body(b"<html>"), False),
        (Redirect("/elsewhere", after_work=True), True),
        (CutUpload(), False),
        (CutUpload(after_bytes=10), False),
        (CutAnswer(after_bytes=0), True),
        (CutAnswer(after_bytes=30), True),
        (CutBody(after_bytes=5), True),
    ],
    ids=repr,
)
async def test_a_faulty_write_is_done_or_not(served: Served, fault: Fault, *, done: bool) -> None:
    async with served() as wire:
        wire.sandbox.script(fault)
        try:
            async with wire.session.post(
                f"{wire.sandbox.base_url}/message/send",
                json=SEND,
                headers={"Authorization": "Bearer k"},
                allow_redirects=False,
            ) as response:
                await response.read()
        except aiohttp.ClientError:
            assert not isinstance(fault, Status | Body | Redirect)
        else:
            assert isinstance(fault, Status | Body | Redirect)
        [record] = wire.sandbox.requests
        assert record.done is done
        assert record.body == (b'{"chat_id": '[: fault.after_bytes] if isinstance(fault, CutUpload) else record.body)
        jobs = await Caller(wire, Clock(0))("POST", "/message/queues", {})
        assert len(jobs) == int(done)
