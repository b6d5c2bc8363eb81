"""The API key shows in no error, log or report of a crash of a stream, whatever the server quotes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import PeriskopeClient
from periskope_async.testing import no_waiting
from tests.flow.crash_report import crash_report
from tests.flow.test_secrecy import KEY, SPELLINGS, assert_no_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from periskope_async.realtime import EventStream
    from periskope_async.sandbox import Sandbox
    from tests.flow.conftest import Opened

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(autouse=True)
def _at_once(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    with no_waiting():
        yield
    assert_no_key(caplog.text)


@contextlib.asynccontextmanager
async def client_with_key(opened: Opened) -> AsyncGenerator[tuple[Sandbox, PeriskopeClient]]:
    async with (
        opened(sandbox={"api_key": KEY}) as (sandbox, _),
        PeriskopeClient(KEY, base_url=sandbox.base_url, retry=1) as client,
    ):
        yield sandbox, client


def assert_secret(error: BaseException) -> None:
    assert_no_key(crash_report(error))
    assert_no_key(str(pickle.loads(pickle.dumps(error))))  # noqa: S301 - of our own making


async def failure_of(stream: EventStream) -> BaseException:
    try:
        await stream.__aenter__()
    except BaseException as error:  # noqa: BLE001 - a cancel too
        return error
    raise AssertionError("it was opened")


FAULTS: list[dict[str, Any]] = [
    *({"refuse": f"the key {spelling} is not valid"} for spelling in SPELLINGS),
    {"status": 400},
    {"status": 401},
    {"status": 503},
    {"location": "https://elsewhere.example/"},
    {"connect_delay": 5.0},
    {"hello_delay": 5.0},
]


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
async def test_a_failure_to_open_shows_no_key(opened: Opened, fault: dict[str, Any]) -> None:
    async with client_with_key(opened) as (sandbox, client):
        vars(sandbox.sockets.faults).update(fault)
        assert_secret(await failure_of(client.events(open_timeout=0.1)))


async def test_a_server_that_is_gone(opened: Opened) -> None:
    async with client_with_key(opened) as (sandbox, client):
        await sandbox.close()
        assert_secret(await failure_of(client.events()))


@pytest.mark.parametrize("step", [0, 2, 5, 10])
async def test_a_cancel(opened: Opened, step: int) -> None:
    async with client_with_key(opened) as (sandbox, client):
        sandbox.sockets.faults.connect_delay = 5.0
        task = asyncio.create_task(failure_of(client.events()))
        for _ in range(step):
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            assert_no_key(crash_report(await task))


async def test_a_refusal_later(opened: Opened) -> None:
    async with client_with_key(opened) as (sandbox, client), client.events() as stream:
        sandbox.sockets.faults.refuse = f"no longer: {KEY}"
        sandbox.sockets.drop()
        with pytest.raises(Exception, match="no longer") as caught:
            await anext(stream)
        assert_secret(caught.value)
        assert_no_key(repr(stream) + repr(vars(stream)))
