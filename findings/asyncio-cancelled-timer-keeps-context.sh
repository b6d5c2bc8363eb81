#!/usr/bin/env bash
# A cancelled asyncio timer lets go of its callback, but not of the context that it began in. It waits in the loop's
# heap until it is the next one due, or until more than a hundred wait and half of them are cancelled. A value of a
# context variable stays alive as long, though the variable was reset right after the timer was made.
#
# Guessed: nothing stays alive once the timer is cancelled and the variable reset.
# Seen (CPython 3.11, 3.12 and 3.13): behind one timer that is due earlier, all of the first hundred values stay alive;
# the next one frees them all. On uvloop 0.22.1 none stays alive.
#
# Prints how many of so many values are alive, on both loops. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "uvloop==0.22.1"
"$work/venv/bin/python" - <<'PY'
import asyncio
import gc
import sys
import weakref
from contextvars import ContextVar

import uvloop


class Value:
    pass


variable = ContextVar("variable")


async def alive_after(*counts):
    loop = asyncio.get_running_loop()
    first = loop.call_later(30, print)
    values, seen = [], []
    for count in range(1, max(counts) + 1):
        value = Value()
        values.append(weakref.ref(value))
        token = variable.set(value)
        timer = loop.call_later(60, print)
        variable.reset(token)
        timer.cancel()
        del value, token, timer
        await asyncio.sleep(0)
        if count in counts:
            gc.collect()
            seen.append(sum(each() is not None for each in values))
    first.cancel()
    return seen


counts = (50, 99, 150)
on_asyncio, on_uvloop = asyncio.run(alive_after(*counts)), uvloop.run(alive_after(*counts))
print(f"Python {sys.version.split()[0]}: of {counts} values, asyncio keeps {on_asyncio}")
print(f"uvloop {uvloop.__version__}: of {counts} values, uvloop keeps {on_uvloop}")
assert on_asyncio[:2] == [50, 99] and on_asyncio[2] < 60, on_asyncio
assert on_uvloop == [0, 0, 0], on_uvloop
PY
