#!/usr/bin/env bash
# msgspec tells most JSON that was cut short by "Input data was truncated". A cut inside a number reads as "malformed"
# instead, so a client that tries again on "truncated" alone gives up on one cut in some hundred.
#
# Guessed: each proper prefix of a JSON object raises "Input data was truncated".
# Seen (msgspec 0.19.0 and 0.20.0, CPython 3.11): a prefix that ends behind a minus, a decimal point, an "e" or its sign
# raises "JSON is malformed: invalid number (byte N)", with N the length of the prefix. All others say "truncated".
#
# Prints one line for each kind of message. Fails if any of that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
for version in 0.19.0 0.20.0; do
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check "msgspec==$version"
  "$work/venv/bin/python" - "$version" <<'PY'
import sys

import msgspec

assert msgspec.__version__ == sys.argv[1], msgspec.__version__
document = b'{"count": 3, "rows": [{"latitude": -33.86, "mass": 5.97e+24, "is_known": true, "name": "x"}]}'
kinds = {}
for end in range(len(document)):
    try:
        msgspec.json.decode(document[:end])
    except msgspec.DecodeError as error:
        said, _, byte = str(error).partition(" (byte ")
        assert not byte or int(byte.rstrip(")")) == end, (end, error)
        kinds.setdefault(said, []).append(document[:end][-1:].decode())
    else:
        raise AssertionError(f"{document[:end]!r} was decoded")
for said, last in kinds.items():
    print(f"msgspec {msgspec.__version__}: {len(last)} prefixes say {said!r}")
assert set(kinds) == {"Input data was truncated", "JSON is malformed: invalid number"}, kinds
assert kinds["JSON is malformed: invalid number"] == ["-", ".", ".", "e", "+"], kinds
PY
done
