"""``periskope send`` and ``periskope status``: a message on its way, and how far it has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from periskope_async.cli.console import check_stdout, print_out, say
from periskope_async.cli.options import Connection, Exit, Seconds, Switch, acting, open_client
from periskope_async.cli.tables import Column, print_json, print_table
from periskope_async.errors import ConfigError
from periskope_async.media import Media

if TYPE_CHECKING:
    from periskope_async.models.queue import MessageStatus

__all__ = ["send", "status"]

_STATUS = (
    Column("Status", "status", "cyan"),
    Column("Delivered", "delivered_count"),
    Column("Read", "read_count"),
    Column("Why", "status_description"),
    Column("Id", "unique_id", "dim", is_whole=True),
)


async def send(
    chat_id: str,
    message: str | None = None,
    /,
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    file: Path | None = None,
    reply_to: str | None = None,
    wait: Literal["sent", "accepted", "delivered", "read"] | None = None,
    timeout: Seconds = 60.0,  # noqa: ASYNC109 - an option's name
    json: Switch = False,
) -> int:
    """Send a message. Its unique id is printed: `periskope status` follows it.

    Parameters
    ----------
    chat_id
        A chat's id, or a person's number with its country code.
    message
        The text, or the caption of the file.
    connection.phone
        The phone to send from: a number or a phone id; also PERISKOPE_PHONE. It is needed where the
        organisation has several.
    file
        A file to send.
    reply_to
        The id of the message that this one answers.
    wait
        Wait until it has come so far.
    timeout
        The time to wait at most: such as 2m, or seconds.
    json
        Print what the server answered as JSON.
    """
    check_stdout()
    if message is None and file is None:
        raise ConfigError("there is nothing to send; give a text as MESSAGE, or a --file", parameter="message")
    media = None if file is None else Media.from_path(file)
    async with open_client(connection) as opened:
        client = await acting(opened, connection)
        sent = await client.send_message(chat_id, message, media=media, reply_to=reply_to)
        if wait is None:
            if json:
                print_json([sent.receipt])
            else:
                say("✓", "queued")
                print_out(sent.unique_id or sent.queue_id or "", soft_wrap=True)
            return Exit.OK
        # The id goes out first: a person may stop waiting and still follow it.
        say(None, f"queued as {sent.unique_id or sent.queue_id}")
        _print_status(await sent.wait(wait, timeout=timeout), json=json)
    return Exit.OK


async def status(
    unique_id: str,
    /,
    *,
    connection: Connection = Connection(),  # noqa: B008
    json: Switch = False,
) -> int:
    """Show how far a message has come.

    Parameters
    ----------
    unique_id
        What `periskope send` has printed.
    connection.phone
        The phone that sent it: a number or a phone id; also PERISKOPE_PHONE. It is needed where the
        organisation has several.
    json
        Print it as JSON.
    """
    check_stdout()
    async with open_client(connection) as opened:
        client = await acting(opened, connection)
        _print_status(await client.get_message_status(unique_id), json=json)
    return Exit.OK


def _print_status(found: MessageStatus, *, json: bool) -> None:
    if json:
        print_json([found])
    else:
        print_table([found], _STATUS, "")
