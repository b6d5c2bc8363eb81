"""The loop that most people write: aiohttp, ``resp.json()``, and ``json.dumps`` for each line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from benchmarks.export.programs.harness import KEY, Job, Outcome, main


async def _export(job: Job) -> None:
    offset = 0
    headers = {"Authorization": f"Bearer {KEY}"}
    with Path(job.out).open("w", encoding="utf-8") as file:  # noqa: ASYNC230 - as such loops do
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                params = {"offset": offset, "limit": job.page_size}
                async with session.get(f"{job.base_url}/chats", params=params) as response:
                    chats = (await response.json())["chats"]
                file.writelines(json.dumps(chat) + "\n" for chat in chats)
                offset += len(chats)
                if len(chats) < job.page_size:
                    return


def _run(job: Job, _: Outcome) -> None:
    asyncio.run(_export(job))


if __name__ == "__main__":
    main(_run)
