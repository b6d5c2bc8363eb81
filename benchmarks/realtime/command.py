"""``python -m benchmarks realtime``: in turn, each program in a process of its own."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.realtime.server import event_frame

__all__ = ["MOST_KIB", "MOST_MICROSECONDS", "MOST_OF_SOCKETIO", "run"]

MOST_MICROSECONDS = 10.0
MOST_OF_SOCKETIO = 0.4
MOST_KIB = 5 * 1024


def run(*, is_smoke: bool) -> None:
    """Print CPU an event, beside python-socketio where that is installed, and the memory of a stream nobody takes."""
    events, rounds = (500, 1) if is_smoke else (20_000, 7)
    print(
        f"{events:,} live events of {len(event_frame()):,} bytes, {rounds} rounds, Python {platform.python_version()}"
    )
    rivals = ["socketio"] if find_spec("socketio") else []
    rows = [[_measure(name, events) for name in ("ours", *rivals)] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(
        f"  periskope_async, typed   {medians[0]:6.1f} us of CPU an event (to reach: at most {MOST_MICROSECONDS:.0f})"
    )
    if rivals:
        ratio = statistics.median(ours / theirs for ours, theirs in rows)
        print(
            f"  python-socketio, untyped {medians[1]:6.1f} us; ours is {ratio:.2f} of it (at most {MOST_OF_SOCKETIO})"
        )
    else:
        print("  python-socketio is not installed (pip install 'periskope-async[bench]')")
    if Path("/proc/self/statm").exists():
        kib = statistics.median(_measure("idle", events) for _ in range(rounds))
        print(f"  nobody takes them        {kib / 1024:6.1f} MiB (to reach: at most {MOST_KIB / 1024:.0f})")


def _measure(name: str, events: int) -> float:
    """Run a receiver beside a server; give what it says at last."""
    with subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, "-m", "benchmarks.realtime.server", str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        with subprocess.Popen(  # noqa: S603 - as above
            [sys.executable, "-m", "benchmarks.realtime.receivers", name, port, str(events)],
            stdout=subprocess.PIPE,
            text=True,
        ) as receiver:
            assert receiver.stdout is not None
            said = ""
            for said in receiver.stdout:
                if said.strip() != "more":
                    break
                server.stdin.write("+")
                server.stdin.flush()
        server.kill()
    return float(said)
