"""Messages are queued, sent, delivered and read as time goes on; broadcasts and scheduled messages, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from periskope_async.sandbox import PHONES
from tests.sandbox.conftest import SEND, Caller, Clock

if TYPE_CHECKING:
    from tests.sandbox.conftest import Served


async def test_a_message_is_queued_sent_delivered_and_read(calling: Any) -> None:
    async with calling() as call:
        first, second = await call("POST", "/message/send", SEND), await call("POST", "/message/send", SEND)
        assert (first["queue_position"], second["queue_position"]) == (0, 1)
        await call("GET", f"/message/{second['queue_id']}", status=404)
        steps: list[Any] = []
        for _ in range(8):
            status = await call("GET", f"/message/{second['unique_id']}/status")
            steps.append((status["status"], status["ack"], status["delivered_count"], status["read_count"]))
            call.clock.at += 1.0
        assert list(dict.fromkeys(steps)) == [
            ("queued", 0, 0, 0),
            ("sent", 1, 0, 0),
            ("sent", 2, 0, 0),
            ("delivered", 3, 1, 0),
            ("read", 4, 1, 1),
        ]
        message = await call("GET", f"/message/{second['queue_id']}")
        assert (message["ack"], message["body"], message["unique_id"]) == ("4", "hi", second["unique_id"])
        chat = await call("GET", "/chats/4915112345678@c.us")
        assert chat["latest_message"]["message_id"] == message["message_id"]
        assert chat["latest_message"]["ack"] == "4"


async def test_a_sent_message_stands_before_those_that_came_earlier(calling: Any) -> None:
    async with calling() as call:
        chat_id = call.sandbox.wake(call.sandbox.chat_ids(phone=PHONES[0].phone_id)[3])
        call.clock.at += 1.0
        sent = await call("POST", "/message/send", {**SEND, "chat_id": chat_id})
        call.clock.at += 1.0
        messages = (await call("GET", f"/chats/{chat_id}/messages"))["messages"]
        times = [message["timestamp"] for message in messages]
        assert messages[0]["unique_id"] == sent["unique_id"]
        assert times == sorted(times, reverse=True)


async def test_a_number_that_is_not_on_whatsapp_fails(calling: Any) -> None:
    async with calling() as call:
        sent = await call("POST", "/message/send", {**SEND, "chat_id": "4915112340000"})
        call.clock.at += 2.0
        status = await call("GET", f"/message/{sent['unique_id']}/status")
        assert (status["status"], status["ack"], status["message_id"]) == ("failed", -1, None)
        assert (await call("GET", "/queue"))["failed"] == 1


async def test_a_message_is_found_by_its_whole_id(calling: Any) -> None:
    async with calling() as call:
        old = next(i for i in call.sandbox.ids("messages") if i.startswith("true_")).rpartition("_")[2]
        assert (await call("GET", f"/message/{old}/status"))["unique_id"] == old
        await call("GET", f"/message/{old[1:]}/status", status=404)


async def test_the_queue_stands_still_while_its_phone_is_logged_out(calling: Any) -> None:
    async with calling() as call:
        await call("POST", "/phones/reset", status=204)
        assert (await call("GET", "/phones/qr"))[:4] == b"\x89PNG"
        await call("POST", "/message/send", SEND)
        call.clock.at += 60
        assert (await call("GET", "/message/queues/health"))["paused"] == 1
        assert (await call("GET", "/queue"))["is_running"] is False
        call.sandbox.scan_qr(PHONES[0].phone_id)
        await call("GET", "/phones/qr", status=404)
        call.clock.at += 60
        assert (await call("GET", "/message/queues/health"))["completed"] == 1


async def test_send_sync_waits_until_the_message_is_sent(served: Served) -> None:
    async with served(pace=0.02) as wire:
        call = Caller(wire, Clock(0))
        sent = await call("POST", "/message/send-sync", SEND)
        assert (sent["status"], sent["message"]["body"]) == ("sent", "hi")
    async with served(pace=30.0) as wire:
        call = Caller(wire, Clock(0))
        assert "queue_id" in await call("POST", "/message/send-sync", {**SEND, "sync_timeout": 0.01})


async def test_a_broadcast_runs_and_can_be_purged(calling: Any) -> None:
    async with calling() as call:
        chats = [f"49151123456{number:02d}" for number in range(4)]
        names = [{"chat_id": chats[0], "values": {"name": "Zoë"}}]
        body = {"chat_ids": chats, "message": "Dear {{name}}", "variables": names, "delay": 10}
        started = await call("POST", "/message/broadcast", body)
        path = f"/queue/broadcast?broadcast_id={started['broadcast_id']}"
        counts: list[tuple[str, int, int]] = []
        for _ in range(3):
            told = await call("GET", path)
            counts.append((told["broadcast_status"], told["sent_chats"], told["pending_chats"]))
            call.clock.at += 10
        assert counts == [("inprogress", 0, 4), ("inprogress", 1, 3), ("inprogress", 2, 2)]
        purged = await call("POST", "/message/queues/purge", {"broadcast_id": started["broadcast_id"]})
        assert purged == {"purged": True, "mode": "broadcast", "queue_ids": [started["broadcast_id"]]}
        assert (await call("GET", path))["broadcast_status"] == "stopped"
        first = await call("GET", f"/chats/{chats[0]}@c.us/messages")
        assert [message["body"] for message in first["messages"]] == ["Dear Zoë"]


async def test_a_broadcast_is_called_off(calling: Any) -> None:
    async with calling() as call:
        body = {"chat_ids": ["4915112345601", "4915112345602"], "message": "Hi", "delay": 10}

        async def called_off(after: float, **more: Any) -> tuple[Any, ...]:
            broadcast_id = (await call("POST", "/message/broadcast", {**body, **more}))["broadcast_id"]
            call.clock.at += after
            answer = await call("DELETE", f"/message/broadcast/{broadcast_id}")
            assert answer["broadcast_id"] == broadcast_id
            call.clock.at += 3600
            told = await call("GET", f"/queue/broadcast?broadcast_id={broadcast_id}")
            return answer["status"], told["broadcast_status"], told["sent_chats"], told["pending_chats"]

        assert await called_off(5) == ("stopped", "stopped", 1, 0)
        assert await called_off(0, scheduled_at="2027-01-01T00:00:00Z") == ("deleted", "deleted", 0, 0)
        call.clock.at += 86_400 * 365
        assert (await call("GET", "/message/queues/health"))["waiting"] == 0
        await call("DELETE", "/message/broadcast/none", status=404)


async def test_a_scheduled_message_occurs_again_and_again(calling: Any) -> None:
    async with calling() as call:
        chat_id = call.sandbox.chat_ids(phone=PHONES[0].phone_id)[0]
        repeat = {"repeat_interval": "day", "repeat_value": 1, "repeat_ends": "2026-09-26T00:00:00Z"}
        body = {"chat_id": chat_id, "message": "daily", "scheduled_at": "2026-09-22T08:00:00Z", "repeat_config": repeat}
        path = f"/message/scheduled/{(await call('POST', '/message/scheduled', body))['scheduled_id']}"
        await call("PATCH", path, {"skip_next": True})
        call.clock.at += 86_400 * 3
        again = await call("GET", path)
        assert (again["scheduled_at"], again["status"]) == ("2026-09-25T08:00:00.000Z", "scheduled")
        occurrences = await call("GET", f"{path}/occurrences")
        assert [one["is_success"] for one in occurrences["occurrences"]] == [True, True]
        await call("PATCH", path, {"is_paused": True})
        call.clock.at += 86_400
        assert (await call("GET", f"{path}/occurrences"))["count"] == 2
        await call("PATCH", path, {"is_paused": False})
        call.clock.at += 2
        assert (await call("GET", path))["status"] == "completed"
        await call("PATCH", path, {"message": "late"}, status=422)
        await call("DELETE", path)
        await call("GET", path, status=404)
        assert (await call("GET", f"{path}/occurrences"))["count"] == 3
