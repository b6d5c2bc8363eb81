"""The guide to OpenTelemetry is run as it stands; spans and metrics are as its SDK exports them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from periskope_async import (
    NotFoundError,
    PeriskopeClient,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    ValidationError,
    WaitTooLong,
)
from periskope_async.events import Event, RequestSent, Retried, Throttled
from periskope_async.otel import OpenTelemetryHook
from periskope_async.sandbox import ResetConnection, Sandbox, Slow, Status
from tests.test_readme import guide, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


class Telemetry:
    """What a hook has reported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def hook(self, **settings: Any) -> OpenTelemetryHook:
        return OpenTelemetryHook(tracer_provider=self.tracers, meter_provider=self.meters, **settings)

    def requests(self) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]

    def waits(self) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == "periskope.wait"]

    def metric(self, name: str) -> list[Any]:
        """Give the points of a metric; none where nothing was recorded."""
        data = self._reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    reported = Telemetry()
    yield reported
    reported.close()


def client_of(running: Sandbox, hook: OpenTelemetryHook, **settings: Any) -> PeriskopeClient:
    return PeriskopeClient(running.api_key, base_url=running.base_url, hooks=[hook], **settings)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_has_the_attributes_of_http_clients(telemetry: Telemetry) -> None:
    async with Sandbox(chats=3, limit=10) as running, client_of(running, telemetry.hook()) as client:
        await client.list_chats(limit=2)
        port = int(running.base_url.split(":")[2].split("/")[0])
        base_url = running.base_url
    (span,) = telemetry.requests()
    said = attributes(span)
    assert span.name == "GET /chats"
    assert span.status.status_code is StatusCode.UNSET
    assert said.pop("periskope.trace_id")
    assert said == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"{base_url}/chats?offset=0&limit=2",
        "url.scheme": "http",
        "url.template": "/chats",
    }
    (duration,) = telemetry.metric("http.client.request.duration")
    assert duration.count == 1
    assert duration.attributes == {key: said[key] for key in said if key not in {"url.full", "url.scheme"}}
    assert [point.value for point in telemetry.metric("periskope.rate_limit.limit")] == [10]
    assert [point.value for point in telemetry.metric("periskope.rate_limit.remaining")] == [9]
    assert telemetry.metric("periskope.refusals") == []


@pytest.mark.parametrize("show_ids", [False, True])
async def test_ids_of_chats_are_shown_only_when_asked_for(telemetry: Telemetry, *, show_ids: bool) -> None:
    hook = telemetry.hook(show_ids=show_ids)
    async with Sandbox(chats=1) as running, client_of(running, hook) as client:
        with pytest.raises(NotFoundError):
            await client.get_chat("12025550123@c.us")
        with pytest.raises(NotFoundError):
            await client.list_messages(chat_id="12025550123@c.us", limit=1)
        with pytest.raises(ValidationError):
            await client.list_reactions(chat_id="12025550123@c.us", limit=1)
    missing, *_ = telemetry.requests()
    assert missing.name == "GET /chats/{id}"
    assert missing.status.status_code is StatusCode.ERROR
    assert attributes(missing)["error.type"] == "404"
    for span in telemetry.requests():
        assert ("12025550123" in span.to_json()) is show_ids


async def test_retries_and_their_pauses(telemetry: Telemetry) -> None:
    async with (
        Sandbox(chats=1, faults=[Status(500), ResetConnection()]) as running,
        client_of(running, telemetry.hook(), retry=RetryPolicy(base=0.01)) as client,
    ):
        await client.list_chats(limit=1)
    spans = [attributes(span) for span in telemetry.requests()]
    assert [span.get("http.request.resend_count") for span in spans] == [None, 1, 2]
    assert [span.get("http.response.status_code") for span in spans] == [500, None, 200]
    assert spans[0]["error.type"] == "500"
    assert spans[1]["error.type"].startswith("periskope_async.errors.")
    backoffs = [wait for wait in telemetry.waits() if attributes(wait)["periskope.wait.reason"] == "backoff"]
    assert len(backoffs) == 2
    assert all(wait.end_time >= wait.start_time for wait in backoffs if wait.end_time and wait.start_time)


async def test_refusals_and_waits_for_the_limit(telemetry: Telemetry) -> None:
    async with (
        Sandbox(chats=1, limit=2, window=0.3) as running,
        client_of(running, telemetry.hook(), limiter=RateLimiter(assume=RateLimit(3, 0.3))) as client,
    ):
        await asyncio.gather(*(client.list_chats(limit=1) for _ in range(3)))
        refusals = running.refusals
    assert refusals > 0
    assert sum(point.value for point in telemetry.metric("periskope.refusals")) == refusals
    reasons = {attributes(wait)["periskope.wait.reason"] for wait in telemetry.waits()}
    assert "refused" in reasons
    assert {
        point.attributes["periskope.wait.reason"] for point in telemetry.metric("periskope.wait.duration")
    } == reasons


async def test_a_request_that_did_not_wait_has_no_wait(telemetry: Telemetry) -> None:
    async with Sandbox(chats=1, limit=100) as running, client_of(running, telemetry.hook()) as client:
        for _ in range(5):
            await client.list_chats(limit=1)
    assert len(telemetry.requests()) == 5
    assert telemetry.waits() == []
    assert telemetry.metric("periskope.wait.duration") == []


async def test_a_cancelled_request_ends_its_span(telemetry: Telemetry) -> None:
    hook = telemetry.hook()
    async with Sandbox(chats=1, always=Slow(30.0)) as running, client_of(running, hook) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.list_chats(limit=1)
    (span,) = telemetry.requests()
    assert attributes(span)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_a_cancelled_wait_is_not_booked_to_the_next_call(telemetry: Telemetry) -> None:
    told: list[Event] = []
    async with (
        Sandbox(chats=1, limit=2, window=0.3, faults=[Status(500)]) as running,
        PeriskopeClient(
            running.api_key,
            base_url=running.base_url,
            hooks=[telemetry.hook(), told.append],
            retry=RetryPolicy(base=100.0, ceiling=100.0),
            limiter=RateLimiter(assume=RateLimit(2, 0.3)),
        ) as client,
    ):
        for _ in range(2):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.list_chats(limit=1)
        await client.list_chats(limit=1)
    # The calls one after another: each wait was told right before its request.
    waited = [
        event.waited
        for before, event in pairwise(told)
        if isinstance(before, Throttled) and isinstance(event, RequestSent)
    ]
    assert waited
    booked = [(wait.end_time or 0) - (wait.start_time or 0) for wait in telemetry.waits()]
    assert booked == pytest.approx([seconds * 1e9 for seconds in waited])
    assert any(isinstance(event, Retried) for event in told)


@pytest.mark.parametrize("error", [WaitTooLong, asyncio.CancelledError])
async def test_a_call_given_up_in_line_has_its_own_wait(telemetry: Telemetry, error: type[BaseException]) -> None:
    told: list[Event] = []
    hook = telemetry.hook()
    limiter = RateLimiter(assume=RateLimit(1, 60.0))
    async with (
        Sandbox(chats=1) as running,
        client_of(running, hook) as other,
        PeriskopeClient(
            running.api_key, base_url=running.base_url, hooks=[hook, told.append], limiter=limiter
        ) as client,
    ):
        (await limiter.acquire()).sent()

        async def two_calls() -> None:
            with pytest.raises(error):
                await client.list_chats(limit=1)
            await other.list_chats(limit=1)

        task = asyncio.create_task(two_calls())
        while not told:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0)
        if error is WaitTooLong:
            # As a refusal does that asks for a longer wait.
            limiter._fail_impatient(0.0, 1e9)
        else:
            task.cancel()
        await task
    assert [type(event).__name__ for event in told] == ["Throttled", "GaveUp"]
    (wait,) = telemetry.waits()
    failure = f"{error.__module__}.{error.__qualname__}"
    assert attributes(wait) == {"periskope.wait.reason": "limit", "error.type": failure}
    assert wait.status.status_code is StatusCode.ERROR
    assert [point.attributes for point in telemetry.metric("periskope.wait.duration")] == [attributes(wait)]


async def test_the_guide(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    defined = guide("opentelemetry")
    defined["tracer"] = telemetry.tracers.get_tracer("test")
    async with sandbox(monkeypatch):
        assert await defined["report"](telemetry.hook()) == 60
    parents = {span.parent.span_id for span in telemetry.requests() if span.parent}
    assert len(parents) == 1
    assert [point.value for point in telemetry.metric("periskope.rows")] == [60]


def test_without_opentelemetry_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from periskope_async import ConfigError\n"
        "try:\n    import periskope_async.otel\n"
        "except ConfigError as error:\n    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'periskope-async[otel]'" in ran.stdout
