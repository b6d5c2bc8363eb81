"""requests and pandas to Parquet: one list of all rows, and a frame of it."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from benchmarks.export.programs.harness import KEY, Job, Outcome, main

# They are in the rivals' environment only.
pd: Any = import_module("pandas")
requests: Any = import_module("requests")


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _flat(value: Any) -> str | None:
    # A map becomes a struct with a column for each key, and an empty one cannot be written at all.
    return json.dumps(value) if _is_nested(value) else None


def _export(job: Job, _: Outcome) -> None:
    rows: list[dict[str, Any]] = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {KEY}"
        while True:
            params = {"offset": len(rows), "limit": job.page_size}
            response = session.get(f"{job.base_url}/chats", params=params, timeout=60)
            response.raise_for_status()
            chats = response.json()["chats"]
            rows += chats
            if len(chats) < job.page_size:
                break
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if frame[name].map(_is_nested).any():
            frame[name] = frame[name].map(_flat)
    frame.to_parquet(job.out)


if __name__ == "__main__":
    main(_export)
