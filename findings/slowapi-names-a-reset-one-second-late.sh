#!/usr/bin/env bash
# slowapi tells a reset one second later than its window ends, in X-RateLimit-Reset, and as a number with a fraction.
# A client that waits for it loses a second of each window: a fifth of a limit of 20 in 5 seconds, half of one of 10 a
# second. Its Retry-After, which only a refusal has, is right. Who needs all of a limit goes by the limit's length.
#
# Guessed: X-RateLimit-Reset is the end of the window, in whole Unix seconds, rounded up at most.
# Seen (slowapi 0.1.10, limits 5.8.0, CPython 3.11): of a window of three seconds the header is the end and one second
# more, to the fraction. Requests pass again a second before it, as Retry-After says.
#
# Uses up a limit that began in the middle of a second, asks until a request passes, and prints when, and when it should
# by the headers. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check slowapi==0.1.10 limits==5.8.0 starlette==1.10.0 httpx==0.28.1
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
import time
from importlib.metadata import version

import httpx
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

limiter = Limiter(key_func=lambda: "one", headers_enabled=True)


@limiter.limit("2/3 seconds")
async def chats(request):
    return PlainTextResponse("[]")


async def main():
    app = Starlette(routes=[Route("/", chats)])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        await asyncio.sleep(1.5 - time.time() % 1)
        began = time.time()
        for _ in range(2):
            passing = await client.get("/")
        refused = await client.get("/")
        while (await client.get("/")).status_code == 429:
            await asyncio.sleep(0.02)
        passed_after = time.time() - began
    reset = passing.headers["x-ratelimit-reset"]
    reset_after = float(reset) - began
    asked = int(refused.headers["retry-after"])
    print(f"slowapi {version('slowapi')}, limits {version('limits')}, Python {sys.version.split()[0]}, 2 in 3 seconds:")
    print(f"  X-RateLimit-Reset: {reset}")
    print(f"  reset {reset_after:.1f} s after the first request, Retry-After {asked}; passes after {passed_after:.1f} s")
    assert 2.9 <= passed_after <= 3.2, passed_after
    assert 0.8 <= reset_after - passed_after <= 1.2, (reset_after, passed_after)
    assert "." in reset, reset
    assert asked == 3, asked


asyncio.run(main())
PY
