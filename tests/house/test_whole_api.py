"""The client has every method that the API allows, and each of the official client's methods has its place."""

from __future__ import annotations

import inspect
import re

import pytest

from periskope_async import PeriskopeClient

# The table of resources: what each of them can be asked, and what can be changed.
METHODS = {
    "chats": "iter_chats list_chats get_chat update_chat set_chat_labels set_chat_access update_chat_ai mark_chat_read",
    "groups": "create_group update_group create_invite_link accept_invite add_participants remove_participants "
    "promote_participants demote_participants leave_group",
    "messages": "iter_messages list_messages get_message get_message_status send_message send_message_and_wait "
    "broadcast cancel_broadcast edit_message delete_message forward_message react_to_message pin_message unpin_message",
    "notifications": "iter_notifications list_notifications",
    "notes": "iter_notes list_notes get_note create_note",
    "reactions": "iter_reactions list_reactions",
    "queue": "get_queue_health list_queue_jobs get_broadcast get_queue_status purge_queue",
    "scheduled": "iter_scheduled_messages list_scheduled_messages get_scheduled_message iter_occurrences "
    "list_occurrences schedule_message update_scheduled_message delete_scheduled_message",
    "contacts": "iter_contacts list_contacts get_contact create_contact update_contact set_contact_labels",
    "tickets": "iter_tickets list_tickets get_ticket create_ticket update_ticket",
    "tasks": "iter_tasks list_tasks get_task create_task update_task",
    "custom properties": "list_properties get_property create_property update_property add_property_options "
    "remove_property_options delete_properties",
    "phones": "list_phones get_phone get_phone_qr update_phone resync_phone restart_phone reset_phone create_phone "
    "delete_phone",
    "knowledge base": "iter_knowledge_base list_knowledge_base get_faq get_document create_faq update_faq delete_faq "
    "create_document delete_document",
    "webhooks": "list_webhooks get_webhook create_webhooks update_webhook delete_webhook",
    "members": "invite_members update_member_access delete_member",
}

# The 70 methods of @periskope/periskope-client 1.1.3, and ours.
OFFICIAL = {
    "chat.getChats": "iter_chats",
    "chat.getMessages": "iter_messages",
    "chat.getNotifications": "iter_notifications",
    "chat.getChatById": "get_chat",
    "chat.getChatMessages": "iter_messages",
    "chat.getChatNotifications": "iter_notifications",
    "chat.getNotesByChat": "iter_notes",
    "chat.updateLabels": "set_chat_labels",
    "chat.updateChatOverrideAccess": "set_chat_access",
    "chat.updateChatById": "update_chat",
    "chat.read": "mark_chat_read",
    "group.create": "create_group",
    "group.generateInviteLink": "create_invite_link",
    "group.addParticipant": "add_participants",
    "group.removeParticipant": "remove_participants",
    "group.promoteParticipant": "promote_participants",
    "group.demoteParticipant": "demote_participants",
    "group.updateSettings": "update_group",
    "group.acceptGroupInvite": "accept_invite",
    "group.leaveGroup": "leave_group",
    "message.getById": "get_message",
    "message.send": "send_message",
    "message.broadcast": "broadcast",
    "message.delete": "delete_message",
    "message.edit": "edit_message",
    "message.forward": "forward_message",
    "message.react": "react_to_message",
    "message.pin": "pin_message",
    "queue.getStatus": "get_queue_status",
    "queue.getJobs": "list_queue_jobs",
    "queue.getBroadcastStatus": "get_broadcast",
    "queue.purge": "purge_queue",
    "contact.getAll": "iter_contacts",
    "contact.getById": "get_contact",
    "contact.update": "update_contact",
    "contact.updateLabels": "set_contact_labels",
    "contact.create": "create_contact",
    "ticket.getAll": "iter_tickets",
    "ticket.getById": "get_ticket",
    "ticket.update": "update_ticket",
    "ticket.create": "create_ticket",
    "phone.info": "get_phone",
    "phone.getAll": "list_phones",
    "phone.getQR": "get_phone_qr",
    "phone.update": "update_phone",
    "phone.reset": "reset_phone",
    "phone.restart": "restart_phone",
    "phone.resync": "resync_phone",
    "phone.create": "create_phone",
    "phone.delete": "delete_phone",
    "note.createInternalNote": "create_note",
    "note.getNotes": "iter_notes",
    "note.getNoteById": "get_note",
    "reaction.getReactions": "iter_reactions",
    "knowledgeBase.getAll": "iter_knowledge_base",
    "knowledgeBase.getFaqById": "get_faq",
    "knowledgeBase.getDocumentById": "get_document",
    "knowledgeBase.createFaq": "create_faq",
    "knowledgeBase.createDocument": "create_document",
    "knowledgeBase.updateFaq": "update_faq",
    "knowledgeBase.deleteFaq": "delete_faq",
    "knowledgeBase.deleteDocument": "delete_document",
    "webhook.list": "list_webhooks",
    "webhook.getById": "get_webhook",
    "webhook.create": "create_webhooks",
    "webhook.update": "update_webhook",
    "webhook.delete": "delete_webhook",
    "member.invite": "invite_members",
    "member.updateAccess": "update_member_access",
    "member.delete": "delete_member",
}
EVERY = {name for names in METHODS.values() for name in names.split()}
OWN = {"close", "events", "with_phone", "rate_limit", "phone", "proxy"}


def test_the_client_is_the_table() -> None:
    assert {name for name in dir(PeriskopeClient) if not name.startswith("_")} == EVERY | OWN


def test_each_official_method_has_ours() -> None:
    assert len(OFFICIAL) == 70
    assert set(OFFICIAL.values()) <= EVERY


@pytest.mark.parametrize("name", sorted(EVERY))
def test_how_methods_are_made(name: str) -> None:
    """Each says what it does, what it raises, and its source.

    Only ids and texts come by position; only walks are no coroutines.
    """
    method = getattr(PeriskopeClient, name)
    home = next(kind for kind in PeriskopeClient.__mro__ if name in vars(kind))
    said = f"{home.__doc__} {method.__doc__}"
    assert method.__doc__
    assert re.search(r"[Rr]aised?\b|[Rr]aises\b", said), "which errors?"
    assert re.search(r"docs\.periskope\.app|@periskope/periskope-client", said), "what is the source?"
    assert inspect.iscoroutinefunction(method) is not name.startswith("iter_")
    parameters = list(inspect.signature(method).parameters.values())[1:]
    by_position = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    assert len(by_position) <= 2, by_position
    if name.startswith("iter_"):
        assert f"list_{name.removeprefix('iter_')}" in EVERY
