"""The content of a mirror, in any of the databases: rows, the state of each list, and the history of fields.

All methods block, and are called from one thread. Each writes in one transaction, so a killed mirror has either done
a step or not begun it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, json
from msgspec.structs import replace

from periskope_async.decoding.repair import Unreadable
from periskope_async.errors import MirrorError
from periskope_async.mirror.lists import micros, to_text
from periskope_async.mirror.merge import Outcome, Stored, changed_fields, judge
from periskope_async.mirror.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from periskope_async.mirror.database import Database
    from periskope_async.mirror.lists import MirroredList
    from periskope_async.mirror.merge import Source
    from periskope_async.mirror.table import Value

__all__ = ["ListState", "Scope", "Store", "Sweep"]

S = TypeVar("S", bound=Struct)

_FORMAT = 1
# The clocks of the server and of this machine may differ by this much.
_MOST_SKEW = timedelta(minutes=10)
# The history's name for a row's deletion and its return.
_IS_DELETED = "(is deleted)"

_STATE = Table(
    name="mirror_state",
    key=("name",),
    columns=(Column("name", "text", is_required=True), Column("value", "text", is_required=True)),
)
# The keys met by a full sweep so far. Marking the rows themselves would take as long as writing them anew.
_MET = Table(
    name="mirror_met",
    key=("mirror_key", "list"),
    columns=(Column("mirror_key", "text", is_required=True), Column("list", "text", is_required=True)),
)
_HISTORY = Table(
    name="mirror_history",
    key=(),
    columns=(
        Column("list", "text", is_required=True),
        Column("mirror_key", "text", is_required=True),
        Column("seen_at", "time", is_required=True),
        Column("field", "text", is_required=True),
        Column("old_json", "text"),
        Column("new_json", "text"),
    ),
)


class Scope(Struct, frozen=True, kw_only=True):
    """The owner of the rows. Rows of another organisation or phone would look like deleted rows."""

    format: int = _FORMAT
    phone: str | None = None
    org_id: str | None = None


class Sweep(Struct, frozen=True, kw_only=True):
    """An unfinished full sweep."""

    token: str
    """A pager's token to go on from."""
    began: datetime
    """The time of its beginning, by the mirror's clock."""
    head: float
    """The server's time at its beginning, in Unix seconds."""


class ListState(Struct, frozen=True, kw_only=True):
    """The state of a list."""

    sweep: Sweep | None = None
    swept_at: datetime | None = None
    """The beginning of the last full sweep, by the mirror's clock."""
    watermarks: dict[str, float] = {}
    """The watermark of each order: all changes up to this sort time, in Unix seconds, have been read."""
    undated_first: dict[str, bool] = {}
    """Whether rows without a sort time stand before all others, for each order."""
    counts_all: bool = False
    """Whether the server has counted more rows than a page holds. Then it counts all."""
    difference: int | None = None
    """The server's count minus the rows here, after the last full sweep."""
    is_difference_usual: bool = False
    """Whether the difference was the same after the sweep before."""


class Store:
    """Rows of several lists in one database."""

    def __init__(self, database: Database, *, keeps_history: bool = False) -> None:
        self._database = database
        self._keeps_history = keeps_history

    @property
    def name(self) -> str:
        """The database's name in errors."""
        return self._database.name

    def open(self, lists: Iterable[MirroredList]) -> None:
        """Lock the database, and make the missing tables. Raises MirrorError."""
        tables = (_STATE, _MET, _HISTORY, *(each.table for each in lists))
        try:
            self._database.connect(tables)
            with self._database.transaction():
                for table in tables:
                    self._database.create(table)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the database and unlock it. May be called twice."""
        self._database.close()

    def bind(self, scope: Scope) -> None:
        """Tie the database to a scope. Raises MirrorError if it holds rows of another one."""
        with self._database.transaction():
            known = self._load("mirror", Scope)
            if known is not None and known.format != _FORMAT:
                raise MirrorError(f"{self.name} was made by another version: its format is {known.format}")
            for what in ("phone", "org_id"):
                mine: str | None = getattr(scope, what)
                other: str | None = getattr(known, what, None)
                # The organisation is known from the first answer on; no phone means all phones.
                if known is not None and mine != other and not (what == "org_id" and None in {mine, other}):
                    raise MirrorError(
                        f"{self.name} is a mirror of {_owner(what, other)}, not of {_owner(what, mine)}; take another "
                        "database for it"
                    )
            if known is None or (known.org_id is None and scope.org_id is not None):
                self._save("mirror", scope)

    def state(self, mirrored: MirroredList) -> ListState:
        """Give the state of a list."""
        return self._load(mirrored.name, ListState) or ListState()

    def save_state(self, mirrored: MirroredList, state: ListState) -> None:
        """Write the state of a list."""
        with self._database.transaction():
            self._save(mirrored.name, state)

    def count(self, mirrored: MirroredList, *, without: str | None = None) -> int:
        """Count the rows that are not deleted; with ``without``, only those with no value in this column."""
        count = f"SELECT COUNT(*) FROM {mirrored.name}"
        # Both read indexes alone.
        there = f"{count} WHERE deleted_at IS NULL AND {without} IS NULL"
        everywhere = f"SELECT ({count}) - ({count} WHERE deleted_at IS NOT NULL)"
        with self._database.transaction():
            ((rows,),) = self._database.execute(there if without else everywhere)
        return int(rows)

    def merge(
        self,
        mirrored: MirroredList,
        rows: Sequence[tuple[str, bytes]],
        *,
        source: Source,
        as_of: datetime,
        now: datetime,
        state: ListState | None = None,
        is_sweeping: bool = False,
    ) -> list[Outcome]:
        """Merge rows, each with its key, and write the list's new state. Gives the outcome of each.

        ``as_of`` and ``now`` are times of the mirror's clock; :func:`periskope_async.mirror.merge.judge` explains the
        first. Raises MirrorError, and then nothing is written.
        """
        with self._database.transaction():
            said_at = micros(now if source == "walk" else as_of)
            stored = self._stored(mirrored, [key for key, _ in rows], now)
            outcomes: list[Outcome] = []
            written: dict[str, tuple[Value, ...]] = {}
            history: list[tuple[Value, ...]] = []
            for key, sent in rows:
                raw, old = sent.decode(errors="replace"), stored.get(key)
                if old is not None and old.raw == raw and old.deleted_at is None:
                    outcomes.append(Outcome.UNCHANGED)
                    if source == "event" and said_at > old.said_at:
                        stored[key] = self._note_word(mirrored, key, old, said_at)
                    continue
                row, version = _read(mirrored, sent)
                outcome = judge(old, raw, version, source=source, as_of=micros(as_of))
                outcomes.append(outcome)
                if outcome.is_change:
                    written[key] = (key, version, said_at, 0, None, *mirrored.values(row), raw)
                    stored[key] = Stored(raw, version, said_at)
                    if self._keeps_history and old is not None:
                        history += _history(mirrored.name, key, old, stored[key], now)
            self._database.upsert(mirrored.table, list(written.values()))
            if is_sweeping:
                self._database.upsert(_MET, [(key, mirrored.name) for key in dict.fromkeys(key for key, _ in rows)])
            self._database.upsert(_HISTORY, history)
            if state is not None:
                self._save(mirrored.name, state)
        return outcomes

    def _note_word(self, mirrored: MirroredList, key: str, old: Stored, said_at: int) -> Stored:
        """Note a later word on an unchanged row: an event sent in between may come late.

        A walk would write most rows anew for that.
        """
        self._database.execute(f"UPDATE {mirrored.name} SET mirror_said_at = ? WHERE mirror_key = ?", (said_at, key))
        return replace(old, said_at=said_at)

    def begin_sweep(self, mirrored: MirroredList) -> None:
        """Forget the rows met by an earlier full sweep."""
        with self._database.transaction():
            self._database.execute("DELETE FROM mirror_met WHERE list = ?", (mirrored.name,))

    def finish_sweep(self, mirrored: MirroredList, *, complete: bool | None, now: datetime, state: ListState) -> int:
        """Mark the rows missed by a full sweep as deleted, and count them.

        ``complete`` tells whether it met every row. None stands for unknown: then a row has to be missed twice in a
        row. False marks nothing.
        """
        name = mirrored.name
        # Above some size, PostgreSQL reads the whole set of a NOT IN again for each row.
        met = (
            f"EXISTS (SELECT 1 FROM mirror_met AS met WHERE met.list = '{name}' AND met.mirror_key = {name}.mirror_key)"
        )
        with self._database.transaction():
            execute = self._database.execute
            execute(f"UPDATE {name} SET mirror_misses = 0 WHERE mirror_misses > 0 AND {met}")
            gone = 0
            if complete is not False:
                execute(f"UPDATE {name} SET mirror_misses = mirror_misses + 1 WHERE deleted_at IS NULL AND NOT {met}")
                # A row may have moved past the reader of an unproven sweep: it takes two of them in a row.
                gone = self._mark_missed(mirrored, 1 if complete else 2, now)
            execute("DELETE FROM mirror_met WHERE list = ?", (name,))
            self._save(name, state)
        return gone

    def drop_missed(self, mirrored: MirroredList, *, expected: int, now: datetime) -> int:
        """Mark the rows missed by the last full sweep as deleted, if they are as many as expected; give how many."""
        with self._database.transaction():
            ((missed,),) = self._database.execute(
                f"SELECT COUNT(*) FROM {mirrored.name} WHERE deleted_at IS NULL AND mirror_misses > 0"
            )
            return self._mark_missed(mirrored, 1, now) if missed == expected else 0

    def _mark_missed(self, mirrored: MirroredList, misses: int, now: datetime) -> int:
        missed = "deleted_at IS NULL AND mirror_misses >= ?"
        keys = self._database.execute(f"SELECT mirror_key FROM {mirrored.name} WHERE {missed}", (misses,))
        self._database.execute(f"UPDATE {mirrored.name} SET deleted_at = ? WHERE {missed}", (to_text(now), misses))
        if self._keeps_history:
            moment = to_text(now)
            self._database.upsert(
                _HISTORY, [(mirrored.name, key, moment, _IS_DELETED, "false", "true") for (key,) in keys]
            )
        return len(keys)

    def _stored(self, mirrored: MirroredList, keys: Sequence[str], now: datetime) -> dict[str, Stored]:
        """Give the stored rows of these keys.

        A time yet to come tells nothing: a clock once ran ahead. The server's word then counts as of 1970, and a
        version as unknown.
        """
        latest = micros(now + _MOST_SKEW)
        columns = ("mirror_key", "raw_json", "mirror_version", "mirror_said_at", "CAST(deleted_at AS TEXT)")
        return {
            key: Stored(
                raw,
                version if version is not None and version <= latest else None,
                said_at if said_at <= latest else 0,
                None if deleted is None else micros(datetime.fromisoformat(deleted)),
            )
            for key, raw, version, said_at, deleted in self._database.select(mirrored.table, columns, keys)
        }

    def _load(self, name: str, kind: type[S]) -> S | None:
        rows = self._database.execute("SELECT value FROM mirror_state WHERE name = ?", (name,))
        return json.decode(rows[0][0], type=kind) if rows else None

    def _save(self, name: str, value: Struct) -> None:
        self._database.upsert(_STATE, [(name, json.encode(value).decode())])


def _owner(what: str, value: str | None) -> str:
    """Name a part of a scope. Without a phone it is of all phones."""
    return f"{what} {value!r}" if value is not None else "all phones of the key"


def _read(mirrored: MirroredList, sent: bytes) -> tuple[Any, int | None]:
    """Read a row and its version. An unreadable one is None, and kept as it was sent."""
    try:
        row = mirrored.read(sent)
    except Unreadable:
        return None, None
    changed = getattr(row, mirrored.version)
    return row, micros(changed) if isinstance(changed, datetime) else None


def _history(name: str, key: str, old: Stored, new: Stored, now: datetime) -> list[tuple[Value, ...]]:
    changes = [(change.name, change.old, change.new) for change in changed_fields(old.raw, new.raw)]
    if old.deleted_at is not None:
        changes.append((_IS_DELETED, "true", "false"))
    return [(name, key, to_text(now), *change) for change in changes]
