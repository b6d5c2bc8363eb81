"""``python -m benchmarks [name …] [--smoke]``: run benchmarks; ``--smoke`` only proves that they work."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks import decoding, import_time, main_job, mirror, waiting
from benchmarks.compare import command as compare
from benchmarks.export import command as export
from benchmarks.limiter import command as limiter
from benchmarks.realtime import command as realtime
from benchmarks.shared import command as shared
from benchmarks.walk import command as walk

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "import": lambda arguments: import_time.run(is_smoke=arguments.smoke),
    "job": lambda arguments: main_job.run(is_smoke=arguments.smoke),
    "queue": lambda arguments: waiting.run(is_smoke=arguments.smoke),
    "compare": lambda arguments: compare.run(
        is_smoke=arguments.smoke, path=arguments.json if arguments.names == ["compare"] else None
    ),
    "decoding": lambda arguments: decoding.run(is_smoke=arguments.smoke),
    "export": lambda arguments: export.run(
        is_smoke=arguments.smoke, path=arguments.json if arguments.names == ["export"] else None
    ),
    "mirror": lambda arguments: mirror.run(is_smoke=arguments.smoke),
    "walk": lambda arguments: walk.run(is_smoke=arguments.smoke),
    "shared": lambda arguments: shared.run(is_smoke=arguments.smoke),
    "realtime": lambda arguments: realtime.run(is_smoke=arguments.smoke),
    "limiter": lambda arguments: limiter.run(is_smoke=arguments.smoke, options=arguments),
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--smoke", action="store_true", help="run each for seconds, to see that it works")
    limiter.add_arguments(parser)
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in arguments.names or BENCHMARKS:
        BENCHMARKS[name](arguments)


main()
