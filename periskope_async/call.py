"""One call: gate → send → headers (booked at once) → body → classify → retry, until it is answered.

Whether a body is whole may be seen only when it is read, and a walk reads its pages in order. So a call can be taken up
again: :class:`Reply` reads an answer, and asks for the next try's if it broke off.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from periskope_async.errors import (
    APIError,
    BodyError,
    ClosedError,
    DecodeError,
    OutcomeUnknown,
    PeriskopeError,
    RateLimitError,
    TransportError,
)
from periskope_async.events import GaveUp, Hook, RequestFailed, RequestSent, ResponseReceived, Retried, announce
from periskope_async.frames import hide_frames
from periskope_async.printable import one_line
from periskope_async.retry import may_ask_again, next_wait
from periskope_async.transport import exchange
from periskope_async.wire.answer import foreign_error, status_error

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Sequence

    import aiohttp

    from periskope_async.cache import CacheSlot, PageCache
    from periskope_async.config import Config
    from periskope_async.decoding.opened import Steps
    from periskope_async.limits.limiter import Limiter
    from periskope_async.limits.permit import Permit
    from periskope_async.meta import ResponseMeta
    from periskope_async.transport import Answer
    from periskope_async.wire.request import Request

__all__ = ["Call", "CallContext", "Costs", "Reply"]

T = TypeVar("T")
_Failure: TypeAlias = TransportError | APIError | DecodeError

# The logger has a name known to users: the session sends.
logger = logging.getLogger("periskope_async.session")

_MOST_REDIRECTS = 3
_LOCATION_CHARACTERS = 100
_LOGGED_CHARACTERS = 700
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A server may have carried out the request before one of these: 307 and 308 ask for the same request elsewhere instead.
_DONE_ELSEWHERE = frozenset({301, 302, 303})
# The base URL is wrong where one of these leads to another host.
_FOR_GOOD = frozenset({301, 308})


class Costs(Protocol):
    """The costs of a call, booked as they arise, however it ends."""

    requests: int
    seconds_waited: float


class CallContext(Struct, frozen=True, kw_only=True):
    """What all calls of a session share."""

    session: aiohttp.ClientSession
    config: Config
    limiter: Limiter
    closing: asyncio.Event
    hooks: Sequence[Hook]
    rng: random.Random
    is_lent: bool
    """Whether the session is not ours."""


class Call(Struct, kw_only=True):
    """A request on its way, with its costs so far."""

    context: CallContext
    request: Request
    is_bulk: bool
    cache: PageCache | None = None
    costs: Costs | None = None
    permit: Permit | None = None
    """The permit of the latest request; None before a next try."""
    tries: int = 0
    refusals: int = 0
    """How many of the tries were refused, and waited for by the limiter."""
    refused_at: float = 0.0
    """The seconds that the call had taken at the first of them."""
    requests: int = 0
    waited: float = 0.0
    waited_for_limit: float = 0.0
    """The part of it in line for the limit; the rest is back-off."""
    seconds: float = 0.0
    """How long it has taken by now; the time between an answer and the reading of it is not in it."""
    last_meta: ResponseMeta | None = None

    async def answer(self, *, wait: float = 0.0) -> Answer:
        """Send until a success comes back, or a failure not worth another try; first ``wait`` so many seconds.

        A 304 for a cached page is a success, with that page's body.
        """
        clock = asyncio.get_running_loop().time
        began = clock() - self.seconds
        try:
            while True:
                if wait > 0:
                    await self.pause(wait)
                self.tries += 1
                try:
                    return await self._try()
                except (TransportError, APIError, DecodeError) as failure:
                    self.seconds = clock() - began
                    wait = self.wait_after(failure)
        finally:
            self.seconds = clock() - began

    def wait_after(self, failure: _Failure) -> float:
        """Give the seconds to wait after a failed try. Raises the failure if no other try follows.

        Raises OutcomeUnknown if the try may have carried out a write.
        """
        if self._may_have_done(failure):
            raise self.outcome_unknown(failure) from failure
        permit, self.permit = self.permit, None
        if self.context.closing.is_set():
            raise ClosedError(f"the client was closed during {self.request.name}") from failure
        if isinstance(failure, RateLimitError) and permit is not None and permit.has_books:
            # The limiter holds back the next try. A wait here would be the second one.
            wait, when = self._wait_after_refusal(failure), "as the limit allows"
        else:
            wait = next_wait(
                self.context.config.retry,
                is_write=self.request.is_write,
                attempt=self.tries - self.refusals,
                error=failure,
                elapsed=self.seconds - self.waited_for_limit,
                rng=self.context.rng,
            )
            when = f"in {wait:.2f} s" if wait is not None else ""
        if wait is None:
            self._give_up(failure)
        said = one_line(failure.message, limit=_LOGGED_CHARACTERS)
        logger.warning("%s: try %d failed, next %s: %s", self.request.name, self.tries, when, said)
        self._tell(Retried, wait=wait, error=failure)
        return wait

    def _wait_after_refusal(self, failure: RateLimitError) -> float | None:
        if not self.refusals:
            self.refused_at = self.seconds
        self.refusals += 1
        refused_for = self.seconds - self.refused_at
        return 0.0 if may_ask_again(self.context.config.retry, failure, refused_for=refused_for) else None

    @property
    def is_in_doubt(self) -> bool:
        """Whether a write is out, and no answer has come."""
        return self.request.is_write and self.permit is not None and self.permit.may_have_left

    def outcome_unknown(self, cause: PeriskopeError) -> OutcomeUnknown:
        """Make the error of a sent write with an unknown outcome."""
        meta = cause.meta
        if meta is not None and meta.status < 300:  # noqa: PLR2004 - HTTP's own
            known = f"the server answered {meta.status}, so it was probably carried out"
        else:
            known = "it was sent, and may have been carried out or not"
        look_at = self.request.look_at
        advice = f"look at {look_at} before you send it again" if look_at else "find out before you send it again"
        return OutcomeUnknown(
            f"{self.request.name}: {known}; {advice} ({cause.message})",
            method=self.request.method,
            target=self.request.target,
            look_at=look_at,
            meta=meta,
        )

    def _may_have_done(self, failure: _Failure) -> bool:
        """Whether the server may have carried out a write before the try failed."""
        if not self.request.is_write:
            return False
        if isinstance(failure, APIError):
            return failure.status >= 500 or failure.status in _DONE_ELSEWHERE  # noqa: PLR2004 - HTTP's own
        if failure.meta is None:
            return self.is_in_doubt
        # A refusal stays one, however little of its body came.
        return not 400 <= failure.meta.status < 500  # noqa: PLR2004 - HTTP's own

    async def _try(self) -> Answer:
        """One try. A redirect on the way costs a request of the budget, as it does at the server."""
        url = URL(self.context.config.base_url + self.request.target, encoded=True)
        answer = await self._send(url)
        for _ in range(_MOST_REDIRECTS):
            # A write goes to one address only. Nobody can tell how often it is done if a server passes it on.
            if answer.meta.status not in _REDIRECTS or answer.location is None or self.request.is_write:
                break
            url = self._onward(url, answer)
            answer = await self._send(url)
        if 200 <= answer.meta.status < 300 or answer.meta.bytes_saved:  # noqa: PLR2004 - HTTP's own
            if foreign := foreign_error(
                answer.meta,
                answer.body,
                is_length_sure=answer.is_length_sure,
                expects=self.request.expects,
                is_write=self.request.is_write,
            ):
                raise foreign
            return answer
        raise status_error(answer.meta, answer.body, self.request)

    async def _send(self, url: URL) -> Answer:
        permit = self.permit = await self.wait_for_limit()
        self._book_wait(permit.seconds_waited)
        self.waited_for_limit += permit.seconds_waited
        self.requests += 1
        if self.costs is not None:
            self.costs.requests += 1
        context = self.context
        try:
            slot = self._slot(url)
            if context.hooks:
                self._tell(RequestSent, url=str(url), waited=permit.seconds_waited)
            answer = await exchange(
                context.session,
                self.request,
                url,
                context.config,
                permit,
                is_lent=context.is_lent,
                slot=slot,
                attempts=self.requests,
                waited=self.waited,
            )
        except BaseException as error:
            hide_frames(error)
            self._tell(RequestFailed, error=error)
            if isinstance(error, asyncio.CancelledError) and self.costs is not None and not permit.was_sent:
                self.costs.requests -= 1
            if isinstance(error, asyncio.CancelledError) and self.is_in_doubt:
                error.add_note(f"{self.request.name} was sent, and may have been carried out or not")
            raise
        finally:
            # The request may have been sent, and no headers came, if nothing better was booked.
            permit.lost()
        if slot is not None and (page := slot.page_for(answer.meta.status)) is not None:
            meta = replace(answer.meta, content_type=page.content_type, bytes_saved=len(page.body))
            answer = replace(answer, meta=meta, body=page.body)
        self.last_meta = answer.meta
        if context.hooks:
            self._tell(ResponseReceived, meta=answer.meta)
        return answer

    def _slot(self, url: URL) -> CacheSlot | None:
        """Look up one hop in the cache: an ETag speaks of one address, so a redirect's end has its own."""
        if self.cache is None:
            return None
        config = self.context.config
        return self.cache.slot(str(url), phone=self.request.phone, api_key=config.api_key, max_body=config.max_body)

    def _onward(self, url: URL, answer: Answer) -> URL:
        """Give a redirect's target, on the same scheme, host and port. Raises APIError if it leads elsewhere."""
        location = answer.location or ""
        try:
            # A user in the address would be a second credential beside the key, and of somebody else's choice.
            onward = url.join(URL(location)).with_user(None)
        except ValueError:
            where = f"'{one_line(location, limit=_LOCATION_CHARACTERS)}', which is no address of a web server"
        else:
            if (onward.scheme, onward.host, onward.port) == (url.scheme, url.host, url.port):
                return onward
            where = "another host, port or scheme, which must not get the API key"
        raise APIError(
            f"{answer.meta.status} on {self.request.name}: redirected to {where}; check base_url",
            status=answer.meta.status,
            body=answer.body,
            meta=answer.meta,
            is_detour=answer.meta.status not in _FOR_GOOD,
        )

    def _book_wait(self, seconds: float) -> None:
        self.waited += seconds
        if self.costs is not None:
            self.costs.seconds_waited += seconds

    def _tell(
        self, kind: type[RequestSent | RequestFailed | ResponseReceived | GaveUp | Retried], **facts: Any
    ) -> None:
        if self.context.hooks:
            announce(
                self.context.hooks,
                kind(method=self.request.method, target=self.request.target, attempt=self.tries, **facts),
            )

    def _give_up(self, failure: _Failure) -> NoReturn:
        """Raise the last failure as it is, with its costs."""
        if isinstance(failure, TransportError):
            failure.attempts = self.requests
        if self.tries > 1:
            failure.add_note(f"given up after {self.tries} tries")
        raise failure

    async def wait_for_limit(self) -> Permit:
        """Wait until the limit allows the next request."""
        clock, context = asyncio.get_running_loop().time, self.context
        began = clock()
        try:
            return await context.limiter.acquire(is_retry=self.requests > 0, is_bulk=self.is_bulk, hooks=context.hooks)
        except BaseException as error:
            self._tell(GaveUp, error=error, waited=clock() - began)
            raise

    async def pause(self, seconds: float) -> None:
        """Sleep between two tries, or until the client closes."""
        self._book_wait(seconds)
        try:
            async with asyncio.timeout(seconds):
                await self.context.closing.wait()
        except TimeoutError:
            return
        raise ClosedError(f"the client was closed while {self.request.name} waited for its next try")


class Reply:
    """The answer of a call, to be read. It holds the latest try's, and may be read again."""

    __slots__ = ("_answer", "_go_on")

    def __init__(self, answer: Answer, go_on: Callable[[BodyError | DecodeError], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._go_on = go_on

    async def read(self, reader: Callable[[bytes, ResponseMeta], Steps[T]]) -> T:
        """Read the body with ``reader``. The call goes on with its next try if the body broke off.

        It yields to the loop after each step. Raises DecodeError, and the call's errors: OutcomeUnknown for a write,
        since an unreadable success says no more.
        """
        while True:
            try:
                return await self._answer.read(reader)
            except (BodyError, DecodeError) as error:
                failure = error
            self._answer = await self._go_on(failure)
