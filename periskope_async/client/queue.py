"""The queue of outgoing messages, one for each phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from periskope_async.client.base import BaseClient
from periskope_async.decoding.objects import many_of, one_of
from periskope_async.errors import ConfigError
from periskope_async.models.broadcast import Broadcast
from periskope_async.models.queue import PurgeResult, QueueHealth, QueueJob, QueueStatus
from periskope_async.wire import inputs
from periskope_async.wire.request import Request, encoded

if TYPE_CHECKING:
    from periskope_async.wire.inputs import Words

__all__ = ["QueueMethods"]


class QueueMethods(BaseClient):
    """The client's methods for the queue (https://docs.periskope.app/api-reference/message/queue-health)."""

    async def get_queue_health(self, *, phone: str | None = None) -> QueueHealth:
        """Read the number of jobs in each state of the phone's queue. Raises as :meth:`list_chats` does."""
        return await self._read("/message/queues/health", one_of(QueueHealth), phone=self._phone(phone))

    async def get_queue_status(self, *, phone: str | None = None) -> QueueStatus:
        """Read the older form of :meth:`get_queue_health`. It also tells whether the queue runs. Deprecated.

        Source: https://docs.periskope.app/api-reference/queues/get-queue-status. Raises as :meth:`list_chats` does.
        """
        return await self._read("/queue", one_of(QueueStatus), phone=self._phone(phone))

    async def list_queue_jobs(
        self, *, queue_id: str | None = None, broadcast_id: str | None = None, phone: str | None = None
    ) -> list[QueueJob]:
        """Read the jobs of the phone's queue: all, one, or those of one broadcast. The list has no pages.

        Source: https://docs.periskope.app/api-reference/message/list-queue-jobs. Raises as :meth:`list_chats` does.
        """
        body = inputs.json_body(_chosen(queue_id, broadcast_id))
        # This POST changes nothing: it is retried as reads are.
        request = Request(method="POST", target="/message/queues", phone=self._phone(phone), body=body)
        return await (await self._manager.fetch(request)).read(many_of(QueueJob))

    async def get_broadcast(self, broadcast_id: str, *, phone: str | None = None) -> Broadcast:
        """Read how far a broadcast has come, with its counts. Raises as :meth:`list_chats` does.

        Source: GET /queue/broadcast of the official client.
        """
        target = f"/queue/broadcast?broadcast_id={encoded(inputs.path_id('broadcast_id', broadcast_id))}"
        return await self._read(target, one_of(Broadcast), phone=self._phone(phone))

    async def purge_queue(
        self,
        *,
        queue_ids: Words | None = None,
        broadcast_id: str | None = None,
        everything: bool = False,
        phone: str | None = None,
    ) -> PurgeResult:
        """Take jobs out of the queue, so that their messages are not sent: some, those of a broadcast, or everything.

        Exactly one of the three must be named: the server takes an empty request for everything. ``purged`` of the
        answer is False if it was not done.

        Source: https://docs.periskope.app/api-reference/message/purge-queue-jobs. Waits for the limit. Raises
        ConfigError, ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
        """
        named = [queue_ids is not None, broadcast_id is not None, inputs.flag("everything", everything)]
        if sum(map(bool, named)) != 1:
            raise ConfigError(
                "purge_queue takes exactly one of queue_ids=[…], broadcast_id=… and everything=True",
                parameter="queue_ids",
            )
        values = {
            "queue_ids": None if queue_ids is None else inputs.texts("queue_ids", queue_ids),
            "broadcast_id": None if broadcast_id is None else inputs.path_id("broadcast_id", broadcast_id),
        }
        return await self._write(
            "POST",
            "/message/queues/purge",
            one_of(PurgeResult, may_be_blank=False),
            body=inputs.json_body(values),
            phone=self._phone(phone),
            look_at="list_queue_jobs",
        )


def _chosen(queue_id: str | None, broadcast_id: str | None) -> dict[str, str | None]:
    return {
        "queue_id": None if queue_id is None else inputs.path_id("queue_id", queue_id),
        "broadcast_id": None if broadcast_id is None else inputs.path_id("broadcast_id", broadcast_id),
    }
