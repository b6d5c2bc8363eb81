"""The resources, mixed together: one line each. Later ones may use earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.sandbox.broadcasts import Broadcasts
from periskope_async.sandbox.chats import Chats
from periskope_async.sandbox.contacts import Contacts
from periskope_async.sandbox.conversation import Conversation
from periskope_async.sandbox.groups import Groups
from periskope_async.sandbox.knowledge import Knowledge
from periskope_async.sandbox.members import Members
from periskope_async.sandbox.notes import Notes
from periskope_async.sandbox.notifications import Notifications
from periskope_async.sandbox.outbox import Outbox
from periskope_async.sandbox.phones import Phones
from periskope_async.sandbox.properties import Properties
from periskope_async.sandbox.reactions import Reactions
from periskope_async.sandbox.scheduled import Scheduled
from periskope_async.sandbox.sending import Sending
from periskope_async.sandbox.tasks import Tasks
from periskope_async.sandbox.tickets import Tickets
from periskope_async.sandbox.webhooks_api import Webhooks

if TYPE_CHECKING:
    from periskope_async.sandbox.chats import OneChat
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Route

__all__ = ["Resources"]


class Resources:
    """All resources. Some are attributes, for events from outside the API."""

    def __init__(self, org: Org, *, one_chat: OneChat) -> None:
        self.phones = Phones(org)
        self.outbox = Outbox(org)
        conversation = Conversation(org, self.outbox)
        notifications = Notifications(org)
        self.webhooks = Webhooks(org)
        self.routes: list[Route] = [
            *Chats(org, one_chat=one_chat).routes(),
            *self.phones.routes(),
            *conversation.routes(),
            *Sending(org, self.outbox).routes(),
            *Broadcasts(org, self.outbox).routes(),
            *Scheduled(org, self.outbox).routes(),
            *Groups(org, notifications).routes(),
            *Reactions(org, conversation).routes(),
            *notifications.routes(),
            *Notes(org).routes(),
            *Contacts(org).routes(),
            *Tickets(org).routes(),
            *Tasks(org).routes(),
            *Properties(org).routes(),
            *Knowledge(org).routes(),
            *self.webhooks.routes(),
            *Members(org).routes(),
        ]
