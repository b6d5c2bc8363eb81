#!/usr/bin/env bash
# One pyrate-limiter Limiter may keep a budget for each key. While one task waits for one key, tasks of all other keys
# of that limiter wait too, though their budgets are free. In asyncio an attempt that must not wait waits as well, and
# one with a timeout is refused a budget that nobody has touched. Who has several accounts gives each a Limiter of its
# own.
#
# Guessed: a task that waits for key "a" does not hold up key "b". try_acquire_async("a", blocking=False) answers at
# once. The threads' side of this was mended in the package earlier, and asyncio was held to be unaffected.
# Seen (pyrate-limiter 4.5.1, CPython 3.11 to 3.13): the limiter's asyncio lock is held through the wait.
# - The first request ever for "b" is let through when the wait for "a" is over.
# - With timeout=1 it gives False, after that second.
# - With blocking=False the answer comes when the wait for "a" is over: False for "a", and True for the free "c".
# - try_acquire, the one for threads, gives the free "d" at once. So does a second Limiter.
#
# Prints each answer and how many seconds it took. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyrate-limiter==4.5.1
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
import time
from importlib.metadata import version

from pyrate_limiter import BucketFactory, InMemoryBucket, Limiter, MonotonicClock, Rate, RateItem

WINDOW = 3


class EachKeyItsOwn(BucketFactory):
    """One request in three seconds, for each key."""

    def __init__(self):
        self.clock, self.buckets = MonotonicClock(), {}

    def wrap_item(self, name, weight=1):
        return RateItem(name, self.clock.now(), weight=weight)

    def get(self, item):
        if item.name not in self.buckets:
            self.buckets[item.name] = self.create(InMemoryBucket, [Rate(1, WINDOW * 1000)])
        return self.buckets[item.name]


async def timed(attempt):
    began = time.monotonic()
    answer = await attempt
    return answer, round(time.monotonic() - began, 1)


async def while_a_waits(key, **options):
    """Asks for a key when "a" is used up and a task waits for it."""
    with Limiter(EachKeyItsOwn()) as limiter, Limiter(EachKeyItsOwn()) as other:
        assert await limiter.try_acquire_async("a")
        waiter = asyncio.create_task(timed(limiter.try_acquire_async("a")))
        await asyncio.sleep(0.1)
        if options.pop("threads", False):
            began = time.monotonic()
            seen = limiter.try_acquire(key, blocking=False), round(time.monotonic() - began, 1)
        else:
            seen = await timed((other if options.pop("second", False) else limiter).try_acquire_async(key, **options))
        assert (await waiter)[0] is True
        return seen


async def main():
    asked = {
        "b": while_a_waits("b"),
        "b, timeout=1": while_a_waits("b", timeout=1),
        "a, blocking=False": while_a_waits("a", blocking=False),
        "c, blocking=False": while_a_waits("c", blocking=False),
        "d, by try_acquire": while_a_waits("d", threads=True),
        "b of a second Limiter": while_a_waits("b", second=True),
    }
    # One after the other: the lock is one for each limiter, but nothing else shall disturb the times.
    seen = {what: await attempt for what, attempt in asked.items()}
    print(f"pyrate-limiter {version('pyrate-limiter')}, Python {sys.version.split()[0]}, while a task waits for a:")
    for what, (answer, seconds) in seen.items():
        print(f"  {what}: {answer} after {seconds} s")
    answers = {what: answer for what, (answer, _) in seen.items()}
    assert answers == {
        "b": True,
        "b, timeout=1": False,
        "a, blocking=False": False,
        "c, blocking=False": True,
        "d, by try_acquire": True,
        "b of a second Limiter": True,
    }, answers
    for what in ("b", "a, blocking=False", "c, blocking=False"):
        assert WINDOW - 0.6 < seen[what][1] < WINDOW + 1, (what, seen)
    assert 0.9 < seen["b, timeout=1"][1] < 1.6, seen
    for what in ("d, by try_acquire", "b of a second Limiter"):
        assert seen[what][1] < 0.5, (what, seen)


asyncio.run(main())
PY
