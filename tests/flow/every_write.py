"""A call of every method that changes something, with arguments that pass all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async import Media, PeriskopeClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHAT = "919876543210@c.us"
GROUP = "120363373936603867@g.us"
NUMBERS = ["919876543210"]
FILE = Media.from_bytes(b"a", filename="a.png")

WRITES: dict[str, Callable[[PeriskopeClient], Awaitable[object]]] = {
    "update_chat": lambda client: client.update_chat(CHAT, labels=["vip"]),
    "set_chat_labels": lambda client: client.set_chat_labels([CHAT], ["vip"]),
    "set_chat_access": lambda client: client.set_chat_access([CHAT], {"a@example.com": True}),
    "update_chat_ai": lambda client: client.update_chat_ai(CHAT, is_agent_allowed=True),
    "mark_chat_read": lambda client: client.mark_chat_read(CHAT),
    "create_group": lambda client: client.create_group("A", participants=NUMBERS),
    "update_group": lambda client: client.update_group(GROUP, name="B"),
    "create_invite_link": lambda client: client.create_invite_link(GROUP),
    "accept_invite": lambda client: client.accept_invite("https://chat.whatsapp.com/invite/AbC123"),
    "add_participants": lambda client: client.add_participants(GROUP, participants=NUMBERS),
    "remove_participants": lambda client: client.remove_participants(GROUP, participants=NUMBERS),
    "promote_participants": lambda client: client.promote_participants(GROUP, participants=NUMBERS),
    "demote_participants": lambda client: client.demote_participants(GROUP, participants=NUMBERS),
    "leave_group": lambda client: client.leave_group(GROUP),
    "send_message": lambda client: client.send_message(CHAT, "Hello", media=FILE),
    "send_message_and_wait": lambda client: client.send_message_and_wait(CHAT, "Hello"),
    "broadcast": lambda client: client.broadcast([CHAT], "Hello"),
    "cancel_broadcast": lambda client: client.cancel_broadcast("b"),
    "edit_message": lambda client: client.edit_message("m", "Hello"),
    "delete_message": lambda client: client.delete_message("m"),
    "forward_message": lambda client: client.forward_message("m", chat_ids=[CHAT]),
    "react_to_message": lambda client: client.react_to_message("m", "👍"),
    "pin_message": lambda client: client.pin_message("m"),
    "unpin_message": lambda client: client.unpin_message("m"),
    "create_note": lambda client: client.create_note(CHAT, "Call back"),
    "purge_queue": lambda client: client.purge_queue(everything=True),
    "schedule_message": lambda client: client.schedule_message(CHAT, "Hello", scheduled_at="2027-01-01"),
    "update_scheduled_message": lambda client: client.update_scheduled_message("s", skip_next=True),
    "delete_scheduled_message": lambda client: client.delete_scheduled_message("s"),
    "create_contact": lambda client: client.create_contact(CHAT, contact_name="A"),
    "update_contact": lambda client: client.update_contact(CHAT, contact_name="A"),
    "set_contact_labels": lambda client: client.set_contact_labels([CHAT], []),
    "create_ticket": lambda client: client.create_ticket(CHAT, subject="A"),
    "update_ticket": lambda client: client.update_ticket("BKT-002", priority=4),
    "create_task": lambda client: client.create_task("Call back"),
    "update_task": lambda client: client.update_task("task-a", status="closed"),
    "create_property": lambda client: client.create_property("Workspace", type="ticket", kind="text"),
    "update_property": lambda client: client.update_property("Workspace", name="Space"),
    "add_property_options": lambda client: client.add_property_options("Workspace", options=["A"]),
    "remove_property_options": lambda client: client.remove_property_options("Workspace", options=["A"]),
    "delete_properties": lambda client: client.delete_properties(ticket_properties=["Workspace"]),
    "update_phone": lambda client: client.update_phone(phone_name="A"),
    "resync_phone": lambda client: client.resync_phone(),
    "restart_phone": lambda client: client.restart_phone(),
    "reset_phone": lambda client: client.reset_phone("918527184400"),
    "create_phone": lambda client: client.create_phone(),
    "delete_phone": lambda client: client.delete_phone("918527184400"),
    "create_faq": lambda client: client.create_faq(question="A?", answer="B"),
    "update_faq": lambda client: client.update_faq("c", question="A?", answer="B"),
    "delete_faq": lambda client: client.delete_faq("c"),
    "create_document": lambda client: client.create_document(FILE),
    "delete_document": lambda client: client.delete_document("d"),
    "create_webhooks": lambda client: client.create_webhooks("https://example.com/hook", events=["message.created"]),
    "update_webhook": lambda client: client.update_webhook("w", is_subscribed=False),
    "delete_webhook": lambda client: client.delete_webhook("w"),
    "invite_members": lambda client: client.invite_members(["a@example.com"], role="member"),
    "update_member_access": lambda client: client.update_member_access(["a@example.com"], labels=None, org_phones=[]),
    "delete_member": lambda client: client.delete_member("a@example.com"),
}
