"""Webhooks to receive: made of the recorded objects, and signed without the package's help."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

KEY = "peri_0b9dc1f7-1d2c-4f5e-9f0d-73a2f6f0aa11"
ORG = "2997dd64-89bf-48d3-9a22-b314fca017e5"
_RECORDED = Path(__file__).parents[1] / "data" / "chats-200.json"


@cache
def recorded_chats() -> list[dict[str, Any]]:
    return json.loads(_RECORDED.read_bytes())["chats"]  # type: ignore[no-any-return] # the file says so


def chat() -> dict[str, Any]:
    return dict(recorded_chats()[0])


def message(**changes: Any) -> dict[str, Any]:
    found = next(chat["latest_message"] for chat in recorded_chats() if chat["latest_message"])
    return {**found, **changes}


def envelope(name: str, data: object, **changes: Any) -> bytes:
    whole = {"event": name, "data": data, "org_id": ORG, "timestamp": "2026-11-29T08:00:00.123Z", **changes}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def signed(body: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
