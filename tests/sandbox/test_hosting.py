"""Where the sandbox runs: on the test's loop, in a thread, as a fixture; and that nothing of it is left."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import struct
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from periskope_async.sandbox import DEFAULT_KEY, Sandbox, Slow
from tests.sandbox.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.conftest import Served

pytest_plugins = ["pytester"]


def count_of(sandbox: Sandbox) -> int:
    """Ask without any event loop."""
    place = urlsplit(sandbox.base_url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=5)
    with closing(connection):
        connection.request("GET", "/v1/chats?limit=1", headers={"Authorization": f"Bearer {sandbox.api_key}"})
        count: int = json.load(connection.getresponse())["count"]
        return count


def port_of(sandbox: Sandbox) -> int:
    return urlsplit(sandbox.base_url).port or 0


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as plug:
        return plug.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def no_thread_left_over() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread not in before and "periskope" in thread.name]


# On the running loop


async def test_async_with_serves_on_the_running_loop(nothing_left_over: None) -> None:
    threads = threading.active_count()
    async with Sandbox(chats=7) as sandbox:
        port = port_of(sandbox)
        assert sandbox.base_url == f"http://127.0.0.1:{port}/v1"
        assert threading.active_count() == threads
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{sandbox.base_url}/chats", headers={"Authorization": f"Bearer {DEFAULT_KEY}"}) as response,
        ):
            assert (await response.json())["count"] == 7
    assert not listens(port)


async def test_two_sandboxes_know_nothing_of_each_other(served: Served) -> None:
    async with served(chats=3) as one, served(chats=4) as two:
        assert [(await wire.ask()).json["count"] for wire in (one, two, one)] == [3, 4, 3]
        assert [len(wire.sandbox.requests) for wire in (one, two)] == [2, 1]


async def test_it_can_be_started_again_with_its_list_its_count_and_its_journal(nothing_left_over: None) -> None:
    sandbox = Sandbox(chats=3, limit=9, window=600)
    remaining = list[str]()
    for _ in range(2):
        async with sandbox, aiohttp.ClientSession() as session:
            url = f"{sandbox.base_url}/chats"
            async with session.get(url, headers={"Authorization": "Bearer k"}) as response:
                remaining.append(response.headers["X-RateLimit-Remaining"])
            sandbox.insert()
    assert remaining == ["8", "7"]
    assert len(sandbox.requests) == 2
    assert len(sandbox.chat_ids()) == 5


async def test_what_only_a_running_sandbox_has_says_so() -> None:
    sandbox = Sandbox()
    assert sandbox.chat_ids()
    with pytest.raises(RuntimeError, match="the sandbox is not running: use it in `async with"):
        _ = sandbox.base_url
    async with sandbox:
        with pytest.raises(RuntimeError, match="running already"):
            await sandbox.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url
    await sandbox.close()


async def test_closing_drops_open_connections(nothing_left_over: None) -> None:
    sandbox = Sandbox(faults=[Slow(60)])
    await sandbox.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sandbox))
    writer.write(b"GET /v1/chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n")
    await until(lambda: bool(sandbox.requests))
    began = time.monotonic()
    await sandbox.close()
    assert await reader.read() == b""
    assert time.monotonic() - began < 1.5
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_close_can_be_repeated(nothing_left_over: None, turns: int) -> None:
    sandbox = Sandbox()
    await sandbox.start()
    port = port_of(sandbox)
    closing = asyncio.create_task(sandbox.close())
    for _ in range(turns):
        await asyncio.sleep(0.0005)
    closing.cancel()
    await asyncio.wait({closing})
    await sandbox.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    "settings", [{"chats": -1}, {"limit": 0}, {"window": 0.0}, {"keep_alive": 0.0}, {"max_limit": 0}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a sandbox needs chats >= 0, limit >= 1"):
        Sandbox(**settings)


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"port is {port}"):
        Sandbox(port=port)


# A taken port


async def test_a_taken_port_is_an_oserror_that_names_it(nothing_left_over: None) -> None:
    async with Sandbox() as first:
        port = port_of(first)
        second = Sandbox(port=port)
        with pytest.raises(OSError, match=f"'127.0.0.1', {port}.*address already in use"):
            await second.start()
        with pytest.raises(RuntimeError, match="not running"):
            _ = second.base_url


def test_a_taken_port_is_raised_out_of_the_thread(no_thread_left_over: None) -> None:
    with Sandbox() as first:
        port = port_of(first)
        with pytest.raises(OSError, match="address already in use"), Sandbox(port=port):
            pytest.fail("it started")
    with Sandbox(port=port) as third:
        assert str(port) in third.base_url


def test_a_chosen_port_is_used() -> None:
    port = free_port()
    with Sandbox(port=port) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{port}/v1"


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with Sandbox(chats=2, host="::1") as sandbox:
            assert sandbox.base_url.startswith("http://[::1]:")
            assert count_of(sandbox) == 2
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


# In a thread


def test_with_serves_from_a_thread(no_thread_left_over: None) -> None:
    with Sandbox(chats=7) as sandbox:
        assert [thread.name for thread in threading.enumerate()].count("periskope-sandbox") == 1
        assert count_of(sandbox) == 7
        sandbox.insert()
        assert count_of(sandbox) == 8
        port = port_of(sandbox)
    assert not listens(port)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.base_url


def test_the_list_may_be_moved_from_any_thread_while_it_is_read(no_thread_left_over: None) -> None:
    with Sandbox(chats=200, limit=10_000) as sandbox:
        errors = list[BaseException]()

        def move() -> None:
            try:
                for _ in range(150):
                    sandbox.insert()
                    sandbox.wake()
                    sandbox.remove()
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                errors.append(error)

        movers = [threading.Thread(target=move) for _ in range(4)]
        for mover in movers:
            mover.start()
        counts = [count_of(sandbox) for _ in range(20)]
        for mover in movers:
            mover.join()
        assert errors == []
        assert all(200 <= count <= 204 for count in counts)
        assert len(set(sandbox.chat_ids())) == 200


def test_an_error_inside_with_still_closes(no_thread_left_over: None) -> None:
    port = free_port()
    with pytest.raises(ZeroDivisionError), Sandbox(port=port):
        assert listens(port) / 0
    assert not listens(port)


def test_a_connection_that_comes_with_the_end_is_closed_with_it(no_thread_left_over: None) -> None:
    for _ in range(10):
        with Sandbox(chats=1) as sandbox:
            plug = socket.create_connection(("127.0.0.1", port_of(sandbox)))
        plug.close()
        # What was left open warns here.
        gc.collect()


# Peers of every kind


def answer_to(sandbox: Sandbox, *, close: bool) -> socket.socket:
    """Ask for a page that no buffer of the kernel holds, and read none of it."""
    plug = socket.create_connection(("127.0.0.1", port_of(sandbox)))
    keep = "close" if close else "keep-alive"
    headers = f"Host: x\r\nAuthorization: Bearer k\r\nConnection: {keep}\r\n"
    plug.sendall(f"GET /v1/chats?limit=2000 HTTP/1.1\r\n{headers}\r\n".encode())
    return plug


def reads_all(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=True)
    while plug.recv(65_536):
        pass
    return plug


def reads_nothing_more(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=True)
    plug.recv(1)
    return plug


def keeps_alive_unread(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=False)
    plug.recv(1)
    return plug


def says_no_more(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=False)
    plug.shutdown(socket.SHUT_WR)
    plug.recv(1)
    return plug


def resets(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=False)
    plug.recv(1)
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plug.close()
    return plug


def leaves(sandbox: Sandbox) -> socket.socket:
    plug = answer_to(sandbox, close=False)
    plug.close()
    return plug


def asks_half(sandbox: Sandbox) -> socket.socket:
    plug = socket.create_connection(("127.0.0.1", port_of(sandbox)))
    plug.sendall(b"GET /v1/chats HTTP/1.1\r\nHost")
    return plug


PEERS = [reads_all, reads_nothing_more, keeps_alive_unread, says_no_more, resets, leaves, asks_half]


@pytest.mark.parametrize("peer", PEERS)
async def test_it_closes_whatever_its_peer_does(
    nothing_left_over: None, peer: Callable[[Sandbox], socket.socket]
) -> None:
    for _ in range(3):
        async with Sandbox(chats=2_000, limit=100) as sandbox:
            plug = await asyncio.to_thread(peer, sandbox)
        plug.close()


@pytest.mark.parametrize("peer", PEERS)
def test_it_closes_in_a_thread_too(no_thread_left_over: None, peer: Callable[[Sandbox], socket.socket]) -> None:
    for _ in range(3):
        with Sandbox(chats=2_000, limit=100) as sandbox:
            plug = peer(sandbox)
        plug.close()


# As a fixture


def test_the_fixture(periskope_sandbox: Sandbox) -> None:
    assert count_of(periskope_sandbox) == 5_000


@pytest.mark.periskope_sandbox(chats=12, api_key="mine")
class TestMarked:
    def test_a_mark_sets_it_up(self, periskope_sandbox: Sandbox) -> None:
        assert periskope_sandbox.api_key == "mine"
        assert count_of(periskope_sandbox) == 12

    @pytest.mark.periskope_sandbox(chats=3)
    def test_the_nearest_mark_goes_first_setting_by_setting(self, periskope_sandbox: Sandbox) -> None:
        assert periskope_sandbox.api_key == "mine"
        assert count_of(periskope_sandbox) == 3

    @pytest.mark.periskope_sandbox(chats=4)
    async def test_it_serves_async_tests_too(self, periskope_sandbox: Sandbox) -> None:
        assert await asyncio.to_thread(count_of, periskope_sandbox) == 4


@pytest.fixture
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Run pytest with no plugin but ours, whatever else is installed here."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.plugins = ["periskope_async.pytest_plugin"]
    return pytester


def test_a_suite_that_does_nothing_but_install_it_can_use_it(alone: pytest.Pytester) -> None:
    alone.makepyfile(
        """
        import threading
        import pytest

        @pytest.mark.periskope_sandbox(chats=3, limit=2)
        def test_good(periskope_sandbox):
            assert len(periskope_sandbox.chat_ids()) == 3

        def test_closed_after_the_last_test():
            assert not [thread for thread in threading.enumerate() if "periskope" in thread.name]

        @pytest.mark.periskope_sandbox(50)
        def test_by_position(periskope_sandbox): ...

        @pytest.mark.periskope_sandbox(rows=50)
        def test_misspelt(periskope_sandbox): ...
        """
    )
    result = alone.runpytest_subprocess("--strict-markers", "-q")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*takes settings by name, like chats=50; got (50,)*"])
    result.stdout.fnmatch_lines(["*unexpected keyword argument 'rows'*"])


def test_a_suite_that_does_not_use_it_does_not_load_it(alone: pytest.Pytester) -> None:
    alone.makepyfile(
        """
        import sys

        def test_only_the_plugin_is_loaded():
            assert "periskope_async.pytest_plugin" in sys.modules
            assert not {"aiohttp.web", "periskope_async.sandbox"} & set(sys.modules)
        """
    )
    alone.runpytest_subprocess("-q").assert_outcomes(passed=1)
