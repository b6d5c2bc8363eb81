"""An object in the place of its id is a slip: the error says so, and does not tell all that is in the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import Chat, ConfigError, Message, PeriskopeClient
from periskope_async.export import export

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHAT = Chat(chat_id="1@c.us", chat_name="A" * 100, latest_message=Message(message_id="m", body="private"))
MESSAGE = Message(message_id="m", chat_id="1" * 100, body="private")
SLIPS: dict[str, tuple[Callable[[Any], Awaitable[Any]], str]] = {
    "get_chat": (lambda client: client.get_chat(CHAT), "a Chat; give its .chat_id"),
    "of a chat": (lambda client: client.list_messages(chat_id=CHAT), "a Chat; give its .chat_id"),
    "broadcast": (lambda client: client.broadcast([CHAT], "Hello"), "a Chat; give its .chat_id"),
    "get_message": (lambda client: client.get_message(MESSAGE), "a Message; give its .message_id"),
    "get_ticket": (lambda client: client.get_ticket(CHAT), "a Chat; give it as a str"),
    "label": (lambda client: client.list_chats(label=CHAT), "a Chat; give it as a str"),
    "bytes": (lambda client: client.create_task(b"Call back"), "title is b'Call back', a bytes; give it as a str"),
    "time": (lambda client: client.list_chats(start_time=CHAT), "give an ISO string, a date or a datetime"),
    "offset": (lambda client: client.list_chats(offset=CHAT), "it must be a whole number"),
    "export": (lambda _: export([CHAT], "chats.jsonl"), "give a pager"),  # type: ignore[arg-type] # what is refused
}


@pytest.mark.parametrize("slip", SLIPS)
async def test_an_object_for_an_id(slip: str) -> None:
    call, said = SLIPS[slip]
    async with PeriskopeClient("key") as client:
        with pytest.raises(ConfigError) as caught:
            await call(client)
    assert said in str(caught.value)
    assert "private" not in str(caught.value)


@pytest.mark.parametrize("name", ["create_note", "schedule_message"])
async def test_nothing_to_send_names_what_the_method_takes(name: str) -> None:
    more = {"scheduled_at": "2027-01-01"} if name == "schedule_message" else {}
    async with PeriskopeClient("key") as client:
        with pytest.raises(ConfigError, match=r"give message or media$"):
            await getattr(client, name)("1@c.us", **more)
