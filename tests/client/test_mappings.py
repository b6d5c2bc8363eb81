"""Mappings in writes: a value that JSON would change in silence is refused before anything is sent."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from periskope_async import ConfigError
from tests.flow.cutting import answer, cutting_server
from tests.flow.every_write import CHAT
from tests.wire.test_inputs import SafeText

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOOK = "https://example.com/hook"
WRITES: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
    "custom_properties": lambda client, given: client.update_chat(CHAT, custom_properties=given),
    "variables": lambda client, given: client.broadcast([CHAT], "Hello", variables={CHAT: given}),
    "association": lambda client, given: client.create_task("A", type="chat", association=given),
    "integration_metadata": lambda client, given: client.update_webhook("w", integration_metadata=given),
}
BOTH = {"name": "A", "city": "B"}
TEXTS_ONLY = ["custom_properties", "variables", "association"]


async def refused(write: Callable[[Any], Awaitable[Any]], said: str) -> None:
    async with cutting_server() as (server, client):
        with pytest.raises(ConfigError, match=said) as caught:
            await write(client)
        assert len(str(caught.value)) < 500
        assert server.requests == []


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "given", [[("Plan", "gold")], "Plan=gold", {5: "gold"}, {"Plan": float("nan")}, {"Plan": b"a"}]
)
async def test_what_is_no_mapping_of_json_is_refused(name: str, given: object) -> None:
    await refused(lambda client: WRITES[name](client, given), f"{name}|cannot be written as JSON: it holds")


@pytest.mark.parametrize("name", TEXTS_ONLY)
@pytest.mark.parametrize("value", [None, True, 5, ["gold"], float("inf")])
async def test_a_value_that_is_no_text_is_refused_by_its_key(name: str, value: object) -> None:
    kind = type(value).__name__
    await refused(lambda client: WRITES[name](client, {"Plan": value}), rf"{name}.* as 'Plan', a {kind}; give")


async def test_the_chat_of_a_wrong_value_is_named() -> None:
    await refused(lambda client: WRITES["variables"](client, {"name": 5}), f"variables of {CHAT} holds 5 as 'name'")


async def test_a_chat_named_twice_is_refused() -> None:
    twice = {CHAT: {"name": "A"}, "+91 98765 43210": {"city": "B"}}
    await refused(lambda client: client.broadcast([CHAT], "Hello", variables=twice), f"variables names {CHAT} twice")


async def test_metadata_keeps_every_value_of_json() -> None:
    metadata = MappingProxyType({"a": [1, None, {"b": True}], SafeText("c"): 1.5})
    async with cutting_server(writes=answer("200 OK", b'{"id":"w"}')) as (server, client):
        await client.update_webhook("w", integration_metadata=metadata)
        sent = msgspec.json.decode(server.bodies[0])["integrationMetadata"]
    assert sent == {"a": [1, None, {"b": True}], "c": 1.5}


@pytest.mark.parametrize("deep", [[float("-inf")], {"a": (b"x",)}, [{"a": float("nan")}]])
async def test_metadata_is_looked_through(deep: object) -> None:
    await refused(lambda client: WRITES["integration_metadata"](client, {"deep": deep}), "cannot be written as JSON")


async def test_endless_metadata_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    await refused(lambda client: WRITES["integration_metadata"](client, {"a": endless}), "cannot be written as JSON")


@pytest.mark.parametrize("text", ["Hello {{name}}", "Hello {{ name }}", "{{city}}: hello {{name}}"])
@pytest.mark.parametrize("given", [None, {}, {CHAT: BOTH}, {CHAT: BOTH, "2@c.us": {"city": "B"}}])
async def test_a_chat_without_a_value_is_refused(text: str, given: Any) -> None:
    said = r"variables has no '(name|city)' for (919876543210|2)@c\.us"
    await refused(lambda client: client.broadcast([CHAT, "2@c.us"], text, variables=given), said)


async def test_a_chat_may_have_more_values() -> None:
    async with cutting_server(writes=answer("200 OK", b'{"broadcast_id":"b"}')) as (_, client):
        await client.broadcast([CHAT], "Hello {{name}}", variables={CHAT: {"name": "A", "more": ""}})
