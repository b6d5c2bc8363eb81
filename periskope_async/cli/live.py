"""Shows live events: as a line for people, as JSON for a program, and as a board on a terminal."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table
from rich.text import Text

from periskope_async.export.jsonl import json_lines
from periskope_async.models.times import in_zone
from periskope_async.printable import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from rich.console import Console, ConsoleOptions, RenderResult

    from periskope_async.cli.names import ChatNames
    from periskope_async.live_event import LiveEvent
    from periskope_async.realtime.items import Gap
    from periskope_async.sandbox import Sandbox

__all__ = ["Board", "event_json", "event_line", "gap_text", "in_background", "move"]

_LONGEST_TEXT = 300
_CHATS_SHOWN = 8
_CHATS_KEPT = 10_000
_SECONDS_BETWEEN_EVENTS = 0.5
_MESSAGES_PER_CHAT = 5


def event_line(event: LiveEvent, names: ChatNames | None = None) -> Text:
    """Give an event as one line: its time, its kind, its chat (by name, or by id), its author, its text."""
    chat = _chat_of(event)
    sent = event.timestamp or event.received_at
    when = sent and (in_zone(sent, None) or sent)
    cells = [
        (f"{when:%H:%M:%S}" if when else "        ", "green"),
        (_plain(event.name or "(no name)"), "cyan"),
        ((names.shown(chat) if names else chat) or _plain(event.object_id), "dim"),
        (_said(event, "sender_phone"), "dim"),
        (_text_of(event), ""),
        (_plain(event.error), "yellow"),
    ]
    return Text("  ").join(Text(text, style=style) for text, style in cells if text)


def event_json(event: LiveEvent) -> bytes:
    """Give an event as a line of JSON: ``event``, ``data`` as it was sent, ``timestamp``, ``received_at``, ``source``.

    ``data`` is a string if the event is no JSON.
    """
    head = {
        "event": event.name,
        "timestamp": event.timestamp,
        "received_at": event.received_at,
        "source": event.source,
        "error": event.error,
    }
    if event.data is None:
        data = msgspec.json.encode(event.raw.decode(errors="replace"))
    else:
        # Readers of JSON refuse bytes that are no UTF-8.
        data = event.raw.decode(errors="replace").encode() or msgspec.json.encode(event.data)
    return json_lines([msgspec.json.encode(head)[:-1] + b',"data":' + data + b"}"])


def gap_text(gap: Gap) -> str:
    """Describe a gap, and whether events may be missing."""
    what = f"{gap.dropped:,} events were dropped" if gap.dropped else f"{gap.seconds:.0f} s without events"
    if gap.recovered:
        return f"{what}, and nothing is missing"
    if gap.filled:
        what += f"; {', '.join(gap.filled)} read from lists"
    return f"{what}; others may be missing ({gap.reason})" + (f": {gap.error}" if gap.error else "")


class Board:
    """The latest chats with events, drawn below the lines of a terminal."""

    def __init__(self, is_connected: Callable[[], bool], names: ChatNames) -> None:
        self._is_connected = is_connected
        self._names = names
        self._chats: OrderedDict[str, tuple[int, Text]] = OrderedDict()
        self._events = 0

    def add(self, event: LiveEvent) -> None:
        """Take note of an event."""
        self._events += 1
        chat = _chat_of(event)
        if not chat:
            return
        if name := _said(event, "chat_name"):
            self._names.note(chat, name)
        else:
            self._names.want(chat)
        count, last = self._chats.pop(chat, (0, Text()))
        if event.name == "message.created":
            count, last = count + 1, Text(_text_of(event))
        self._chats[chat] = count, last
        if len(self._chats) > _CHATS_KEPT:
            self._chats.popitem(last=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; rich calls this from a thread of its own."""
        table = Table(box=None, header_style="bold dim", pad_edge=False, expand=True)
        table.add_column("Chat", no_wrap=True, ratio=2)
        table.add_column("Messages", no_wrap=True, justify="right")
        table.add_column("Last", no_wrap=True, ratio=3)
        for chat, (count, last) in list(self._chats.items())[: -_CHATS_SHOWN - 1 : -1]:
            table.add_row(Text(self._names.shown(chat)), Text(f"{count:,}", style="green"), last)
        yield ""
        if self._chats:
            yield table
        state = ("● live", "green") if self._is_connected() else ("○ connecting again", "yellow")
        yield Text.assemble(state, (f"  {self._events:,} events; Ctrl-C ends", "dim"))


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run beside a block, and end with it."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def move(sandbox: Sandbox) -> None:
    """Have messages and chats come to a sandbox all the time, so that there is something to see."""
    while True:
        sandbox.insert()
        for _ in range(_MESSAGES_PER_CHAT):
            await asyncio.sleep(_SECONDS_BETWEEN_EVENTS)
            sandbox.wake()


def _chat_of(event: LiveEvent) -> str:
    return _said(event, "chat_id")


def _text_of(event: LiveEvent) -> str:
    for name in ("body", "chat_name", "reaction", "phone_name"):
        if text := _said(event, name):
            return text
    kind = _said(event, "message_type")
    return f"({kind})" if kind else ""


def _said(event: LiveEvent, name: str) -> str:
    data: Any = event.data
    found = data.get(name) if isinstance(data, dict) else getattr(data, name, None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any mapping
    return _plain(found if isinstance(found, str) else None)


def _plain(text: str | None) -> str:
    return one_line(text or "", limit=_LONGEST_TEXT)
