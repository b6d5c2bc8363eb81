#!/usr/bin/env bash
# A session of curl_cffi sends a POST a second time, without retries, when the connection that it reuses is closed
# before an answer. The server may have done the work by then: a job is done twice, and the client is told of one. Who
# sends what must not be done twice adds a key that the server knows it by, or sets FRESH_CONNECT for the session.
#
# Guessed: with retry=0, the default, a POST is sent once. If the server closes the connection without an answer, it
# raises ConnectionError, as with aiohttp, HTTPX and requests.
# Seen (curl_cffi 0.17.0, CPython 3.11 to 3.13), over HTTP/1.1:
# - The first POST of a session is sent once, and raises.
# - One on a connection that was used before is sent twice, and the client gets a 200. So are PATCH and DELETE.
# - "Connection: close" on it does not help. With FRESH_CONNECT it is sent once, and raises.
#
# A real server does each job, and drops the first answer, as one does that is killed just then. Prints how often it did
# the job, and what the client got. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check curl_cffi==0.17.0
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
from importlib.metadata import version

from curl_cffi import AsyncSession, CurlOpt
from curl_cffi.requests.exceptions import ConnectionError

jobs = []


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            await reader.readexactly(int(fields.get(b"content-length", 0)))
            method, path = head.decode().split(" ")[:2]
            if path == "/jobs":
                await asyncio.sleep(0.5)
                jobs.append(method)
                if len(jobs) == 1:
                    return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    finally:
        writer.close()


async def job(url, method="POST", used=True, options=None, **request):
    jobs.clear()
    async with AsyncSession(retry=0, curl_options=options, timeout=20) as session:
        if used:
            assert (await session.get(f"{url}/rows")).status_code == 200
        try:
            outcome = (await session.request(method, f"{url}/jobs", **request)).status_code
        except ConnectionError:
            outcome = "ConnectionError"
    return len(jobs), outcome


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    body = {"json": {"name": "report"}}
    seen = {
        "POST, first of the session": await job(url, used=False, **body),
        "POST, after a GET": await job(url, **body),
        "PATCH, after a GET": await job(url, "PATCH", **body),
        "DELETE, after a GET": await job(url, "DELETE"),
        "POST with Connection: close, after a GET": await job(url, headers={"Connection": "close"}, **body),
        "POST with FRESH_CONNECT, after a GET": await job(url, options={CurlOpt.FRESH_CONNECT: 1}, **body),
    }
    server.close()
    print(f"curl_cffi {version('curl_cffi')}, Python {sys.version.split()[0]}, retry=0:")
    for what, (done, outcome) in seen.items():
        print(f"  {what}: the server did the job {done} times, the client got {outcome}")
    once, twice = (1, "ConnectionError"), (2, 200)
    assert list(seen.values()) == [once, twice, twice, twice, twice, once], seen


asyncio.run(main())
PY
