#!/usr/bin/env bash
# Who leaves the loop over aiometer's amap by break or return still makes all requests, at the rate that was set, before
# the "async with" around it ends. A search that stops at the first hit so takes as long as one without a hit, and costs
# the whole budget. Only an exception out of the block cancels the rest: who has enough raises one, and catches it
# outside.
#
# Guessed: the end of "async with amap(...)" cancels what is still to do, as nobody can get the results any more.
# Seen (aiometer 1.0.0, anyio 4.16.0, CPython 3.11 to 3.13): with twenty requests at ten a second, a break or a return
# after the first answer makes all twenty, and the block ends after 1.9 seconds. An exception makes one or two, and the
# block ends at once.
#
# Prints how many requests a real server got, and after how many seconds the block ended. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aiometer==1.0.0 anyio==4.16.0 aiohttp==3.14.5
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
import time
from importlib.metadata import version

import aiometer
from aiohttp import ClientSession, web

PAGES = 20
asked = []


class Enough(Exception):
    pass


async def page(request):
    asked.append(request.query["page"])
    return web.json_response({"hit": True})


async def main():
    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://127.0.0.1:%d/" % runner.addresses[0][1]

    async with ClientSession() as session:

        async def get(number):
            async with session.get(url, params={"page": number}) as response:
                return await response.json()

        def pages():
            return aiometer.amap(get, range(PAGES), max_at_once=2, max_per_second=10)

        async def by_break():
            async with pages() as answers:
                async for answer in answers:
                    if answer["hit"]:
                        break

        async def by_return():
            async with pages() as answers:
                async for answer in answers:
                    if answer["hit"]:
                        return answer

        async def by_exception():
            try:
                async with pages() as answers:
                    async for answer in answers:
                        if answer["hit"]:
                            raise Enough
            except Enough:
                pass

        seen = {}
        for leave in (by_break, by_return, by_exception):
            asked.clear()
            began = time.monotonic()
            await leave()
            seconds = time.monotonic() - began
            await asyncio.sleep(0.5)
            seen[leave.__name__] = len(asked), seconds
    await runner.cleanup()
    versions = f"aiometer {version('aiometer')}, anyio {version('anyio')}"
    print(f"{versions}, Python {sys.version.split()[0]}, {PAGES} requests at ten a second, each a hit:")
    for how, (count, seconds) in seen.items():
        print(f"  left {how.replace('_', ' ')}: {count} requests, {seconds:.1f} s")
    for how in ("by_break", "by_return"):
        assert seen[how][0] == PAGES and 1.8 < seen[how][1] < 3, (how, seen)
    assert seen["by_exception"][0] <= 2 and seen["by_exception"][1] < 1, seen


asyncio.run(main())
PY
