"""Values of NumPy's arrays look like Python's own, and are none: the error says what to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConfigError, PeriskopeClient, Repeat
from tests.flow.every_write import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable

numpy: Any = pytest.importorskip("numpy", reason="NumPy has no wheel for every Python")

CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "priority": (lambda client: client.create_ticket(CHAT, subject="A", priority=numpy.int64(3)), "int"),
    "is_internal": (lambda client: client.update_contact(CHAT, is_internal=numpy.bool_(True)), "bool"),
    "delay": (lambda client: client.broadcast([CHAT], "A", delay=numpy.float32(2)), "float"),
    "sync_timeout": (lambda client: client.send_message_and_wait(CHAT, "A", sync_timeout=numpy.int32(3)), "int"),
    "every": (
        lambda client: client.schedule_message(
            CHAT, "A", scheduled_at="2027-01-01", repeat=Repeat(interval="day", every=numpy.int64(2))
        ),
        "int",
    ),
    "JSON": (lambda client: client.update_webhook("w", integration_metadata={"a": numpy.int64(5)}), "int"),
    "limit": (lambda client: client.list_chats(limit=numpy.int64(5)), "int"),
    "offset": (lambda client: client.list_chats(offset=numpy.uint8(5)), "int"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_what_to_give_is_said(name: str) -> None:
    call, plain = CALLS[name]
    async with PeriskopeClient("key", base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(ConfigError, match=rf"{name}.* of NumPy: give {plain}\(…\)\)$"):
            await call(client)
