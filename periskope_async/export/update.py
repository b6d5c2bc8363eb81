"""Updates: plan the walks, and merge fresh rows with those of an older file."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from periskope_async.client.base import ListPager
from periskope_async.export.jsonl import json_lines, tagged
from periskope_async.export.walking import SourceWalk
from periskope_async.newest_first import OVERLAP_SECONDS, UNDATED_MARGIN
from periskope_async.tables.columns import ROWS_A_STEP, batches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from periskope_async.export.formats import Row
    from periskope_async.export.keys import RowKeys
    from periskope_async.export.older import Older
    from periskope_async.export.plan import ExportPlan
    from periskope_async.tables.columns import Batch, Table

__all__ = ["Changes", "batches", "line_blocks", "updated", "walks_of"]

_LINES_A_BLOCK = 1_000


class Changes(Struct):
    """The effect of an update on the rows of a file."""

    met: int = 0
    """Older rows that were read again."""
    replaced: int = 0
    """Those of them that differ now."""
    added: Counter[str] = field(default_factory=Counter[str])
    """Fresh rows by source, less the older rows that they replace."""
    gone: int = 0
    """Rows that a full sweep missed, marked for the first time."""
    rows: Counter[str] = field(default_factory=Counter[str])
    """Rows in the file by source, gone ones included."""
    there: Counter[str] = field(default_factory=Counter[str])
    """Rows by source, gone ones excluded."""


def walks_of(plan: ExportPlan, older: Older | None, *, is_update: bool) -> dict[str, SourceWalk]:
    """Give the walks of an export by name. ``older`` may be None in an update with a whole file to put in place.

    An update reads each order of a list from its head. It reads a list without any order whole.
    """
    is_narrow = is_update and plan.if_exists == "update"
    walks: dict[str, SourceWalk] = {}
    # Rows without a time may stand before all others: four of five chats may have no message.
    undated = {
        sort.times[0]: older.without_time(sort)
        for sort in plan.listing.sorts
        if is_narrow and older is not None and sort.can_move_anywhere
    }
    for source, pager in plan.pagers.items():
        orders = pager.newest_first() if is_narrow and isinstance(pager, ListPager) else {}
        if not (isinstance(pager, ListPager) and orders):
            walks[source] = SourceWalk(pager, source)
            continue
        until = None if older is None else _known_until(older, source)
        for order, head in orders.items():
            walk = walks[f"{source} newest by {order}".lstrip()] = SourceWalk(head, source, until)
            if until is not None and order in undated and (offset := undated[order][source] - UNDATED_MARGIN) > 0:
                walk.behind_undated = pager.newest_first(offset=offset)[order]
    return walks


def _known_until(older: Older, source: str) -> float | None:
    """Give the time (Unix seconds) up to which an older export has the rows of a source; None if it was never read."""
    known = older.manifest.sources.get(source)
    if known is None or known.state == "partial":
        return None
    return (older.manifest.known_since or older.manifest.started).timestamp() - OVERLAP_SECONDS


def updated(
    fresh: Iterable[Row], older: Iterable[Row], keys: RowKeys, changes: Changes, *, swept: set[str], now: datetime
) -> Iterator[Row]:
    """Give the fresh rows, then each older row without a fresh one.

    Such older rows are gone if their source was ``swept``. A row without a key is kept as it is.
    """
    met: dict[int | None, tuple[int, str]] = {}
    for row in fresh:
        # A hash takes less memory than the bytes.
        met[keys.of_row(row[1], row[0])] = hash(row[0]), row[1]
        changes.added[row[1]] += 1
        yield _counted(row, changes)
    met.pop(None, None)
    for raw, source, known_gone_at in older:
        key = keys.of_row(source, raw)
        if key in met:
            fresh_hash, fresh_source = met[key]
            changes.met += 1
            changes.added[fresh_source] -= 1
            changes.replaced += known_gone_at is not None or hash(raw) != fresh_hash
            continue
        gone_at = known_gone_at
        if gone_at is None and key is not None and source in swept:
            gone_at = now
            changes.gone += 1
        yield _counted((raw, source, gone_at), changes)


def _counted(row: Row, changes: Changes) -> Row:
    _, source, gone_at = row
    changes.rows[source] += 1
    changes.there[source] += gone_at is None
    return row


def batches(table: Table, rows: Iterable[Row]) -> Iterator[Batch]:
    """Turn rows into batches of columns."""
    for source, group in groupby(rows, key=itemgetter(1)):
        while some := list(islice(group, ROWS_A_STEP)):
            yield from batches_of(
                table, [raw for raw, *_ in some], source=source, gone_at=[gone_at for *_, gone_at in some]
            )


def line_blocks(rows: Iterable[Row], *, is_tagged: bool, compress: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Turn rows into lines, some at a time."""
    rows = iter(rows)
    while some := list(islice(rows, _LINES_A_BLOCK)):
        yield compress(json_lines([_tagged(row, is_tagged=is_tagged) for row in some]))


def _tagged(row: Row, *, is_tagged: bool) -> bytes:
    raw, source, gone_at = row
    tags: dict[str, Any] = {"_source": source} if is_tagged else {}
    if gone_at is not None:
        tags["_gone_at"] = gone_at.isoformat()
    return tagged([raw], tags)[0] if tags else raw
