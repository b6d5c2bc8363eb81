#!/usr/bin/env bash
# SQLite sorts the rows of a new index in memory until they fill 250 pages, whatever cache_size allows. Who makes large
# pages, to write an export faster, pays at its end: an index of few bytes a row takes 8 MB with pages of 32 KiB, and
# 16 MB with the largest, in a process that has told SQLite to keep to half a megabyte.
#
# Guessed: cache_size is all of the memory, for the sorting too; the size of a page makes no difference there.
# Seen (SQLite 3.50.4 of apsw 3.50.4.0, CPython 3.11): 1.1, 4.2, 8.4 and 16.6 MB with pages of 4, 16, 32 and 64 KiB and a
# cache of 500 KiB. With 4,000 KiB it is the same, but for the smallest pages: 4.1 MB.
#
# Makes an index of 300,000 short texts for each size of a page, by SQLite's own account of its memory. Prints the peaks.
# Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.50.4.0
"$work/venv/bin/python" - "$work" <<'PY'
import sys

import apsw

ROWS = 300_000
folder = sys.argv[1]


def peak_of_index(page_size, cache_kib):
    """Make the index; give the megabytes that SQLite took for it beyond what it had."""
    database = apsw.Connection(f"{folder}/{page_size}-{cache_kib}.sqlite")
    for pragma in (f"page_size={page_size}", f"cache_size=-{cache_kib}", "synchronous=OFF"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE chats (id TEXT)")
    with database:
        database.executemany("INSERT INTO chats VALUES (?)", ((f"{n * 7919 % ROWS:012}@c.us",) for n in range(ROWS)))
    before = apsw.memory_used()
    apsw.memory_high_water(True)
    database.execute("CREATE INDEX by_id ON chats (id)")
    peak = apsw.memory_high_water(True) - before
    database.close()
    return peak / 1e6


print(f"SQLite {apsw.sqlite_lib_version()}, Python {sys.version.split()[0]}:")
for page_size in (16_384, 32_768, 65_536):
    few, many = peak_of_index(page_size, 500), peak_of_index(page_size, 4_000)
    pages = 250 * page_size / 1e6
    print(f"  pages of {page_size // 1024} KiB: {few:.1f} MB with a cache of 500 KiB, {many:.1f} MB with 4,000 KiB")
    assert pages < few < 1.1 * pages, (page_size, few)
    assert pages < many < 1.1 * pages, (page_size, many)
small, with_cache = peak_of_index(4_096, 500), peak_of_index(4_096, 4_000)
print(f"  pages of 4 KiB: {small:.1f} MB with a cache of 500 KiB, {with_cache:.1f} MB with 4,000 KiB")
assert 1 < small < 1.2, small
assert 3.5 < with_cache < 4.5, with_cache
PY
