"""Handles to wait for the delivery of a sent message or broadcast."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar, get_args

from periskope_async.errors import ConfigError, NotFoundError, SendError, TimeoutError_, ValidationError
from periskope_async.wire import inputs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from periskope_async.models.broadcast import Broadcast
    from periskope_async.models.message import Message
    from periskope_async.models.queue import CancelledBroadcast, MessageStatus, QueueJob, SendReceipt

__all__ = ["SentBroadcast", "SentMessage", "Until", "has_failed", "has_reached"]

T = TypeVar("T")

Until: TypeAlias = Literal["sent", "accepted", "delivered", "read"]
"""How far: handed to WhatsApp, taken by it, delivered to all, read by all."""

_STATES: tuple[Until, ...] = get_args(Until)
# https://docs.periskope.app/delivery-status. An ack never falls, so a later look finds it at least as high.
_ACKS: dict[str, int] = {"sent": 1, "accepted": 2, "delivered": 3, "read": 4}

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 10.0
_GROWTH = 1.5
# No document says whether a message is known all the way from the queue to WhatsApp: a gap is waited out.
_MOST_UNKNOWN = 5


class _Statuses(Protocol):
    """The part of the client needed by handles."""

    async def get_message_status(self, unique_id: str, *, phone: str | None = None) -> MessageStatus: ...

    async def list_queue_jobs(
        self, *, queue_id: str | None = None, broadcast_id: str | None = None, phone: str | None = None
    ) -> list[QueueJob]: ...

    async def get_broadcast(self, broadcast_id: str, *, phone: str | None = None) -> Broadcast: ...

    async def cancel_broadcast(self, broadcast_id: str) -> CancelledBroadcast: ...


def has_failed(status: MessageStatus) -> bool:
    """Whether a message will not be sent."""
    return status.ack == -1 or status.status == "failed"


def has_reached(status: MessageStatus, until: Until) -> bool:
    """Whether a message has come so far, by its ack, or by the word if there is no ack."""
    reached = status.ack if isinstance(status.ack, int) else _ACKS.get(status.status or "", 0)
    return reached >= _ACKS[until]


class SentMessage:
    """A message, queued or sent by the server."""

    def __init__(self, client: _Statuses, receipt: SendReceipt, phone: str | None) -> None:
        self._client = client
        self._phone = phone or (receipt.message and receipt.message.org_phone) or None
        self.receipt = receipt
        """The server's answer, with ``queue_position`` and ``hint``."""
        self.unique_id: str | None = receipt.unique_id or (receipt.message and receipt.message.unique_id) or None
        """Stays with the message for good. Old servers do not tell it at once; :meth:`wait` finds it."""

    @property
    def queue_id(self) -> str | None:
        """The id of its job in the queue; None if the server sent it at once."""
        return self.receipt.queue_id or None

    @property
    def message(self) -> Message | None:
        """The message itself, if the server waited until it was sent."""
        return self.receipt.message or None

    def __repr__(self) -> str:
        return f"<SentMessage unique_id={self.unique_id!r}, queue_id={self.queue_id!r}>"

    async def status(self) -> MessageStatus | None:
        """Look once how far it has come; None while nothing is known of it yet. Raises as reading calls do.

        Raises ConfigError if nobody told which phone has sent it.
        """
        try:
            return await self._look()
        except ValidationError as error:
            if self._phone is not None or not error.is_about("x-phone"):
                raise
            raise ConfigError(
                f"{self!r} was sent, but the server did not tell by which phone, and asks for one; "
                "look with get_message_status(unique_id, phone=…), and give phone=… to what you send",
                parameter="phone",
            ) from error

    async def _look(self) -> MessageStatus | None:
        if self.unique_id is None and self.queue_id is not None:
            jobs = await self._client.list_queue_jobs(queue_id=self.queue_id, phone=self._phone)
            self.unique_id = next((job.unique_id for job in jobs if job.unique_id), None)
        if self.unique_id is None:
            return None
        try:
            return await self._client.get_message_status(self.unique_id, phone=self._phone)
        except NotFoundError:
            return None

    async def wait(self, until: Until = "sent", *, timeout: float | None = 60.0) -> MessageStatus:  # noqa: ASYNC109 - what is known by then goes into the error
        """Wait until it has come so far: ``sent``, ``accepted``, ``delivered`` (to all), or ``read`` (by all).

        It asks again after 0.5 s, and then ever less often, up to every 10 s; each look passes the limit. A state
        passed between two looks is not missed, for the next look finds a later one. ``timeout`` is in seconds: 0 looks
        once, None sets no end. Raises SendError if it cannot be sent, NotFoundError if the server no longer knows it (a
        purge of the queue takes it away), TimeoutError_ if it takes longer, ConfigError, and the errors of reading
        calls. A cancel, or a timeout, leaves the message alone.
        """
        if until not in _STATES:
            raise ConfigError(f"until is {until!r:.100}; it takes {' or '.join(map(repr, _STATES))}", parameter="until")
        if self.unique_id is None and self.queue_id is None:
            raise ConfigError(
                "the server told neither a unique_id nor a queue_id, so this message cannot be followed",
                parameter="until",
            )

        def is_over(status: MessageStatus) -> bool:
            if has_failed(status):
                reason = status.status_description or status.status or None
                raise SendError(f"{self!r} was not sent: {reason}", unique_id=self.unique_id, reason=reason)
            return has_reached(status, until)

        return await _poll(self.status, is_over, f"{self!r} to be {until}", timeout)


class SentBroadcast:
    """A broadcast, accepted by the server."""

    def __init__(self, client: _Statuses, broadcast_id: str, phone: str | None) -> None:
        self._client = client
        self._phone = phone
        self.broadcast_id = broadcast_id

    def __repr__(self) -> str:
        return f"<SentBroadcast {self.broadcast_id!r}>"

    async def status(self) -> Broadcast | None:
        """Look once how far it has come, with its counts; None while nothing is known of it yet."""
        try:
            return await self._client.get_broadcast(self.broadcast_id, phone=self._phone)
        except NotFoundError:
            return None

    async def cancel(self) -> CancelledBroadcast:
        """Call it off, as :meth:`PeriskopeClient.cancel_broadcast` does. Raises as that does."""
        return await self._client.cancel_broadcast(self.broadcast_id)

    async def wait(self, *, timeout: float | None = 600.0) -> Broadcast:  # noqa: ASYNC109 - as in SentMessage.wait
        """Wait until nothing more will be sent, and get the counts: see ``sent_chats`` and ``failed_chats``.

        Asks, waits and raises as :meth:`SentMessage.wait` does; failed chats are counted, not raised.
        """
        return await _poll(self.status, lambda found: found.is_done, f"{self!r} to end", timeout)


async def _poll(
    look: Callable[[], Awaitable[T | None]],
    is_over: Callable[[T], bool],
    what: str,
    timeout: float | None,  # noqa: ASYNC109 - as above
) -> T:
    """Look again and again until it is over, ever less often."""
    inputs.seconds("timeout", timeout)
    wait = _FIRST_WAIT
    latest: T | None = None
    unknown = 0
    # With 0 seconds there is one look, as long as any other call may take.
    deadline = asyncio.timeout(timeout or None)
    try:
        async with deadline:
            while True:
                found = await look()
                if found is not None and is_over(found):
                    return found
                latest, unknown = (latest, unknown + 1) if found is None else (found, 0)
                if latest is not None and unknown >= _MOST_UNKNOWN:
                    raise NotFoundError(
                        f"waited for {what}; the latest was {latest!r}, and it is no longer known: "
                        "a purge of the queue may have taken it",
                        status=404,
                    )
                if timeout == 0:
                    break
                await asyncio.sleep(wait)
                wait = min(wait * _GROWTH, _LONGEST_WAIT)
    except TimeoutError as error:
        # A timeout of one of the calls has its own story to tell.
        if isinstance(error, TimeoutError_) or not deadline.expired():
            raise
    if latest is None:
        known = "nothing is known of it yet"
    else:
        known = f"the latest was {latest!r}, and it is no longer known" if unknown else f"the latest is {latest!r}"
    raise TimeoutError_(f"waited {timeout} s for {what}; {known}", phase="total", retryable=True)
