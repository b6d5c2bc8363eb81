#!/usr/bin/env bash
# throttled-py's token bucket and leaking bucket read the clock in whole seconds. Tokens come once a second, all at
# once, when the wall clock's second turns. A small burst, meant to even requests out, so cuts the rate instead: a burst
# of one leaves one request a second of ten. And a whole burst goes out twice, just before and just behind the turn of a
# second. Its GCRA reads the clock exactly. But who waits there sleeps 0.2 seconds at least, so one task alone gets five
# a second of ten. Who wants ten a second, evenly, takes GCRA, asks without a timeout, and sleeps for retry_after.
#
# Guessed: with a quota of ten a second, one task that waits its turn gets ten a second, whatever the burst. With a
# burst of ten no algorithm lets more than eleven or twelve through in a tenth of a second.
# Seen (throttled-py 3.5.0, CPython 3.11 to 3.13), with the storage in memory:
# - Token bucket and leaking bucket: a burst of one gives one request a second, of five gives five, of ten gives ten.
#   GCRA with a burst of one gives five. With sleep(retry_after) it gives ten.
# - In a tenth of a second around the turn of a second, token bucket and leaking bucket let 20 through, and GCRA ten.
#
# Prints these counts. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check throttled-py==3.5.0
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
import time
from importlib.metadata import version

from throttled.asyncio import MemoryStore, Throttled, per_sec

BUCKETS = ("token_bucket", "leaking_bucket")
SECONDS = 4


def limiter(using, burst, **options):
    return Throttled(key="key", using=using, quota=per_sec(10, burst=burst), store=MemoryStore(), **options)


async def turn(before=0.0):
    """Waits for the wall clock's second to turn, or for so long before that."""
    await asyncio.sleep(1 - (time.time() + before) % 1)


async def waits(using, burst):
    """Requests in four seconds of one task that waits for each."""
    throttled, count = limiter(using, burst, timeout=2), 0
    await turn(before=0.4)
    end = time.monotonic() + SECONDS
    while True:
        limited = (await throttled.limit()).limited
        if time.monotonic() >= end:
            return count
        count += not limited


async def sleeps():
    """The same, with a sleep of its own."""
    throttled, count = limiter("gcra", 1), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        result = await throttled.limit()
        count += not result.limited
        await asyncio.sleep(result.state.retry_after)
    return count


async def around(using):
    """Requests let through in a tenth of a second around the turn of a second."""
    throttled, count = limiter(using, 10), 0
    await turn(before=0.05)
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        count += not (await throttled.limit()).limited
        await asyncio.sleep(0.001)
    return count


async def main():
    print(f"throttled-py {version('throttled-py')}, Python {sys.version.split()[0]}, ten requests a second")
    asked = {(using, burst): waits(using, burst) for using in BUCKETS for burst in (1, 5, 10)}
    asked["gcra", 1], asked["gcra, sleep(retry_after)", 1] = waits("gcra", 1), sleeps()
    paced = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    for (using, burst), count in paced.items():
        print(f"  {using}, burst of {burst}: {count} in {SECONDS} s")
    turning = {using: await around(using) for using in (*BUCKETS, "gcra")}
    print(f"  in 0.1 s around the turn of a second, burst of 10: {turning}")
    for using in BUCKETS:
        for burst in (1, 5, 10):
            assert burst * SECONDS <= paced[using, burst] <= burst * (SECONDS + 1), (using, burst, paced)
        assert turning[using] == 20, turning
    assert SECONDS * 5 - 2 <= paced["gcra", 1] <= SECONDS * 5 + 1, paced
    assert SECONDS * 9 <= paced["gcra, sleep(retry_after)", 1] <= SECONDS * 10 + 2, paced
    assert 10 <= turning["gcra"] <= 12, turning


asyncio.run(main())
PY
