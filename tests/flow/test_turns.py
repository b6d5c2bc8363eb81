"""Between two pieces of work, everybody else has had a turn."""

from __future__ import annotations

import asyncio
import socket
import time

from periskope_async.turns import give_way


async def test_a_task_that_slept_runs_before_the_next_piece_of_work() -> None:
    order: list[str] = []

    async def sleeper() -> None:
        await asyncio.sleep(0.001)
        order.append("slept")

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    time.sleep(0.01)  # noqa: ASYNC251 - the first piece of work
    await give_way()
    order.append("worked")
    await task
    assert order == ["slept", "worked"]


async def test_a_task_that_waits_for_a_socket_runs_before_the_next_piece_of_work() -> None:
    order: list[str] = []
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)

        async def reader() -> None:
            await asyncio.get_running_loop().sock_recv(near, 1)
            order.append("received")

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        far.send(b"x")
        await give_way()
        order.append("worked")
        await task
    assert order == ["received", "worked"]
