"""Exports spread over the workers of a streaQ queue. Needs the extra ``workers``, and Redis 7 or later, or Valkey.

A job is one source of an :class:`ExportPlan`. It may be run twice: its checkpoint is beside its file in a folder shared
by all workers, a lock keeps a second run out, and a complete part is not read again.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import re
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from periskope_async import ConfigError, ExportBusyError, ExportError, PeriskopeClient, SharedLimiter
from periskope_async.export import ExportPlan, run_plan
from periskope_async.export.manifest import read_manifest
from periskope_async.export.parts import PartsManifest, parts_path, sum_up
from periskope_async.export.spool import log_path
from periskope_async.export.threads import in_thread
from periskope_async.wire import inputs

try:
    from coredis.exceptions import ConnectionError as RedisConnectionError
    from streaq import StreaqRetry, TaskStatus, Worker
except ImportError as error:
    raise ConfigError(
        "periskope_async.workers needs streaq; install it with: pip install 'periskope-async[workers]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from streaq.task import Task

__all__ = ["ExportWorkers", "Plans"]

logger = logging.getLogger(__name__)

Plans: TypeAlias = "Callable[[PeriskopeClient], Mapping[str, ExportPlan]]"
"""Gives the plans by name, for a client. It must give the same in each process."""

_NAME = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*")
_RESULTS_KEPT = timedelta(days=7)
_SECONDS_UNTIL_FREE = 2
_SECONDS_UNTIL_TAKEN = 10
_SECONDS_BETWEEN_LOOKS = 10
_HASH_CHARACTERS = 32


class ExportWorkers:
    """Exports all sources of some plans, each into a file ``FOLDER/PLAN/SOURCE.FORMAT``, on any number of workers.

    A plan of one pager goes into ``FOLDER/PLAN.FORMAT``. The format is ``jsonl`` if a plan names none.

    Give ``self.worker`` to ``streaq run``. Another worker takes up a dead worker's job after ``idle_timeout`` seconds,
    behind its checkpoint. All workers share the limit over the same Redis. ``make_client`` gets it as ``limiter``; it
    is also called with None, here and without a running loop, for its API key.

    A folder is one export: for a later one give another folder, and start workers for it. Jobs go only to workers with
    the same folder and API key.

    The folder must be on a disk with locks visible to all machines: one machine's, or NFS 4. If its path is not the
    same on all of them, give each the same ``name``: it takes the place of the path.

    Raises ConfigError if an argument is wrong, or if there is no API key.
    """

    def __init__(
        self,
        redis_url: str,
        plans: Plans,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        idle_timeout: float = 30.0,
        make_client: Callable[..., PeriskopeClient] = PeriskopeClient,
    ) -> None:
        if not callable(plans):
            raise ConfigError(
                f"plans is {plans!r:.100}; give a function of a client that gives the plans by name", parameter="plans"
            )
        if not isinstance(redis_url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
            # It is not shown: a password may be in it.
            raise ConfigError(f"redis_url is a {type(redis_url).__name__}; give it as a str", parameter="redis_url")
        inputs.seconds("idle_timeout", idle_timeout)
        self._plans = plans
        self._folder = Path(folder).resolve()

        @asynccontextmanager
        async def lifespan() -> AsyncGenerator[PeriskopeClient]:
            async with SharedLimiter(redis_url) as limiter, make_client(limiter=limiter) as client:
                yield client

        self._make_client = make_client
        self.worker: Worker[PeriskopeClient] = Worker(
            inputs.text("redis_url", redis_url),
            concurrency=1,
            queue_name=_queue_name(make_client(limiter=None), str(self._folder) if name is None else name),
            lifespan=lifespan,
            serializer=json.dumps,  # pickle would run anybody's code from Redis
            deserializer=json.loads,
            idle_timeout=idle_timeout,
        )
        # One job at a time, and none in advance: it would wait for this one's end, or after SIGTERM for idle_timeout.
        self.worker.prefetch = 1
        # Each death of a worker counts as a try.
        self._job = self.worker.task(name="export", max_tries=None, ttl=_RESULTS_KEPT)(self._run)

    async def export(self) -> PartsManifest:
        """Hand out all jobs, and wait for their end. The same call again goes on, also after this process has died.

        Jobs that Redis has lost are handed out again, with a WARNING.

        Raises ExportError if jobs failed, with the error of each.
        """
        async with self._make_client(limiter=None) as client:
            paths = self._paths(client)
        await in_thread(parts_path, self._folder)
        while (failures := await self._hand_out(paths)) is None:
            logger.warning("Redis has lost the jobs of %r; they are handed out again", str(self._folder))
        if failed := [f"{path}: {why}" for path, why in zip(paths.values(), failures, strict=True) if why]:
            raise ExportError(f"{len(failed)} of {len(paths)} jobs failed; the same call goes on: {failed}")
        if (manifest := await in_thread(sum_up, self._folder, list(paths.values()))) is None:
            raise ExportError(
                f"parts are gone from {str(self._folder)!r}; see that it is one disk for all workers, then call again"
            )
        return manifest

    async def _hand_out(self, jobs: Iterable[tuple[str, str]]) -> list[str] | None:
        """Hand out jobs, and wait for what each says of its failure. Give None if Redis has lost one."""
        failures: list[str] = []
        async with self.worker:
            tasks = [self._job.enqueue(*job) for job in jobs]
            await self.worker.enqueue_many(tasks)
            await self._warn_if_none_is_taken(tasks)
            for task in tasks:
                if (why := await _outcome(task)) is None:
                    return None
                failures.append(why)
        return failures

    async def _warn_if_none_is_taken(self, tasks: Sequence[Task[..., str]]) -> None:
        """Say what to start if no job of this queue is begun: without workers they wait without end."""
        if not tasks:
            return
        try:
            await tasks[0].result(timeout=timedelta(seconds=_SECONDS_UNTIL_TAKEN))
        except TimeoutError:
            if not await self.worker.get_tasks_by_status(TaskStatus.RUNNING, limit=1):
                logger.warning(
                    "no worker has begun a job of %r within %g s; start one with the same folder (or name) and "
                    "API key, as by: streaq run jobs:worker",
                    str(self._folder),
                    _SECONDS_UNTIL_TAKEN,
                )

    async def _run(self, plan: str, source: str) -> str:
        """Export one source. Give why it failed: an exception would be no JSON."""
        try:
            paths = self._paths(self.worker.context)
            if (path := paths.get((plan, source))) is None:
                return f"the worker has no source {source!r} in the plan {plan!r}; start it anew with it"
            await in_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
            if not await in_thread(_is_done, path):
                chosen = self._plans(self.worker.context)[plan]
                await run_plan(replace(chosen, sources={source: chosen.pagers[source]}), path)
            await in_thread(sum_up, self._folder, list(paths.values()))
        except ExportBusyError as error:
            # Its worker was taken for dead, or the same export was asked for twice.
            raise StreaqRetry(str(error), delay=_SECONDS_UNTIL_FREE) from None
        except Exception as error:  # noqa: BLE001 - who asked is to be told, also of what their plans raise
            return f"{type(error).__name__}: {error}"
        return ""

    def _paths(self, client: PeriskopeClient) -> dict[tuple[str, str], Path]:
        """Name the file of each job. Raises ConfigError if a name cannot be a file's."""
        paths: dict[tuple[str, str], Path] = {}
        for name, plan in self._plans(client).items():
            for source in plan.pagers:
                names = [name, source] if source else [name]
                if not all(map(_NAME.fullmatch, names)):
                    raise ConfigError(f"{names} are to name a file; give letters, digits and . _ + @ -")
                paths[name, source] = self._folder.joinpath(*names[:-1], f"{names[-1]}.{plan.format or 'jsonl'}")
        return paths


async def _outcome(task: Task[..., str]) -> str | None:
    """Wait for a job's end. Give what it says; None if Redis has lost it, as by a restart without its data."""
    while True:
        try:
            with suppress(TimeoutError):
                return (await task.result(timeout=timedelta(seconds=_SECONDS_BETWEEN_LOOKS))).result
            if await task.status() is TaskStatus.NOT_FOUND:
                return None
        except* RedisConnectionError:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


def _queue_name(client: PeriskopeClient, name: str) -> str:
    """Name the queue of an export. Redis shows it to others, so it is a hash that none can guess without the key."""
    api_key = client._config.api_key  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - one of our own
    hashed = hmac.new(api_key.reveal().encode(), os.fsencode(name), "sha256").hexdigest()
    return f"periskope-export-{hashed[:_HASH_CHARACTERS]}"


def _is_done(path: Path) -> bool:
    """Whether an earlier run has ended, and not just before its last step."""
    return path.exists() and read_manifest(path) is not None and not log_path(path).exists()
