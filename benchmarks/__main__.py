"""``python -m benchmarks [name …] [--smoke]``: run benchmarks; ``--smoke`` only proves that they work."""

from __future__ import annotations

import argparse

from benchmarks import import_time, main_job

BENCHMARKS = {"import": import_time.run, "job": main_job.run}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--smoke", action="store_true", help="run each for seconds, to see that it works")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in arguments.names or BENCHMARKS:
        BENCHMARKS[name](is_smoke=arguments.smoke)


main()
