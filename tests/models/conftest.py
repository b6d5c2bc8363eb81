"""The recorded answer that all of these tests start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent.parent / "data" / "chats-200.json"


@pytest.fixture(scope="session")
def body() -> bytes:
    return RECORDED.read_bytes()


@pytest.fixture(scope="session")
def wire(body: bytes) -> dict[str, Any]:
    """Give the recorded page as the standard library reads it; not to be changed."""
    page: dict[str, Any] = json.loads(body)
    return page
