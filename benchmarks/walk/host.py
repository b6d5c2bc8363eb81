"""A sandbox in a process of its own, so that its work does not hold the loop that is measured: ``python -m``."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp

from periskope_async.sandbox import Body, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["hosted"]

_NO_LIMIT = 100_000


@contextlib.asynccontextmanager
async def hosted(chats: int, *, is_one_page: bool = False) -> AsyncGenerator[str]:
    """Serve so many chats; give the base URL. ``is_one_page``: each answer holds them all, whatever limit is asked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.walk.host", str(chats), "one" if is_one_page else "many"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def _serve(chats: int, *, is_one_page: bool) -> None:
    async with Sandbox(chats=chats, limit=_NO_LIMIT, max_limit=max(chats, 2000)) as whole:
        headers = {"Authorization": f"Bearer {whole.api_key}"}
        # Rows are made when first asked for; nobody shall wait for that later.
        url = f"{whole.base_url}/chats?limit={chats}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
            content = await response.read()
        always = Body(content, "application/json") if is_one_page else None
        async with Sandbox(chats=chats, limit=_NO_LIMIT, always=always) as sandbox:
            print((sandbox if is_one_page else whole).base_url, flush=True)
            # Ends with the parent, in whatever way that ends.
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), is_one_page=sys.argv[2] == "one"))
