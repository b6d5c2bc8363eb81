#!/usr/bin/env bash
# aiohttp-retry sends an upload from io.BytesIO or from an async generator again after a 503, with no body. The server's
# answer to that is a 200, and the client is told of nothing else. Who uploads gives bytes, or makes the request anew
# for each try.
#
# Guessed: a second try sends the same body, or raises where the body cannot be had again.
# Seen (aiohttp-retry 2.9.1, aiohttp 3.14.5, CPython 3.11 to 3.13): bytes, json= and a FormData around a BytesIO are
# sent whole twice. BytesIO and async generator are sent whole, then empty. An open file raises ValueError, as it was
# closed.
#
# Prints the bodies that a real server got on each try, and the last status. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp-retry==2.9.1 aiohttp==3.14.5
cd "$work"
"$work/venv/bin/python" - <<'PY'
import asyncio
import io
import sys
from importlib.metadata import version
from pathlib import Path

from aiohttp import FormData, web
from aiohttp_retry import ExponentialRetry, RetryClient

ROWS = b'{"rows": [1, 2, 3]}'
got = []


async def upload(request):
    form = request.content_type == "multipart/form-data"
    got.append((await request.post())["rows"].file.read() if form else await request.read())
    return web.Response(status=503 if len(got) == 1 else 200)


async def pieces():
    yield ROWS[:10]
    yield ROWS[10:]


def form():
    data = FormData()
    data.add_field("rows", io.BytesIO(ROWS), filename="rows.json")
    return {"data": data}


async def put(url, **body):
    got.clear()
    async with RetryClient(retry_options=ExponentialRetry(attempts=3, start_timeout=0.05)) as client:
        try:
            async with client.put(url, **body) as response:
                outcome = response.status
        except ValueError as error:
            outcome = f"ValueError: {error}"
    return [len(body) for body in got], outcome


async def main():
    app = web.Application()
    app.router.add_put("/", upload)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://127.0.0.1:%d/" % runner.addresses[0][1]
    Path("rows.json").write_bytes(ROWS)
    try:
        with open("rows.json", "rb") as file:
            seen = {
                "bytes": await put(url, data=ROWS),
                "json=": await put(url, json={"rows": [1, 2, 3]}),
                "FormData of BytesIO": await put(url, **form()),
                "BytesIO": await put(url, data=io.BytesIO(ROWS)),
                "async generator": await put(url, data=pieces()),
                "open file": await put(url, data=file),
            }
    finally:
        await runner.cleanup()
    versions = f"aiohttp-retry {version('aiohttp-retry')}, aiohttp {version('aiohttp')}"
    print(f"{versions}, Python {sys.version.split()[0]}, an upload of {len(ROWS)} bytes:")
    for what, (sizes, outcome) in seen.items():
        print(f"  {what}: the server got {sizes} bytes, the client {outcome}")
    whole, empty = ([len(ROWS)] * 2, 200), ([len(ROWS), 0], 200)
    for what in ("bytes", "json=", "FormData of BytesIO"):
        assert seen[what] == whole, (what, seen[what])
    for what in ("BytesIO", "async generator"):
        assert seen[what] == empty, (what, seen[what])
    assert seen["open file"] == ([len(ROWS)], "ValueError: I/O operation on closed file"), seen["open file"]


asyncio.run(main())
PY
