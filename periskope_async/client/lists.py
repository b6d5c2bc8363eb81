"""Every paged list of the API, an entry each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from periskope_async.errors import ConfigError
from periskope_async.models.chat import Chat
from periskope_async.models.contact import Contact
from periskope_async.models.knowledge import KnowledgeBaseItem
from periskope_async.models.message import Message, Reaction
from periskope_async.models.note import Note
from periskope_async.models.notification import Notification
from periskope_async.models.part import Part
from periskope_async.models.scheduled import Occurrence, ScheduledMessage
from periskope_async.models.task import Task
from periskope_async.models.ticket import Ticket
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.listing import Listing, ListQuery, Sort
from periskope_async.wire.period import Moment, period

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CHATS",
    "CHAT_MESSAGES",
    "CHAT_NOTES",
    "CHAT_NOTIFICATIONS",
    "CONTACTS",
    "KNOWLEDGE_BASE",
    "LISTS",
    "MESSAGES",
    "NOTES",
    "NOTIFICATIONS",
    "OCCURRENCES",
    "REACTIONS",
    "SCHEDULED_MESSAGES",
    "TASKS",
    "TICKETS",
    "of_chat_or_all",
]

T = TypeVar("T", bound=Part)

_BY_TIMESTAMP = (Sort(times=("timestamp",)),)

# https://docs.periskope.app/api-reference/chat/list-all-chats. No document says whether a chat on two phones is one row
# or two. A chat may move anywhere in the order by latest message: a message may come late, and the latest be deleted.
CHATS = Listing(
    path="/chats",
    key="chats",
    row=Chat,
    identity=("chat_id", "org_phone"),
    sorts=(
        Sort(name="created_at", times=("created_at",)),
        Sort(
            name="latest_message_timestamp",
            times=("latest_message_timestamp", "latest_message.timestamp"),
            can_move_anywhere=True,
        ),
    ),
    order_param="sort_order",
    single_param="chat_id",
    says_updated_at=True,
)

# https://docs.periskope.app/api-reference/chat/list-all-messages, chat/list-messages-in-chat: newest first.
MESSAGES = Listing(
    path="/chats/messages",
    key="messages",
    row=Message,
    identity=("message_id", "org_phone"),
    sorts=_BY_TIMESTAMP,
    says_updated_at=True,
)
CHAT_MESSAGES = replace(MESSAGES, path="/chats/{chat_id}/messages")

# https://docs.periskope.app/api-reference/chat/list-all-notifications: newest first. The documents' samples have the
# rows under `messages`; the official types have a key of its own, with a letter missing.
NOTIFICATIONS = Listing(
    path="/chats/notifications",
    key="messages",
    other_keys=("notifications", "notifictions"),
    row=Notification,
    identity=("notification_id", "org_phone"),
    sorts=_BY_TIMESTAMP,
)
CHAT_NOTIFICATIONS = replace(NOTIFICATIONS, path="/chats/{chat_id}/notifications")

# https://docs.periskope.app/api-reference/notes/list-all-private-notes, chat/get-private-notes-in-chat: newest first.
# `count` is documented as the number of rows returned. The path is the official client's; the first page says /notes.
NOTES = Listing(
    path="/note",
    key="notes",
    row=Note,
    identity=("message_id", "org_phone"),
    sorts=_BY_TIMESTAMP,
    says_updated_at=True,
    has_total=False,
)
CHAT_NOTES = replace(NOTES, path="/chats/{chat_id}/notes")

# https://docs.periskope.app/api-reference/reactions/get-reactions. The order is not documented; so it is with the lists
# below. `count` is documented as for the notes.
REACTIONS = Listing(
    path="/reactions", key="reactions", row=Reaction, identity=("reaction_id", "org_phone"), has_total=False
)

# https://docs.periskope.app/api-reference/contacts/get-contacts
CONTACTS = Listing(path="/contacts", key="contacts", row=Contact, identity=("contact_id",), says_updated_at=True)

# https://docs.periskope.app/api-reference/tickets/get-tickets
TICKETS = Listing(path="/tickets", key="tickets", row=Ticket, identity=("ticket_id",))

# https://docs.periskope.app/api-reference/tasks/get-tasks
TASKS = Listing(path="/tasks", key="tasks", row=Task, identity=("task_id",))

# https://docs.periskope.app/api-reference/scheduled-messages. Both take offset and limit: this is inferred from their
# answers. The documents say newest first for occurrences, and name no sort time.
SCHEDULED_MESSAGES = Listing(
    path="/message/scheduled", key="scheduled_messages", row=ScheduledMessage, identity=("scheduled_id",)
)
OCCURRENCES = Listing(
    path="/message/scheduled/{scheduled_id}/occurrences",
    key="occurrences",
    row=Occurrence,
    identity=("id",),
    sorts=(Sort(times=("created_at",)),),
)

# Types of @periskope/periskope-client 1.1.3: `{data, count}`, without from and to.
KNOWLEDGE_BASE = Listing(path="/knowledge-base", key="data", row=KnowledgeBaseItem, identity=("context_id",))


def of_chat_or_all(
    every: Listing[T],
    of_chat: Listing[T],
    chat_id: str | None,
    start_time: Moment | None,
    end_time: Moment | None,
    *,
    phone: str | None,
    chat_has_period: bool = False,
) -> ListQuery[T]:
    """Ask for the rows of one chat, or for all. Raises ConfigError, also for a filter unknown to the server."""
    filters = period(start_time, end_time)
    if chat_id is None:
        return every.query(filters, phone=phone)
    if not chat_has_period and (start_time is not None or end_time is not None):
        # The key of an answer may be that of another list.
        name = every.path.rpartition("/")[2]
        raise ConfigError(
            f"the server has no filter by time for the {name} of one chat; leave out start_time and end_time and "
            "end the walk yourself (they come newest first), or leave out chat_id",
            parameter="start_time",
        )
    filters = filters if chat_has_period else {}
    return of_chat.query(filters, phone=phone, ids={"chat_id": normal_chat_id(chat_id)})


LISTS: Mapping[str, Listing[Any]] = {
    "chats": CHATS,
    "messages": MESSAGES,
    "notifications": NOTIFICATIONS,
    "notes": NOTES,
    "reactions": REACTIONS,
    "contacts": CONTACTS,
    "tickets": TICKETS,
    "tasks": TASKS,
    "scheduled_messages": SCHEDULED_MESSAGES,
    "occurrences": OCCURRENCES,
    "knowledge_base": KNOWLEDGE_BASE,
}
"""Each list of the API, keyed by the name of its ``iter_`` method. Occurrences need a ``scheduled_id``."""
