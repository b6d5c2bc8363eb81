"""OpenTelemetry: a hook to turn a client's events into spans and metrics. Needs the extra ``otel``.

Names follow the semantic conventions of HTTP clients (https://opentelemetry.io/docs/specs/semconv/http/). Names outside
the conventions begin with ``periskope.``.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.events import (
    Event,
    GaveUp,
    PageRead,
    RequestFailed,
    RequestSent,
    ResponseReceived,
    Retried,
    Throttled,
)
from periskope_async.versions import version_of

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as error:
    raise ConfigError(
        "periskope_async.otel needs opentelemetry-api; install it with: pip install 'periskope-async[otel]'"
    ) from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["OpenTelemetryHook"]

_NAME = "periskope_async"
_REFUSED = 429
_FIRST_ERROR = 400
# The conventions' buckets for durations.
_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
# The parts of a path other than ids; the version in the base URL is one.
_WORD = re.compile("[a-z][a-z_-]*|v[0-9]+")
# Ids of chats hold phone numbers.
_PERSONAL = re.compile(r"=[^&]*(?:@|%40|[0-9]{7})[^&]*")
_PORTS = {"http": 80, "https": 443}

_Attributes: TypeAlias = dict[str, str | int]


class _Request(Struct):
    """A request in flight."""

    span: Span
    began: float
    attributes: _Attributes


class OpenTelemetryHook:
    """Give it to a client as one of its ``hooks``. It reports to the global providers, or to those given here.

    Each request is a span, a retry one with ``http.request.resend_count``; each wait for the limit or between two tries
    is a span ``periskope.wait``, with ``error.type`` if the call was given up in line. A cancelled pause between two
    tries has none. Ids in addresses are left out, as they hold phone numbers; ``show_ids`` keeps them. One hook serves
    any number of clients.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        show_ids: bool = False,
    ) -> None:
        self._show_ids = show_ids
        version = version_of("periskope-async")
        self._tracer = trace.get_tracer(_NAME, version, tracer_provider)
        meter = metrics.get_meter(_NAME, version, meter_provider)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._wait = meter.create_histogram(
            "periskope.wait.duration",
            unit="s",
            description="Seconds that a call waited, for the limit or between two tries.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._limit = meter.create_gauge("periskope.rate_limit.limit", unit="{request}", description="Per window.")
        self._remaining = meter.create_gauge(
            "periskope.rate_limit.remaining", unit="{request}", description="Left, as the last answer says."
        )
        self._refusals = meter.create_counter("periskope.refusals", unit="{request}", description="Answers of 429.")
        self._rows = meter.create_counter("periskope.rows", unit="{row}", description="New rows that walks have read.")
        # A task has one request in flight at a time, and its events come in the same task.
        self._requests: WeakKeyDictionary[asyncio.Task[Any], _Request] = WeakKeyDictionary()
        self._reasons: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        self._failed_at: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()

    def __call__(self, event: Event, /) -> None:
        """Take an event of a client."""
        if isinstance(event, PageRead):
            self._rows.add(event.placed)
        elif (task := asyncio.current_task()) is not None:
            self._on_request_event(task, event)

    def _on_request_event(self, task: asyncio.Task[Any], event: Event) -> None:
        match event:
            case RequestSent():
                self._book_waits(task, event)
                self._requests[task] = self._begun(event)
            case ResponseReceived(meta=meta):
                if (request := self._requests.pop(task, None)) is not None:
                    request.attributes["http.response.status_code"] = meta.status
                    if meta.trace_id is not None:
                        request.span.set_attribute("periskope.trace_id", meta.trace_id)
                    self._end(request, str(meta.status) if meta.status >= _FIRST_ERROR else None)
                    self._book_limit(event, request.attributes)
            case RequestFailed(error=error):
                if (request := self._requests.pop(task, None)) is not None:
                    self._end(request, _type_of(error))
            case GaveUp(error=error):
                self._book_waits(task, event, _type_of(error))
            case Retried(wait=wait) if wait > 0:
                self._failed_at[task] = time.time_ns()
            case Throttled(reason=reason):
                self._reasons[task] = reason
            case _:
                pass

    def _begun(self, event: RequestSent) -> _Request:
        address = urlsplit(event.url)
        template = _template(event.target.partition("?")[0])
        attributes: _Attributes = {
            "http.request.method": event.method,
            "server.address": address.hostname or "",
            "server.port": address.port or _PORTS.get(address.scheme, 0),
            "url.template": template,
        }
        url = event.url if self._show_ids else _without_ids(address)
        shown: _Attributes = {**attributes, "url.full": url, "url.scheme": address.scheme}
        if event.attempt > 1:
            shown["http.request.resend_count"] = event.attempt - 1
        span = self._tracer.start_span(f"{event.method} {template}", kind=SpanKind.CLIENT, attributes=shown)
        return _Request(span, time.perf_counter(), attributes)

    def _end(self, request: _Request, failure: str | None) -> None:
        if failure is not None:
            request.attributes["error.type"] = failure
            request.span.set_status(Status(StatusCode.ERROR))
        request.span.set_attributes(request.attributes)
        request.span.end()
        self._duration.record(time.perf_counter() - request.began, request.attributes)

    def _book_limit(self, event: ResponseReceived, attributes: _Attributes) -> None:
        server = {name: attributes[name] for name in ("server.address", "server.port")}
        told = event.meta.rate_limit
        if told.limit is not None:
            self._limit.set(told.limit, server)
        if told.remaining is not None:
            self._remaining.set(told.remaining, server)
        if event.meta.status == _REFUSED:
            self._refusals.add(1, server)

    def _book_waits(self, task: asyncio.Task[Any], event: RequestSent | GaveUp, failure: str | None = None) -> None:
        """Book the waits over by now. A cancelled pause is forgotten: the task may be in another call by now."""
        now = time.time_ns()
        admitted_from = now - round(event.waited * 1e9)
        failed_at = self._failed_at.pop(task, None)
        reason = self._reasons.pop(task, None)
        if failed_at is not None and event.attempt > 1:
            self._book_wait("backoff", failed_at, admitted_from)
        # A request that went at once took its microseconds too.
        if reason is not None:
            self._book_wait(reason, admitted_from, now, failure)

    def _book_wait(self, reason: str, since: int, until: int, failure: str | None = None) -> None:
        attributes = {"periskope.wait.reason": reason}
        if failure is not None:
            attributes["error.type"] = failure
        span = self._tracer.start_span("periskope.wait", start_time=since, attributes=attributes)
        if failure is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(until)
        self._wait.record(max(until - since, 0) / 1e9, attributes)


def _type_of(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _template(path: str) -> str:
    return "/".join(part if not part or _WORD.fullmatch(part) else "{id}" for part in path.split("/"))


def _without_ids(address: SplitResult) -> str:
    query = _PERSONAL.sub("=REDACTED", address.query)
    return urlunsplit((address.scheme, address.netloc, _template(address.path), query, ""))
