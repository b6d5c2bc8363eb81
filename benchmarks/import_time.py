"""What ``import periskope_async`` costs above ``import aiohttp``, each in a process of its own, in turn."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile

__all__ = ["TARGET_MS", "measure", "run"]

# Timed inside the process: starting Python is not what is asked.
_CODE = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
TARGET_MS = 30.0


def run(*, is_smoke: bool) -> None:
    """Print medians and the difference, pair by pair."""
    rounds = 3 if is_smoke else 25
    pairs = measure(("aiohttp", "periskope_async"), rounds)
    theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    extra = statistics.median(b - a for a, b in pairs)
    print(f"import time, {rounds} pairs, Python {platform.python_version()}, medians")
    print(f"  aiohttp          {theirs:7.1f} ms")
    print(f"  periskope_async  {ours:7.1f} ms  {extra:+.1f} ms (to reach: at most +{TARGET_MS:.0f} ms)")


def measure(imports: tuple[str, ...], rounds: int) -> list[tuple[float, ...]]:
    """Time what each import takes in milliseconds, one after the other; a tuple for each round."""
    with tempfile.TemporaryDirectory() as cache:
        # The first round compiles into a cache of its own, as installing does; it is not counted.
        return [tuple(_milliseconds(one, cache) for one in imports) for _ in range(rounds + 1)][1:]


def _milliseconds(modules: str, cache: str) -> float:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", _CODE.format(modules)],
        capture_output=True,
        text=True,
        check=True,
        env={**environ, "PYTHONPYCACHEPREFIX": cache},
    )
    return float(ran.stdout) * 1000
