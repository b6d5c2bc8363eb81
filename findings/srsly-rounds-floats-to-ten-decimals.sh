#!/usr/bin/env bash
# srsly writes floats to JSON and JSONL with ten decimals, and what is smaller as 0.0. Nothing is raised, so an export
# of positions or of tiny prices is no longer what was read. It also writes what the standard library's json refuses: a
# datetime becomes whole seconds, and a Decimal a rounded float. Its reader is a last digit off now and then. Who
# exports exactly writes lines of json.dumps. That is what srsly.json_dumps itself uses for sort_keys=True.
#
# Guessed: json_dumps and write_jsonl write each float so that json.loads and json_loads give the same one back, as json
# and orjson do. A datetime raises TypeError.
# Seen (srsly 2.5.6, CPython 3.11 to 3.13):
# - Of 10000 floats between -180 and 180, as degrees are, not one is the same again. With sort_keys=True all are.
# - 33.86123456789012 is written as 33.8612345679, and both 2.5e-11 and 6.62607015e-34 as 0.0.
# - Of the same 10000, written by json, srsly reads 147 as another float.
# - A datetime with microseconds is written as whole seconds, and Decimal("0.000000000025") as 0.0.
#
# Prints what is written, and how many come back the same. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check srsly==2.5.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import json
import random
import sys
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import srsly

rows = [{"lat": 33.86123456789012}, {"price": 2.5e-11}, {"planck": 6.62607015e-34}]
srsly.write_jsonl("rows.jsonl", rows)
lines = Path("rows.jsonl").read_text().splitlines()
others = {
    "datetime": srsly.json_dumps(datetime(2024, 1, 1, 12, 30, 0, 123456, tzinfo=timezone.utc)),
    "Decimal": srsly.json_dumps(Decimal("0.000000000025")),
}

source = random.Random(1)
degrees = [source.uniform(-180, 180) for _ in range(10000)]


def same(dumps, loads, **options):
    return sum(loads(dumps(value, **options)) == value for value in degrees)


counts = {
    "json writes, json reads": same(json.dumps, json.loads),
    "srsly writes, json reads": same(srsly.json_dumps, json.loads),
    "srsly writes with sort_keys=True, json reads": same(srsly.json_dumps, json.loads, sort_keys=True),
    "json writes, srsly reads": same(json.dumps, srsly.json_loads),
}
print(f"srsly {version('srsly')}, Python {sys.version.split()[0]}:")
for row, line in zip(rows, lines, strict=True):
    print(f"  {json.dumps(row)} is written as {line}")
for what, text in others.items():
    print(f"  a {what} is written as {text}")
for what, count in counts.items():
    print(f"  {what}: {count} of {len(degrees)} are the same")
assert lines == ['{"lat":33.8612345679}', '{"price":0.0}', '{"planck":0.0}'], lines
assert others == {"datetime": "1704112200", "Decimal": "0.0"}, others
assert list(counts.values()) == [10000, 0, 10000, 9853], counts
PY
