"""Decides how a row from a walk or an event, or its absence, changes the stored row (pure).

Each row has a version that grows with each change on the server: the time of its last change, if the list gives it. An
older version never replaces a newer one. All times are microseconds since 1970.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Raw, Struct, json

from periskope_async.decoding.body import UNREAD, mend_escapes

__all__ = ["FieldChange", "Outcome", "Source", "Stored", "changed_fields", "judge"]

Source: TypeAlias = Literal["walk", "event"]

_FIELDS = json.Decoder(dict[str, Raw])


class Outcome(Enum):
    """The result of merging a row."""

    INSERTED = "inserted"
    UPDATED = "updated"
    RESTORED = "restored"
    """The row was marked as deleted, and is there again."""
    DELETED = "deleted"
    """Full sweeps no longer meet the row."""
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"
    """The row was older than the stored one, or could not be proven newer."""

    @property
    def is_change(self) -> bool:
        """Whether the stored row has changed."""
        return self not in {Outcome.UNCHANGED, Outcome.OUTDATED}


class Stored(Struct, frozen=True, gc=False):
    """The stored state of a row."""

    raw: str
    version: int | None
    """None if the row does not give the time of its last change."""
    said_at: int
    """The time of the server's word on it: the time of the event, or of reading the walk's page."""
    deleted_at: int | None = None
    """The time at which the mirror found the row gone. None if it is there."""


class FieldChange(Struct, frozen=True, gc=False):
    """One field of a row that has changed. Values are JSON."""

    name: str
    old: str
    new: str


def judge(stored: Stored | None, raw: str, version: int | None, *, source: Source, as_of: int) -> Outcome:
    """Decide whether a row replaces the stored one.

    ``as_of`` is the earliest moment at which the server may have sent the row: the beginning of its walk, or the
    event's own time. It decides if versions are equal or unknown. A walk wins, unless the server's last word on the row
    is later: its page may have been on its way while an event came. An event may come twice, so its moment has to be
    the later one. A deleted row is restored by any walk: it began after the deletion, whatever the clock says.
    """
    if stored is None:
        return Outcome.INSERTED
    order = _compare(version, stored.version)
    if order < 0:
        return Outcome.OUTDATED
    if stored.deleted_at is not None:
        return Outcome.RESTORED if source == "walk" or as_of > stored.deleted_at else Outcome.OUTDATED
    if raw == stored.raw:
        return Outcome.UNCHANGED
    is_newer = order > 0 or as_of > stored.said_at or (source == "walk" and as_of == stored.said_at)
    return Outcome.UPDATED if is_newer else Outcome.OUTDATED


def changed_fields(old: str, new: str) -> list[FieldChange]:
    """Compare two versions of a row, field by field on the top level, in the order of the newer one.

    A field absent in one of them is skipped. Events bring fields that lists leave out, such as ``members``, and these
    would come and go.
    """
    before, after = _fields(old), _fields(new)
    pairs = [(name, bytes(before[name]).decode(), bytes(after[name]).decode()) for name in after if name in before]
    return [FieldChange(name, was, now) for name, was, now in pairs if was != now]


def _compare(version: int | None, stored: int | None) -> int:
    """Tell whether a version is older (below 0), newer (above 0), or neither."""
    if version is None or stored is None:
        return 0
    return (version > stored) - (version < stored)


def _fields(row: str) -> dict[str, Raw]:
    try:
        return _FIELDS.decode(row)
    except UNREAD:
        # msgspec refuses half an emoji. JavaScript writes one if it cuts a text there.
        return _FIELDS.decode(mend_escapes(row.encode()))
