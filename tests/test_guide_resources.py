"""The code of the guide to the whole API is run as it stands there, each block against a sandbox of its own."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import periskope_async
from periskope_async import PeriskopeClient
from periskope_async.sandbox import Sandbox

GUIDE = Path(periskope_async.__file__).parent / "guides" / "resources.md"
BLOCKS: list[str] = re.findall(r"```python\n(.+?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
NAMES = [found[1] for block in BLOCKS if (found := re.search(r"async def (\w+)\(", block))]


@pytest.mark.parametrize(("name", "code"), list(zip(NAMES, BLOCKS, strict=True)), ids=NAMES)
async def test_each_block(name: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    defined: dict[str, Any] = {}
    exec(compile(code, f"resources.md ({name})", "exec"), defined)  # noqa: S102 - it is our own guide
    assert inspect.iscoroutinefunction(defined[name])
    async with (
        Sandbox(chats=60, limit=1000, pace=0.02) as sandbox,
        PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone="918527184400") as client,
    ):
        await defined[name](client)
        assert {request.status for request in sandbox.requests} <= {200, 201, 204}
