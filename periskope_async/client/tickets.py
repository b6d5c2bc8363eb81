"""Tickets of the organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from periskope_async.client.base import BaseClient
from periskope_async.client.lists import TICKETS
from periskope_async.decoding.objects import one_of
from periskope_async.models.ticket import TicketInfo
from periskope_async.wire import inputs
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.models.page import ListPage
    from periskope_async.models.ticket import Ticket
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.inputs import Moment, Words

__all__ = ["TicketMethods", "TicketStatus"]

TicketStatus: TypeAlias = Literal["open", "inprogress", "closed", "archived"]

_STATUSES: tuple[TicketStatus, ...] = get_args(TicketStatus)
_MOST_PRIORITY = 4


class TicketMethods(BaseClient):
    """The client's methods for tickets (https://docs.periskope.app/api-reference/tickets/get-tickets)."""

    def iter_tickets(self, **walk: Unpack[WalkParams]) -> Pager[Ticket]:
        """Walk over all tickets, as flat rows. Their order is not documented.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(TICKETS.query(), **walk)

    async def list_tickets(self, *, offset: int = 0, limit: int = 1000) -> ListPage[Ticket]:
        """Read one page of tickets. Raises as :meth:`list_chats` does."""
        return await self._page(TICKETS.query(), offset=offset, limit=limit)

    async def get_ticket(self, ticket_id: str) -> TicketInfo:
        """Read one ticket (such as ``BKT-002``), with its chat and its messages.

        Raises NotFoundError if there is none, and the errors of :meth:`list_chats`.
        """
        return await self._read(_target(ticket_id), one_of(TicketInfo))

    async def create_ticket(
        self,
        chat_id: str,
        *,
        subject: str,
        assignee: str | None = None,
        due_date: Moment | None = None,
        priority: int | None = None,
        status: TicketStatus | None = None,
        labels: Words | None = None,
        quoted_message_id: str | None = None,
        phone: str | None = None,
    ) -> TicketInfo:
        """Make a ticket of a chat, and get it; its fields are UNSET if the server leaves them out.

        ``assignee`` is a member's e-mail. ``priority`` is 1 low, 2 medium, 3 high or 4 urgent. ``labels`` are names;
        unknown ones are created. ``quoted_message_id`` is a message's short id, such as ``3EB0…``. It is made through
        one phone, the client's or ``phone``.

        Source: https://docs.periskope.app/api-reference/tickets/create-ticket. Waits for the limit. Raises ConfigError,
        NotFoundError, ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
        """
        quoted = quoted_message_id
        body = inputs.json_body(
            {
                "chat_id": normal_chat_id(chat_id),
                "subject": inputs.text("subject", subject),
                "priority": inputs.priority(priority, most=_MOST_PRIORITY),
                "quoted_message_id": None if quoted is None else inputs.path_id("quoted_message_id", quoted),
                "assignee": None if assignee is None else inputs.email("assignee", assignee),
                "due_date": inputs.optional_point("due_date", due_date),
                "status": inputs.one_of("status", status, _STATUSES),
                "labels": inputs.optional_labels_text("labels", labels),
            }
        )
        return await self._write(
            "POST", "/tickets/create", one_of(TicketInfo), body=body, phone=self._phone(phone), look_at="iter_tickets"
        )

    async def update_ticket(
        self,
        ticket_id: str,
        *,
        subject: str | None = None,
        assignee: str | None = None,
        due_date: Moment | None = None,
        priority: int | None = None,
        status: TicketStatus | None = None,
        labels: Words | None = None,
    ) -> TicketInfo:
        """Change a ticket, and get it as it is now. None keeps a value; ``labels`` replaces all labels.

        "" clears ``assignee`` and ``due_date``. No document states what clears; their sample body has
        ``"assignee": "", "due_date": null``, and so it is sent: look at the answer.

        Source: PATCH /tickets/{ticket_id} of the official client. Raises as :meth:`create_ticket` does.
        """
        inputs.at_least_one(
            subject=subject, assignee=assignee, due_date=due_date, priority=priority, status=status, labels=labels
        )
        level = inputs.priority(priority, most=_MOST_PRIORITY)
        body = inputs.json_body(
            {
                "subject": None if subject is None else inputs.text("subject", subject),
                # A number in the POST, and a text here.
                "priority": None if level is None else str(level),
                "assignee": inputs.new_email("assignee", assignee),
                "due_date": inputs.new_point("due_date", due_date),
                "status": inputs.one_of("status", status, _STATUSES),
                "labels": inputs.optional_labels_text("labels", labels),
            }
        )
        return await self._write("PATCH", _target(ticket_id), one_of(TicketInfo), body=body, look_at="get_ticket")


def _target(ticket_id: str) -> str:
    return f"/tickets/{encoded(inputs.path_id('ticket_id', ticket_id))}"
