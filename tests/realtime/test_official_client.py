"""The official client receives live events from the sandbox, and what it missed where that is on."""

from __future__ import annotations

import pytest

from periskope_async.sandbox import PHONES, Sandbox
from tests.realtime.node import CLIENT, Node

PHONE = PHONES[0].org_phone.removesuffix("@c.us")

pytestmark = pytest.mark.timeout(150)


def test_it_receives_events_of_its_phone() -> None:
    with Sandbox(chats=50) as sandbox, Node(CLIENT, sandbox.base_url, sandbox.api_key, PHONE) as client:
        assert client.read() == ["connect", False]
        sandbox.emit("message.created", {"message_id": "other", "org_phone": PHONES[1].org_phone})
        sandbox.emit("message.created", {"message_id": "m1", "org_phone": PHONES[0].org_phone, "body": "👋"})
        assert client.read() == [
            "message.created",
            {"message_id": "m1", "org_phone": PHONES[0].org_phone, "body": "👋"},
        ]


def test_it_recovers_what_it_missed() -> None:
    with Sandbox(chats=50) as sandbox:
        sandbox.sockets.faults.recovery = True
        with Node(CLIENT, sandbox.base_url, sandbox.api_key, PHONE) as client:
            assert client.read() == ["connect", False]
            sandbox.emit("chat.created", {"chat_id": "c1"})
            assert client.read() == ["chat.created", {"chat_id": "c1"}]
            sandbox.sockets.drop()
            sandbox.emit("chat.created", {"chat_id": "c2"})
            assert sorted([client.read(), client.read()], key=str) == [
                ["chat.created", {"chat_id": "c2"}],
                ["connect", True],
            ]


def test_it_is_refused_with_a_wrong_key() -> None:
    with Sandbox(chats=1, api_key="right") as sandbox, Node(CLIENT, sandbox.base_url, "wrong", PHONE) as client:
        assert client.read() == ["connect_error", "Unauthorized"]
