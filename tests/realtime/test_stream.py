"""Live events from the sandbox over a real socket: order, gaps, faults, refusals, and nothing left behind."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from periskope_async import (
    APIError,
    Chat,
    ConfigError,
    ConnectError,
    Message,
    PeriskopeClient,
    StreamOverflowError,
    StreamRefusedError,
    TimeoutError_,
)
from periskope_async.realtime import Gap, LiveEvent
from periskope_async.sandbox import PHONES
from periskope_async.testing import no_waiting
from tests.flow.test_own_limiter import BookingLimiter
from tests.webhooks.bodies import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.realtime import EventStream
    from periskope_async.sandbox import Sandbox
    from tests.flow.conftest import Opened


pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with no_waiting():
        yield


def emit(sandbox: Sandbox, *numbers: int, name: str = "message.created", **changes: Any) -> None:
    for number in numbers:
        sandbox.sockets.emit(name, message(message_id=f"m{number}", **changes))


def ids(items: list[LiveEvent | Gap]) -> list[str | None]:
    return ["gap" if isinstance(item, Gap) else item.object_id for item in items]


async def take(stream: EventStream, count: int) -> list[LiveEvent | Gap]:
    return [await anext(stream) for _ in range(count)]


async def test_events_come_typed_and_in_order(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        chat_id = sandbox.wake()
        new = sandbox.insert()
        said, made = await take(stream, 2)
        assert isinstance(said, LiveEvent)
        assert isinstance(said.data, Message)
        assert (said.name, said.data.chat_id, said.source) == ("message.created", chat_id, "socket")
        assert said.received_at is not None
        assert abs(said.received_at.timestamp() - time.time()) < 30
        assert isinstance(made, LiveEvent)
        assert isinstance(made.data, Chat)
        assert made.data.chat_id == new
        assert sandbox.requests == []


async def test_five_thousand_keep_their_order(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        emit(sandbox, *range(5_000))
        assert ids(await take(stream, 5_000)) == [f"m{number}" for number in range(5_000)]


async def test_only_the_names_that_were_asked_for(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events("message.deleted", "message.updated") as stream:
        for number, name in enumerate(["message.created", "message.updated", "ticket.created", "message.deleted"]):
            emit(sandbox, number, name=name)
        assert ids(await take(stream, 2)) == ["m1", "m3"]


async def test_only_the_phone_that_was_asked_for(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        phone = PHONES[1].org_phone
        async with client.events(phone=phone) as stream:
            emit(sandbox, 0, org_phone=PHONES[0].org_phone)
            emit(sandbox, 1, org_phone=phone)
            (event,) = await take(stream, 1)
            assert isinstance(event, LiveEvent)
            assert (event.object_id, event.phone) == ("m1", phone.removesuffix("@c.us"))


async def test_an_envelope_is_read_as_well(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        sandbox.sockets.faults.envelope = True
        emit(sandbox, 0)
        (event,) = await take(stream, 1)
        assert isinstance(event, LiveEvent)
        assert isinstance(event.data, Message)
        assert event.timestamp is not None
        assert event.org_id is not None


async def test_odd_frames_do_no_harm(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        for frame in [
            "",
            "9",
            "43[]",
            "42/x,[]",
            '451-["a",{"_placeholder":true,"num":0}]',
            "3",
            '40{"sid":"x"}',
            "0{}",
        ]:
            sandbox.sockets.send(frame)
        sandbox.sockets.send('42["message.created",{]')
        sandbox.sockets.send('42["message.created",[1]]')
        sandbox.sockets.send('427["message.created",{"message_id":"\\ud83d"},1,2,"x"]')
        broken, no_object, half = await take(stream, 3)
        assert isinstance(broken, LiveEvent)
        assert (broken.name, broken.data) == ("", None)
        assert broken.error is not None
        assert broken.raw == b'42["message.created",{]'
        assert isinstance(no_object, LiveEvent)
        assert no_object.error is not None
        assert no_object.raw == b"[1]"
        assert isinstance(half, LiveEvent)
        assert (half.object_id, half.raw) == ("\ufffd", b'{"message_id":"\\ud83d"}')


async def test_five_megabytes_in_one_event(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        emit(sandbox, 0, body="A" * 5_000_000)
        (event,) = await take(stream, 1)
        assert isinstance(event, LiveEvent)
        assert isinstance(event.data, Message)
        assert len(event.data.body or "") == 5_000_000


async def test_a_note_with_a_file_in_it_pushes_no_other_event_out(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        emit(sandbox, 0, 1)
        emit(sandbox, 2, body="A" * 5_000_000)
        emit(sandbox, 3)
        await until(lambda: stream.received == 4)
        items = await take(stream, 1)
        while ids(items)[-1] != "m3":
            items += await take(stream, 1)
        assert ids(items) == ["m0", "m1", "m2", "m3"]


async def test_a_larger_one_than_allowed_is_a_gap(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events(max_message=100_000) as stream:
        emit(sandbox, 0, body="A" * 200_000)
        assert ids(await take(stream, 1)) == ["gap"]
        emit(sandbox, 1)
        assert ids(await take(stream, 1)) == ["m1"]


@pytest.mark.parametrize("fault", ["drop", "restart"])
async def test_a_connection_that_ends_is_a_gap(opened: Opened, fault: str) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        began = time.time()
        emit(sandbox, 0)
        assert ids(await take(stream, 1)) == ["m0"]
        getattr(sandbox.sockets, fault)()
        (gap,) = await take(stream, 1)
        assert isinstance(gap, Gap)
        assert (gap.reason, gap.recovered, gap.dropped) == ("closed", False, 0)
        assert began - 1 < gap.since.timestamp() <= gap.until.timestamp() < time.time() + 1
        emit(sandbox, 1)
        assert ids(await take(stream, 1)) == ["m1"]
        assert stream.is_connected


async def test_what_was_missed_is_recovered_where_the_server_can(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.sockets.faults.recovery = True
        async with client.events("message.created") as stream:
            emit(sandbox, 0)
            assert ids(await take(stream, 1)) == ["m0"]
            for round_ in range(1, 4):
                sandbox.sockets.drop()
                emit(sandbox, round_ * 10, round_ * 10 + 1)
                emit(sandbox, 99, name="message.updated")
                gap, *missed = await take(stream, 3)
                assert isinstance(gap, Gap)
                assert gap.recovered
                assert ids(missed) == [f"m{round_ * 10}", f"m{round_ * 10 + 1}"]


async def test_nothing_is_recovered_where_no_event_came_before(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.sockets.faults.recovery = True
        async with client.events() as stream:
            sandbox.sockets.drop()
            emit(sandbox, 0)
            (gap,) = await take(stream, 1)
            assert isinstance(gap, Gap)
            assert not gap.recovered


async def test_silence_ends_a_connection(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        faults = sandbox.sockets.faults
        faults.ping_interval, faults.ping_timeout, faults.pings = 0.05, 0.05, False
        async with client.events() as stream:
            (gap,) = await take(stream, 1)
            assert isinstance(gap, Gap)
            assert gap.reason == "silent"
            faults.ping_interval = 25.0


async def test_pings_are_answered_and_keep_it_alive(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        faults = sandbox.sockets.faults
        faults.ping_interval, faults.ping_timeout = 0.01, 25.0
        async with client.events() as stream:
            await asyncio.sleep(0.2)
            emit(sandbox, 0)
            assert ids(await take(stream, 1)) == ["m0"]


async def test_a_goodbye_ends_the_stream_behind_what_came(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        emit(sandbox, 0)
        sandbox.sockets.goodbye()
        assert ids(await take(stream, 1)) == ["m0"]
        for _ in range(2):
            with pytest.raises(StreamRefusedError, match="said goodbye"):
                await anext(stream)
        assert not stream.is_connected


async def test_a_goodbye_may_be_taken_lightly(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events(on_refusal="retry") as stream:
        sandbox.sockets.goodbye()
        (gap,) = await take(stream, 1)
        assert isinstance(gap, Gap)
        assert gap.reason == "goodbye"


REFUSALS = [({"refuse": "key expired"}, 101), ({"status": 400}, 400), ({"status": 401}, 401), ({"status": 403}, 403)]


@pytest.mark.parametrize(("fault", "status"), REFUSALS)
async def test_a_refusal_is_told_at_once(opened: Opened, fault: dict[str, Any], status: int) -> None:
    async with opened() as (sandbox, client):
        vars(sandbox.sockets.faults).update(fault)
        stream = client.events(on_refusal="retry")
        with pytest.raises(StreamRefusedError, match=r"refused the stream") as caught:
            await stream.__aenter__()
        assert caught.value.status == status


@pytest.mark.parametrize(("fault", "status"), REFUSALS)
async def test_a_refusal_later_ends_the_stream(opened: Opened, fault: dict[str, Any], status: int) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        vars(sandbox.sockets.faults).update(fault)
        sandbox.sockets.drop()
        with pytest.raises(StreamRefusedError) as caught:
            await anext(stream)
        assert caught.value.status == status


async def test_a_refusal_later_may_be_waited_out(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events(on_refusal="retry") as stream:
        sandbox.sockets.faults.refuse = "not now"
        sandbox.sockets.drop()
        await asyncio.sleep(0.1)
        sandbox.sockets.faults.refuse = None
        assert ids(await take(stream, 1)) == ["gap"]


async def test_the_wrong_key_is_refused(opened: Opened) -> None:
    async with (
        opened(sandbox={"api_key": "right-key"}) as (sandbox, _),
        PeriskopeClient("wrong-key", base_url=sandbox.base_url) as client,
    ):
        with pytest.raises(StreamRefusedError, match="Unauthorized"):
            await client.events().__aenter__()


async def test_a_server_that_is_away_is_waited_for(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        sandbox.sockets.faults.status = 503
        sandbox.sockets.drop()
        await asyncio.sleep(0.1)
        assert not stream.is_connected
        sandbox.sockets.faults.status = None
        assert ids(await take(stream, 1)) == ["gap"]


async def test_opening_is_tried_as_often_as_a_call(opened: Opened) -> None:
    async with opened(retry=2) as (sandbox, client):
        sandbox.sockets.faults.status = 503
        with pytest.raises(APIError, match="answered 503"):
            await client.events().__aenter__()


@pytest.mark.parametrize("fault", ["hello_delay", "connect_delay"])
async def test_one_time_out_holds_for_the_whole_opening(opened: Opened, fault: str) -> None:
    async with opened(retry=1) as (sandbox, client):
        setattr(sandbox.sockets.faults, fault, float("inf") if fault == "hello_delay" else 5.0)
        with pytest.raises(TimeoutError_, match=r"within 0\.1 s"):
            await client.events(open_timeout=0.1).__aenter__()


async def test_a_slow_middleware_is_waited_for(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.sockets.faults.connect_delay = 0.2
        async with client.events() as stream:
            sandbox.sockets.drop()
            assert ids(await take(stream, 1)) == ["gap"]


async def test_handshakes_are_counted_where_their_answer_says_so(opened: Opened) -> None:
    limiter = BookingLimiter()
    async with opened(limiter=limiter) as (sandbox, client), client.events() as stream:
        sandbox.sockets.drop()
        assert ids(await take(stream, 1)) == ["gap"]
        assert limiter.told == []
        sandbox.sockets.faults.headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "6"}
        for _ in range(3):
            sandbox.sockets.drop()
            assert ids(await take(stream, 1)) == ["gap"]
        assert limiter.told == [("sent", 1), ("answered 101", 1), ("sent", 2), ("answered 101", 2)]


async def test_no_redirect_is_followed(opened: Opened) -> None:
    async with opened() as (sandbox, client):
        sandbox.sockets.faults.location = f"{sandbox.base_url}/elsewhere"
        with pytest.raises(APIError, match="redirects the stream") as caught:
            await client.events().__aenter__()
        assert caught.value.status == 302
        assert sandbox.requests == []


async def test_what_is_no_such_server_is_told(opened: Opened) -> None:
    async with opened() as (sandbox, _), PeriskopeClient("k", base_url=f"{sandbox.base_url}/v2", retry=1) as client:
        with pytest.raises(APIError, match="answered 404"):
            await client.events().__aenter__()
    async with PeriskopeClient("k", base_url=sandbox_url_that_is_closed(), retry=1) as client:
        with pytest.raises(ConnectError):
            await client.events().__aenter__()


def sandbox_url_that_is_closed() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


async def test_what_is_not_taken_gives_way_and_is_told(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events(max_events=10) as stream:
        emit(sandbox, *range(100))
        emit(sandbox, 100, name="message.deleted")
        await until(lambda: sandbox.sockets.connected == 1)
        items: list[LiveEvent | Gap] = []
        while not (items and isinstance(items[-1], LiveEvent) and items[-1].object_id == "m100"):
            await asyncio.sleep(0.01)
            items += await take(stream, 1)
        dropped = sum(item.dropped for item in items if isinstance(item, Gap))
        assert dropped > 0
        assert dropped + sum(isinstance(item, LiveEvent) for item in items) == 101


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is asked about tells nobody
            await asyncio.sleep(0.005)


async def test_or_the_stream_ends(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events(max_events=10, on_overflow="raise") as stream:
        emit(sandbox, *range(100))
        await until(lambda: not stream.is_connected)
        assert ids(await take(stream, 10)) == [f"m{number}" for number in range(10)]
        with pytest.raises(StreamOverflowError, match="nobody takes them"):
            await anext(stream)


async def test_a_cancelled_wait_loses_nothing(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        got: list[LiveEvent | Gap] = []
        for number in range(50):
            emit(sandbox, number)
            try:
                async with asyncio.timeout(0.0005 * (number % 3)):
                    got.append(await anext(stream))
            except TimeoutError:
                pass
        got += await take(stream, 50 - len(got))
        assert ids(got) == [f"m{number}" for number in range(50)]


async def test_several_tasks_share_a_stream(opened: Opened) -> None:
    async with opened() as (sandbox, client), client.events() as stream:
        tasks = [asyncio.create_task(take(stream, 20)) for _ in range(5)]
        await asyncio.sleep(0)
        emit(sandbox, *range(100))
        got = [name for items in await asyncio.gather(*tasks) for name in ids(items)]
        assert sorted(map(str, got)) == sorted(f"m{number}" for number in range(100))


async def test_a_stream_that_was_not_entered_says_so(opened: Opened) -> None:
    async with opened() as (_, client):
        with pytest.raises(ConfigError, match="async with"):
            await anext(client.events())


async def test_a_lent_session_stays_open(opened: Opened) -> None:
    async with opened() as (sandbox, _), aiohttp.ClientSession() as lent:
        async with PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, session=lent) as client:
            async with client.events() as stream:
                emit(sandbox, 0)
                assert ids(await take(stream, 1)) == ["m0"]
            assert (await client.list_chats(limit=1)).chats
        assert not lent.closed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_events": 0}, "max_events"),
        ({"max_bytes": 1.5}, "max_bytes"),
        ({"heartbeat": 0}, "heartbeat"),
        ({"heartbeat": float("inf")}, "heartbeat"),
        ({"open_timeout": None}, "open_timeout"),
        ({"on_overflow": "block"}, "on_overflow"),
        ({"on_refusal": "ignore"}, "on_refusal"),
    ],
)
async def test_a_setting_that_cannot_be_meant_is_refused(opened: Opened, options: dict[str, Any], said: str) -> None:
    async with opened() as (_, client):
        with pytest.raises(ConfigError, match=said):
            client.events(**options)


@pytest.mark.parametrize("name", ["message.create", ["message.created"]])
async def test_a_slip_in_a_name_is_told(opened: Opened, name: Any) -> None:
    async with opened() as (_, client):
        with pytest.raises(ConfigError, match=r"did you mean 'message\.created'"):
            client.events(name)


async def test_memory_is_bounded_where_nobody_takes(opened: Opened) -> None:
    """The sandbox's own memory is in the process too, so the bound here is on what the stream holds."""
    async with opened() as (sandbox, client), client.events(max_bytes=4 * 1024 * 1024) as stream:
        emit(sandbox, *range(5_000))
        await until(lambda: stream._feed._heard_at > 0 and len(stream._buffer) > 1_000)
        emit(sandbox, 5_001)
        await asyncio.sleep(0.2)
        assert stream._buffer._bytes <= 4 * 1024 * 1024
