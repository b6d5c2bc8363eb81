#!/usr/bin/env bash
# aiohttp-client-cache takes two requests for the same if they differ in the order of a repeated parameter only. On an
# API that sorts by each of several "sort" parameters in turn, as Spring Data's do, that order is the order of the rows.
# Asked for another order, the client gets the cached page of the first, and pages of two orders put together lose rows
# and double others. Who must have such requests apart adds a parameter that tells them apart, or does not cache them.
#
# Guessed: only the order of different parameters is levelled, "a=1&b=2" and "b=2&a=1". "sort=team&sort=name" and
# "sort=name&sort=team" are two requests, as "sort=team,name" and "sort=name,team" are.
# Seen (aiohttp-client-cache 0.15.0, aiohttp 3.14.5, CPython 3.11 to 3.13): they are one. The second is answered from
# the cache, with the rows of the first. Written with a comma, they are two.
#
# Reads one page of an order, then two pages of another order: of four rows they hold one twice, and one never. Prints
# the rows. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp-client-cache==0.15.0 aiohttp==3.14.5
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
from importlib.metadata import version

from aiohttp import web
from aiohttp_client_cache import CacheBackend, CachedSession

ROWS = [{"name": name, "team": team} for name, team in (("Ada", 2), ("Bob", 1), ("Cid", 1), ("Dee", 2))]
asked = []


async def rows(request):
    asked.append(request.query_string)
    order = [field for given in request.query.getall("sort") for field in given.split(",")]
    first = int(request.query["offset"])
    ordered = sorted(ROWS, key=lambda row: [row[field] for field in order])
    return web.json_response([row["name"] for row in ordered[first : first + 2]])


async def page(session, url, offset, *order):
    params = [*(("sort", field) for field in order), ("offset", offset)]
    async with session.get(url, params=params) as response:
        return await response.json(), response.from_cache


async def main():
    app = web.Application()
    app.router.add_get("/", rows)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://127.0.0.1:%d/" % runner.addresses[0][1]
    try:
        async with CachedSession(cache=CacheBackend()) as session:
            by_team, _ = await page(session, url, 0, "team", "name")
            export = [await page(session, url, offset, "name", "team") for offset in (0, 2)]
            comma = [await page(session, url, 0, order) for order in ("team,name", "name,team")]
    finally:
        await runner.cleanup()
    versions = f"aiohttp-client-cache {version('aiohttp-client-cache')}, aiohttp {version('aiohttp')}"
    print(f"{versions}, Python {sys.version.split()[0]}:")
    print(f"  sort=team&sort=name, offset 0: {by_team}")
    for offset, (names, cached) in zip((0, 2), export, strict=True):
        print(f"  sort=name&sort=team, offset {offset}: {names}{', from the cache' if cached else ''}")
    print(f"  sort=team,name, then sort=name,team: {comma[0][0]}, {comma[1][0]}")
    assert by_team == ["Bob", "Cid"], by_team
    assert export == [(["Bob", "Cid"], True), (["Cid", "Dee"], False)], export
    assert comma == [(["Bob", "Cid"], False), (["Ada", "Bob"], False)], comma
    assert len(asked) == 4, asked


asyncio.run(main())
PY
