"""Each resource over a real socket: what a write did, the next read shows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import (
    ConfigError,
    Media,
    NotFoundError,
    PartialFailure,
    PeriskopeClient,
    Poll,
    Repeat,
    SendError,
    TimeoutError_,
)
from periskope_async.sandbox import Body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from periskope_async.sandbox import Sandbox
    from tests.flow.conftest import Opened

PHONE = "918527184400"


def small(opened: Opened, **more: Any) -> AbstractAsyncContextManager[tuple[Sandbox, PeriskopeClient]]:
    return opened(sandbox={"chats": 60, "pace": 0.02, **more}, phone=PHONE)


async def a_chat(client: PeriskopeClient, *, is_group: bool = False) -> str:
    kind = "group" if is_group else "user"
    return (await client.list_chats(chat_type=kind, limit=1)).items[0].chat_id  # type: ignore[arg-type] # one of its words


async def test_chats(opened: Opened) -> None:
    async with small(opened) as (_, client):
        chat_id = await a_chat(client)
        chat = await client.update_chat(chat_id, labels=["VIP", "new one"], assigned_to="a@example.com")
        assert set(chat.labels or ()) == {"VIP", "new one"}
        assert (await client.get_chat(chat_id)).assigned_to == "a@example.com"
        await client.set_chat_labels([chat_id], [])
        assert not (await client.get_chat(chat_id)).labels
        await client.set_chat_access([chat_id], {"a@example.com": True}, replace=True)
        assert (await client.get_chat(chat_id)).chat_access == {"a@example.com": True}
        settings = await client.update_chat_ai(chat_id, is_agent_allowed=False)
        assert (settings.chat_id, settings.is_agent_allowed) == (chat_id, False)
        await client.mark_chat_read(chat_id)
        with pytest.raises(NotFoundError):
            await client.update_chat("10000000", labels=["vip"])


async def test_groups(opened: Opened) -> None:
    async with small(opened) as (_, client):
        group = await client.create_group("A", participants=["+91 98765 43210"], description="B")
        assert (group.chat_name, group.is_group) == ("A", True)
        assert (await client.update_group(group.chat_id, name="C", only_admins_write=True)).chat_name == "C"
        assert (await client.create_invite_link(group.chat_id)).startswith("https://chat.whatsapp.com/")
        added = await client.add_participants(group.chat_id, participants=["14155550100"])
        assert list(added.results) == ["14155550100@c.us"]
        assert added.failed == {}
        await client.promote_participants(group.chat_id, participants=["14155550100"])
        members = (await client.get_chat(group.chat_id)).members or {}
        assert members["14155550100@c.us"].is_admin
        await client.demote_participants(group.chat_id, participants=["14155550100"])
        removed = await client.remove_participants(group.chat_id, participants=["14155550100", "14155550199"])
        assert list(removed.failed) == ["14155550199@c.us"]
        with pytest.raises(PartialFailure, match="1 of 2 failed"):
            removed.raise_for_failures()
        await client.leave_group(group.chat_id)


async def test_messages(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1" * 300_000)
    async with small(opened) as (_, client):
        chat_id = await a_chat(client)
        sent = await client.send_message(chat_id, "Hello")
        assert (await sent.wait("read", timeout=20)).ack == 4
        message_id = f"true_{chat_id}_{sent.unique_id}"
        assert (await client.get_message(message_id)).body == "Hello"
        await client.react_to_message(message_id, "👍")
        reactions = (await client.get_message(message_id)).reactions or ()
        assert [reaction.reaction for reaction in reactions] == ["👍"]
        await client.edit_message(message_id, "Good morning")
        await client.pin_message(message_id)
        await client.unpin_message(message_id)
        assert (await client.get_message(message_id)).body == "Good morning"
        newest = [message async for message in client.iter_messages(chat_id=chat_id, max_items=1)]
        assert [message.message_id for message in newest] == [message_id]
        file = await client.send_message_and_wait(chat_id, "Read this", media=Media.from_path(tmp_path / "a.pdf"))
        assert file.message
        assert file.message.media
        assert (file.message.body, file.message.media.filename, file.message.media.size) == (
            "Read this",
            "a.pdf",
            1_800_000,
        )
        poll = Poll("When?", ["Now", "Later"], poll_id="random-id-12345")
        await (await client.send_message(chat_id, poll=poll)).wait(timeout=20)
        asked = (await client.list_messages(chat_id=chat_id, limit=1)).items[0]
        assert asked.poll_info
        assert asked.poll_info["options"] == {"allowMultipleAnswers": False, "pollId": "random-id-12345"}
        await client.forward_message(message_id, chat_ids=[chat_id])
        await client.delete_message(message_id)


async def test_a_broadcast_and_the_queue(opened: Opened) -> None:
    async with small(opened) as (_, client):
        chats = [chat.chat_id for chat in await client.list_chats(chat_type="user", limit=3)]
        sent = await client.broadcast(
            chats, "Hello {{name}}", variables={chat: {"name": "A"} for chat in chats}, delay=0
        )
        broadcast = await sent.wait(timeout=20)
        assert (broadcast.total_chats, (broadcast.sent_chats or 0) + (broadcast.failed_chats or 0)) == (3, 3)
        assert len(await client.list_queue_jobs(broadcast_id=sent.broadcast_id)) == 3
        assert (await client.get_queue_health()).completed
        assert (await client.get_queue_status()).is_running is True
        assert (await client.purge_queue(everything=True)).mode == "all"


async def test_a_scheduled_broadcast_is_called_off(opened: Opened) -> None:
    async with small(opened) as (_, client):
        sent = await client.broadcast([await a_chat(client)], "Hello", scheduled_at="2100-01-01")
        cancelled = await sent.cancel()
        assert (cancelled.broadcast_id, cancelled.status) == (sent.broadcast_id, "deleted")
        assert (await sent.wait(timeout=20)).broadcast_status == "deleted"
        with pytest.raises(NotFoundError):
            await client.cancel_broadcast("none")


async def test_waiting_for_what_does_not_come(opened: Opened) -> None:
    async with small(opened, pace=3600.0) as (_, client):
        sent = await client.send_message(await a_chat(client), "Hello")
        with pytest.raises(TimeoutError_, match=r"waited 0.2 s for .* to be read"):
            await sent.wait("read", timeout=0.2)
        with pytest.raises(ConfigError, match="until is 'seen'"):
            await sent.wait("seen")  # type: ignore[arg-type] # a slip


@pytest.mark.parametrize("name", ["messages", "notifications"])
async def test_the_list_without_a_filter_by_time_is_named(name: str) -> None:
    async with PeriskopeClient("key") as client:
        with pytest.raises(ConfigError, match=f"by time for the {name} of one chat"):
            await getattr(client, f"list_{name}")(chat_id="1@c.us", start_time="2026-01-01")


async def test_notes(opened: Opened) -> None:
    async with small(opened) as (sandbox, client):
        chat_id = await a_chat(client)
        note = await client.create_note(chat_id, "Call back")
        before = len(sandbox.requests)
        assert (await client.get_note(note.note_id)).body == "Call back"
        assert [request.path.rpartition("/")[0] for request in sandbox.requests[before:]] == ["/v1/notes"]
        assert [note async for note in client.iter_notes(chat_id=chat_id, max_items=1)] == [note]
        with pytest.raises(NotFoundError):
            await client.get_note("none")
        sandbox.script(Body(b"<pre>Cannot GET</pre>", status=404), path="/v1/note/none")
        with pytest.raises(NotFoundError):
            await client.get_note("none")
        sandbox.script(Body(b"<pre>Cannot GET</pre>", status=404), path=f"/v1/notes/{note.note_id}")
        assert (await client.get_note(note.note_id)).body == "Call back"


async def test_contacts_and_tickets_and_tasks(opened: Opened) -> None:
    async with small(opened) as (_, client):
        contact = await client.create_contact("+1 415 555 0100", contact_name="A", labels=["vip"])
        assert contact.contact_id == "14155550100@c.us"
        assert (await client.update_contact(contact.contact_id, contact_name="B")).contact_name == "B"
        await client.set_contact_labels([contact.contact_id], ["new"])
        assert (await client.get_contact(contact.contact_id)).labels == ("new",)
        ticket = await client.create_ticket(await a_chat(client), subject="A", priority=4, due_date=date(2027, 1, 1))
        assert ticket.ticket
        ticket_id = ticket.ticket.ticket_id
        changed = await client.update_ticket(ticket_id, status="closed", priority=1)
        assert changed.ticket
        assert (changed.ticket.status, changed.ticket.priority) == ("closed", 1)
        assert (await client.get_ticket(ticket_id)).ticket == changed.ticket
        task = await client.create_task("Call back", priority=3, due_date=datetime(2027, 1, 1, tzinfo=UTC))
        assert (task.title, task.priority) == ("Call back", 3)
        assert (await client.list_tasks(limit=1)).items[0].task_id == task.task_id
        done = await client.update_task(task.task_id, status="closed", last_updated_by="a@example.com")
        assert (done.title, done.status, done.last_updated_by) == ("Call back", "closed", "a@example.com")
        assert done.completed_metadata
        assert await client.get_task(task.task_id) == done
        assert (await client.update_task(task.task_id, status="open")).completed_metadata is None
        with pytest.raises(NotFoundError):
            await client.get_task("none")


async def test_an_assignee_and_a_due_date_are_cleared(opened: Opened) -> None:
    who, when = "a@example.com", "2027-01-01"
    async with small(opened) as (_, client):
        chat_id = await a_chat(client)
        assert (await client.update_chat(chat_id, assigned_to=who)).assigned_to == who
        assert (await client.update_chat(chat_id, assigned_to="")).assigned_to is None
        made = await client.create_ticket(chat_id, subject="A", assignee=who, due_date=when)
        assert made.ticket
        freed = (await client.update_ticket(made.ticket.ticket_id, assignee="", due_date="")).ticket
        assert freed
        assert (freed.subject, freed.assignee, freed.due_date) == ("A", None, None)
        task = await client.create_task("A", assignee=who, due_date=when, remind_at=when, notes="B")
        cleared = await client.update_task(task.task_id, assignee="", due_date="", remind_at="", notes="")
        assert (cleared.title, cleared.assignee, cleared.due_date, cleared.remind_at) == ("A", None, None, None)
        assert not cleared.notes


async def test_scheduled_messages(opened: Opened) -> None:
    async with small(opened) as (_, client):
        repeat = Repeat(interval="week", days=["Monday"], ends="2027-12-31")
        planned = await client.schedule_message(
            await a_chat(client), "Hello", scheduled_at="2027-01-04T09:00:00Z", repeat=repeat
        )
        assert planned.repeat_config
        assert planned.repeat_config.repeat_days == ("monday",)
        assert (await client.update_scheduled_message(planned.scheduled_id, is_paused=True)).paused_at
        resumed = await client.update_scheduled_message(planned.scheduled_id, is_paused=False, message="Good morning")
        assert resumed.message_payload
        assert resumed.message_payload.message == "Good morning"
        await client.delete_scheduled_message(planned.scheduled_id)
        with pytest.raises(NotFoundError):
            await client.get_scheduled_message(planned.scheduled_id)
        first = (await client.list_scheduled_messages(limit=1)).items[0]
        past = [occurrence async for occurrence in client.iter_occurrences(first.scheduled_id, page_size=2)]
        assert past[:1] == (await client.list_occurrences(first.scheduled_id, limit=1)).items
        assert {occurrence.scheduled_id for occurrence in past} == {first.scheduled_id}


async def test_phones(opened: Opened) -> None:
    async with small(opened) as (_, client):
        phones = await client.list_phones()
        assert (await client.get_phone()).org_phone == f"{PHONE}@c.us"
        assert (await client.update_phone(phone_name="Support")).phone_name == "Support"
        await client.resync_phone()
        with pytest.raises(NotFoundError):
            await client.get_phone_qr()
        await client.reset_phone(PHONE)
        assert (await client.get_phone_qr()).startswith(b"\x89PNG")
        new = await client.create_phone()
        assert (new.org_phone, new.is_connected) == (None, False)
        await client.delete_phone(new.phone_id)
        assert len(await client.list_phones()) == len(phones)


async def test_the_knowledge_base(opened: Opened) -> None:
    async with small(opened) as (_, client):
        context_id = await client.create_faq(question="Open?", answer="Yes")
        assert (await client.update_faq(context_id, question="Open?", answer="No")).answer == "No"
        assert (await client.get_faq(context_id)).answer == "No"
        await client.delete_faq(context_id)
        with pytest.raises(NotFoundError):
            await client.get_faq(context_id)
        (result,) = await client.create_document(Media.from_bytes(b"All about us", filename="a.txt"))
        assert result.document_id
        assert await client.get_document(result.document_id)
        await client.delete_document(result.document_id)


async def test_custom_properties(opened: Opened) -> None:
    async with small(opened) as (_, client):
        assert {found.property_name for found in await client.list_properties()} == {"Tier", "City", "Renewal"}
        made = await client.create_property(
            "Deal / size", type="ticket", kind="dropdown", options=["small"], section="Sales", mandatory=True
        )
        assert [found.property_id for found in await client.list_properties(type="ticket")] == [made.property_id]
        assert (await client.get_property("Deal / size")).section_name == "Sales"
        added = await client.add_property_options("Deal / size", options=["small", "large"])
        assert [(option.label, option.added) for option in added.options or ()] == [("small", False), ("large", True)]
        await client.remove_property_options(made.property_id, options=["small"])
        changed = await client.update_property(made.property_id, name="City", mandatory=False)
        assert (changed.property_name, changed.mandatory) == ("City", False)
        assert [option.label for option in changed.options or ()] == ["large"]
        with pytest.raises(ConfigError, match="'City' names 2 properties; give its id, or a type"):
            await client.get_property("City")
        assert (await client.get_property("City", type="ticket")).property_id == made.property_id
        deleted = await client.delete_properties(ticket_properties=["City"], chat_properties=["Tier", "Size"])
        assert deleted.deleted_count == 2
        assert [(one.property_ref, one.reason) for one in deleted.failed] == [("Size", "not_found")]
        with pytest.raises(PartialFailure, match="not_found"):
            deleted.raise_for_failures()
        with pytest.raises(NotFoundError):
            await client.get_property(made.property_id)


async def test_webhooks_and_members(opened: Opened) -> None:
    async with small(opened) as (_, client):
        made = await client.create_webhooks("https://example.com/hook", events=["message.created", "note.created"])
        assert {hook.integration_name for hook in made} == {"message.created", "note.created"}
        assert not (await client.update_webhook(made[0].id, is_subscribed=False)).is_subscribed
        assert (await client.get_webhook(made[0].id)).hook_url == "https://example.com/hook"
        await client.delete_webhook(made[0].id)
        assert [hook.id for hook in await client.list_webhooks(hook_url="https://example.com/hook")] == [made[1].id]
        invited = await client.invite_members(["new@example.com"], role="member")
        assert [member.email for member in invited.added_members or ()] == ["new@example.com"]
        again = await client.invite_members(["new@example.com"], role="member")
        assert [failure.email for failure in again.failed] == ["new@example.com"]
        (member,) = await client.update_member_access(["new@example.com"], labels=None, org_phones=[PHONE])
        assert member.org_phones == (f"{PHONE}@c.us",)
        await client.delete_member("new@example.com")


async def test_a_message_that_cannot_be_sent(opened: Opened) -> None:
    async with small(opened) as (_, client):
        with pytest.raises(SendError, match="not on WhatsApp"):
            await (await client.send_message("10000000000", "Hello")).wait(timeout=20)


SLIPS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "no content": lambda client: client.send_message("1@c.us"),
    "an empty text": lambda client: client.send_message("1@c.us", " "),
    "no chat": lambda client: client.send_message("a chat", "Hello"),
    "a text for a file": lambda client: client.send_message("1@c.us", media="a.png"),
    "a text for a poll": lambda client: client.send_message("1@c.us", poll="A?"),
    "a word for a repeat": lambda client: client.schedule_message(
        "1@c.us", "A", scheduled_at="2027-01-01", repeat="week"
    ),
    "a word for a new repeat": lambda client: client.update_scheduled_message("s", repeat="week"),
    "a path for a document": lambda client: client.create_document("a.pdf"),
    "a list for access": lambda client: client.set_chat_access(["1@c.us"], ["a@example.com"]),
    "a text for variables": lambda client: client.broadcast(["1@c.us"], "Hello", variables="Ada"),
    "one option": lambda client: client.send_message("1@c.us", poll=Poll("A?", ["B"])),
    "a text for a list": lambda client: client.broadcast("1@c.us", "Hello"),
    "variables of another chat": lambda client: client.broadcast(["1@c.us"], "Hello", variables={"2@c.us": {}}),
    "a label with a comma": lambda client: client.set_chat_labels(["1@c.us"], ["a,b"]),
    "nothing to change": lambda client: client.update_chat("1@c.us"),
    "no e-mail": lambda client: client.update_chat("1@c.us", assigned_to="A"),
    "priority 5": lambda client: client.create_ticket("1@c.us", subject="A", priority=5),
    "no such status": lambda client: client.update_ticket("BKT-1", status="done"),
    "no such time": lambda client: client.create_task("A", due_date="soon"),
    "a todo about a chat": lambda client: client.create_task("A", association={"chat_id": "1@c.us"}),
    "a path for an id": lambda client: client.delete_message(".."),
    "a person for a group": lambda client: client.leave_group("1@c.us"),
    "purge of nothing": lambda client: client.purge_queue(),
    "purge of two": lambda client: client.purge_queue(everything=True, broadcast_id="b"),
    "a phone that is not named": lambda client: client.delete_phone(None),
    "no URL": lambda client: client.create_webhooks("example.com", events=["message.created"]),
    "a property of a contact": lambda client: client.create_property("A", type="contact", kind="text"),
    "a property without a change": lambda client: client.update_property("A"),
    "no property": lambda client: client.delete_properties(),
    "the address for making one": lambda client: client.update_property("create", name="x"),
    "dots for a property": lambda client: client.get_property(".."),
    "no such role": lambda client: client.invite_members(["a@example.com"], role="owner"),
    "times of one chat": lambda client: client.list_messages(chat_id="1@c.us", start_time="2026-01-01"),
    "no such weekday": lambda client: client.schedule_message(
        "1@c.us", "A", scheduled_at="2027-01-01", repeat=Repeat(interval="week", days=["someday"])
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
async def test_slips_are_refused_before_anything_is_sent(slip: str, opened: Opened) -> None:
    async with small(opened) as (sandbox, client):
        with pytest.raises(ConfigError):
            await SLIPS[slip](client)
        assert len(sandbox.requests) == 0
