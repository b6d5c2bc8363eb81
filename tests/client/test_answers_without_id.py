"""A success that names nothing is none: it does not count as sent, and makes no object of nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import DecodeError, OutcomeUnknown
from tests.flow.cutting import answer, cutting_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHAT = "919876543210@c.us"
NOTHING: list[Any] = [
    {},
    {"error": "phone is disconnected"},
    {"code": "VALIDATION_ERROR", "message": "Bad", "status": 422},
    {"status": "queued", "queue_id": "", "unique_id": None},
    {"a": "b"},
    {CHAT: 5},
    {CHAT: "q", "1@c.us": "r"},
]
WRITES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "send_message": lambda client: client.send_message(CHAT, "Hello"),
    "send_message_and_wait": lambda client: client.send_message_and_wait(CHAT, "Hello"),
    "invite_members": lambda client: client.invite_members(["a@example.com"], role="member"),
    "purge_queue": lambda client: client.purge_queue(everything=True),
}


async def told(body: Any, call: Callable[[Any], Awaitable[Any]], status: str = "200 OK") -> Any:
    async with cutting_server(writes=answer(status, json.dumps(body).encode())) as (server, client):
        found = await call(client)
        assert len(server.requests) == 1
        return found


@pytest.mark.parametrize("body", NOTHING, ids=str)
@pytest.mark.parametrize("name", ["send_message", "send_message_and_wait"])
async def test_an_answer_without_an_id_is_not_sent(name: str, body: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="found no id of a message") as caught:
        await told(body, WRITES[name])
    assert json.dumps(body)[:40] in str(caught.value).replace("\\n", "")


@pytest.mark.parametrize("name", ["invite_members", "purge_queue"])
@pytest.mark.parametrize("body", [{}, {"error": "no"}])
async def test_an_outcome_without_a_known_field_is_unknown(name: str, body: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="found nothing of a"):
        await told(body, WRITES[name])


@pytest.mark.parametrize("chat_id", [CHAT, "919876543210", "1203-63@g.us"])
async def test_the_oldest_answer(chat_id: str) -> None:
    sent = await told({chat_id: "queue-77"}, WRITES["send_message"])
    assert (sent.queue_id, sent.unique_id) == ("queue-77", None)


async def test_the_id_in_the_message() -> None:
    message = {"message_id": f"true_{CHAT}_AA", "unique_id": "AA"}
    sent = await told({"status": "sent", "message": message}, WRITES["send_message_and_wait"])
    assert sent.unique_id == "AA"


async def test_an_accepted_write_is_read() -> None:
    sent = await told({"queue_id": "q", "unique_id": "u"}, WRITES["send_message"], "202 Accepted")
    assert (sent.queue_id, sent.unique_id) == ("q", "u")
    with pytest.raises(OutcomeUnknown):
        await told({}, WRITES["send_message"], "202 Accepted")


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"from": 0, "to": 0, "count": 0, "jobs": []}, []),
        ({"from": 1, "to": 1, "count": 1, "jobs": [{"queue_id": "q"}]}, ["q"]),
        ({"data": None}, []),
        ({"data": [{"queue_id": "q"}]}, ["q"]),
        ({"queue_id": "q"}, ["q"]),
    ],
)
async def test_the_forms_of_a_list(body: Any, ids: list[str]) -> None:
    jobs = await told(body, lambda client: client.list_queue_jobs())
    assert [job.queue_id for job in jobs] == ids


@pytest.mark.parametrize("body", [{}, {"message": "No jobs"}, {"error": "no"}, {"count": 0}])
async def test_an_object_of_another_kind_is_no_row(body: Any) -> None:
    with pytest.raises(DecodeError, match="found neither a list nor a QueueJob"):
        await told(body, lambda client: client.list_queue_jobs())
