"""``periskope messages``, ``contacts``, ``tickets``, ``phones`` and ``queue``: lists as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts.types import NonNegativeInt

from periskope_async.cli.console import check_stdout, print_out, say
from periskope_async.cli.options import Connection, Exit, Switch, WholeServer, acting, open_client
from periskope_async.cli.tables import Column, print_json, print_rows, print_table
from periskope_async.cli.wording import amount, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.paging.pager import Pager

__all__ = ["contacts", "messages", "phones", "queue", "tickets"]

_ROWS_SHOWN = 25

_MESSAGES = (
    Column("Time", "timestamp", "green"),
    Column("From", "sender_phone", "cyan"),
    Column("Type", "message_type"),
    Column("Text", "body", is_kept=True),
    Column("Id", "unique_id", "dim", is_whole=True),
)
_CONTACTS = (
    Column("Name", "contact_name", is_kept=True),
    Column("Labels", "labels", "cyan"),
    Column("Type", "contact_type"),
    Column("Id", "contact_id", "dim", is_whole=True),
)
_TICKETS = (
    Column("Id", "ticket_id", is_whole=True),
    Column("Status", "status", "cyan"),
    Column("Subject", "subject", is_kept=True),
    Column("Assignee", "assignee"),
    Column("Due", "due_date", "green"),
    Column("Chat", "chat_id", "dim", is_whole=True),
)
_PHONES = (
    Column("Name", "phone_name", is_kept=True),
    Column("State", "wa_state", "cyan"),
    Column("Labels", "labels"),
    Column("Number", "org_phone", is_whole=True),
    Column("Id", "phone_id", "dim", is_whole=True),
)
_JOBS = (
    Column("Status", "status", "cyan"),
    Column("Chat", "chat_id", is_whole=True),
    Column("Text", "message.body", is_kept=True),
    Column("Queued", "timeline.queued_at", "green"),
    Column("Id", "queue_id", "dim", is_whole=True),
)


async def _show_list(pager: Pager[Any], columns: Sequence[Column], name: str, *, json: bool) -> int:
    if json:
        await print_rows(pager)
        return Exit.OK
    rows = await pager.collect()
    if not rows:
        say(None, f"no {name}")
        return Exit.OK
    print_table(rows, columns, part_of(len(rows), pager.report.count_at_start, name))
    return Exit.OK


def _most(max_items: int | None, *, json: bool) -> int | None:
    return _ROWS_SHOWN if max_items is None and not json else max_items


async def messages(
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    chat_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    max_items: NonNegativeInt | None = None,
    json: Switch = False,
) -> int:
    """Show messages, newest first: the last 25, or as many as --max-items says.

    Parameters
    ----------
    chat_id
        Only this chat's; then there is no filter by time.
    since
        Only from this time on: 2025-04-25 or 2025-04-25T00:00:00Z.
    until
        Only up to this time; a bare date means its whole day.
    max_items
        Rows to get at most.
    json
        Print each message's original JSON, one a line; all of them unless --max-items is given.
    """
    check_stdout()
    async with open_client(connection) as client:
        most = _most(max_items, json=json)
        pager = client.iter_messages(chat_id=chat_id, start_time=since, end_time=until, max_items=most)
        return await _show_list(pager, _MESSAGES, "messages", json=json)


async def contacts(
    *,
    server: WholeServer = WholeServer(),  # noqa: B008
    max_items: NonNegativeInt | None = None,
    json: Switch = False,
) -> int:
    """Show contacts: the first 25, or as many as --max-items says.

    Parameters
    ----------
    max_items
        Rows to get at most.
    json
        Print each contact's original JSON, one a line; all of them unless --max-items is given.
    """
    check_stdout()
    server.check("contacts")
    async with open_client(server) as client:
        pager = client.iter_contacts(max_items=_most(max_items, json=json))
        return await _show_list(pager, _CONTACTS, "contacts", json=json)


async def tickets(
    *,
    server: WholeServer = WholeServer(),  # noqa: B008
    max_items: NonNegativeInt | None = None,
    json: Switch = False,
) -> int:
    """Show tickets: the first 25, or as many as --max-items says.

    Parameters
    ----------
    max_items
        Rows to get at most.
    json
        Print each ticket's original JSON, one a line; all of them unless --max-items is given.
    """
    check_stdout()
    server.check("tickets")
    async with open_client(server) as client:
        pager = client.iter_tickets(max_items=_most(max_items, json=json))
        return await _show_list(pager, _TICKETS, "tickets", json=json)


async def phones(*, server: WholeServer = WholeServer(), json: Switch = False) -> int:  # noqa: B008
    """Show the organisation's phones.

    Parameters
    ----------
    json
        Print each phone as JSON, one a line.
    """
    check_stdout()
    server.check("phones")
    async with open_client(server) as client:
        rows = await client.list_phones()
    if json:
        print_json(rows)
    else:
        print_table(rows, _PHONES, amount(len(rows), "phones"))
    return Exit.OK


async def queue(
    *,
    connection: Connection = Connection(),  # noqa: B008
    purge: Switch = False,
    yes: Switch = False,
    json: Switch = False,
) -> int:
    """Show the jobs of a phone's queue, or take them all out of it.

    Parameters
    ----------
    connection.phone
        The phone whose queue it is: a number or a phone id; also PERISKOPE_PHONE. It is needed where the
        organisation has several.
    purge
        Take everything out of the queue, so that it is not sent; needs --yes.
    yes
        Do it, as nothing can bring it back.
    json
        Print each job as JSON, one a line.
    """
    check_stdout()
    if purge and not yes:
        say("✗", "--purge takes every message out of the queue for good; add --yes to do it")
        return Exit.USAGE
    async with open_client(connection) as opened:
        client = await acting(opened, connection)
        if purge:
            result = await client.purge_queue(everything=True)
            if json:
                print_json([result])
            elif result.purged is False:
                say("✗", "the server answered that the queue was not purged; `periskope queue` shows its jobs")
            else:
                # The documents have a boolean; a number would be that of the jobs.
                is_number = result.purged and result.purged is not True
                gone = result.purged if is_number else len(result.queue_ids or ())
                say("✓", f"{amount(gone, 'jobs')} taken out" if gone else "purged; the server named no jobs")
            return Exit.FAILED if result.purged is False else Exit.OK
        rows = await client.list_queue_jobs()
        if json:
            print_json(rows)
            return Exit.OK
        health = await client.get_queue_health()
    print_out(
        ", ".join(f"{getattr(health, name) or 0} {name}" for name in ("waiting", "active", "completed", "failed"))
    )
    if rows:
        print_table(rows, _JOBS, amount(len(rows), "jobs"))
    return Exit.OK
