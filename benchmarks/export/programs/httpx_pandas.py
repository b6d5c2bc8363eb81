"""httpx, pydantic and pandas to Parquet: typed pages, each a frame, and one file of all frames."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import Any

import httpx

from benchmarks.compare.programs.pydantic_models import ChatPage
from benchmarks.export.programs.harness import KEY, Job, Outcome, main

# It is in the rivals' environment only.
pd: Any = import_module("pandas")


def _frame(page: ChatPage) -> Any:
    return pd.DataFrame([{name: _flat(value) for name, value in chat.model_dump().items()} for chat in page.chats])


def _flat(value: Any) -> Any:
    # A map becomes a struct with a column for each key, and an empty one cannot be written at all.
    return json.dumps(value, default=str) if isinstance(value, dict | list) else value


async def _export(job: Job) -> None:
    frames: list[Any] = []
    offset = 0
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=job.base_url, headers=headers, timeout=60.0) as client:
        while True:
            response = await client.get("/chats", params={"offset": offset, "limit": job.page_size})
            page = ChatPage.model_validate_json(response.raise_for_status().content)
            frames.append(_frame(page))
            offset += len(page.chats)
            if len(page.chats) < job.page_size:
                break
    pd.concat([frame for frame in frames if len(frame)], ignore_index=True).to_parquet(job.out)


def _run(job: Job, _: Outcome) -> None:
    asyncio.run(_export(job))


if __name__ == "__main__":
    main(_run)
