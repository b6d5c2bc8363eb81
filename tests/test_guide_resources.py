"""The code of the guide to the whole API is run as it stands there, each block against a sandbox of its own."""

from __future__ import annotations

import inspect
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import periskope_async
from periskope_async import OutcomeUnknown, PeriskopeClient
from periskope_async.sandbox import CutAnswer, CutUpload, Fault, Sandbox

GUIDE = Path(periskope_async.__file__).parent / "guides" / "resources.md"
BLOCKS: list[str] = re.findall(r"```python\n(.+?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
NAMES = [found[1] for block in BLOCKS if (found := re.search(r"async def (\w+)\(", block))]


@pytest.mark.parametrize(("name", "code"), list(zip(NAMES, BLOCKS, strict=True)), ids=NAMES)
async def test_each_block(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A broadcast waits a second between two chats.
    monkeypatch.setattr("periskope_async.sandbox.broadcasts._DELAY", 0.0)
    defined: dict[str, Any] = {}
    exec(compile(code, f"resources.md ({name})", "exec"), defined)  # noqa: S102 - it is our own guide
    assert inspect.iscoroutinefunction(defined[name])
    async with (
        Sandbox(chats=60, limit=1000, pace=0.02) as sandbox,
        # The blocks name the phone, where they need one.
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        await defined[name](client)
        assert {request.status for request in sandbox.requests} <= {200, 201, 204}


@pytest.mark.parametrize("others", [[], ["919876543210@c.us", "14155550100@c.us"]], ids=["alone", "same text before"])
@pytest.mark.parametrize(("fault", "sent"), [(CutUpload(), 0), (CutAnswer(), 1)], ids=["lost", "sent"])
async def test_a_lost_answer(fault: Fault, sent: int, others: list[str]) -> None:
    """The guide's ``surely`` raises only if its own message was lost, also where others had the same text."""
    defined: dict[str, Any] = {}
    exec(compile(dict(zip(NAMES, BLOCKS, strict=True))["surely"], "resources.md (surely)", "exec"), defined)  # noqa: S102
    async with (
        Sandbox(chats=60, limit=1000, pace=0.02) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone="918527184400") as client,
    ):
        for chat_id in others:
            await client.send_message(chat_id, "Hello")
        sandbox.script(fault, path="/v1/message/send")
        with nullcontext() if sent else pytest.raises(OutcomeUnknown):
            await defined["surely"](client)
        assert len(await client.list_queue_jobs()) == len(others) + sent
