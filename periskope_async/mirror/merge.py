"""What becomes of a stored row when news of it arrives: from a walk, from an event, or by its absence (pure).

Each row has a version, which grows with each change on the server. It is the time of its last change where the list
says that. An older version never takes the place of a newer one. All times are microseconds since 1970.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from msgspec import Raw, Struct, json

from periskope_async.decoding.body import mend_escapes
from periskope_async.decoding.envelope import UNREAD

__all__ = ["FieldChange", "Outcome", "Source", "Stored", "changed_fields", "judge", "misses_needed"]

Source: TypeAlias = Literal["walk", "event"]

_FIELDS = json.Decoder(dict[str, Raw])


class Outcome(Enum):
    """What was done with a row."""

    INSERTED = "inserted"
    UPDATED = "updated"
    RESTORED = "restored"
    """It was marked as deleted, and is there again."""
    DELETED = "deleted"
    """No full sweep meets it any more."""
    UNCHANGED = "unchanged"
    OUTDATED = "outdated"
    """The news was older than what is stored, or could not be told to be newer."""

    @property
    def is_change(self) -> bool:
        """Whether the stored row is another one now."""
        return self not in {Outcome.UNCHANGED, Outcome.OUTDATED}


class Stored(Struct, frozen=True, gc=False):
    """What the mirror holds of a row."""

    raw: str
    version: int | None
    """None where the row does not say when it was changed."""
    said_at: int
    """When the server had said so: the time of the event, or when the walk's page was read."""
    deleted_at: int | None = None
    """When the mirror learned that the row is gone. None where it is there."""


class FieldChange(Struct, frozen=True, gc=False):
    """One field of a row that has changed. Values are JSON."""

    name: str
    old: str
    new: str


def judge(stored: Stored | None, raw: str, version: int | None, *, source: Source, as_of: int) -> Outcome:
    """Decide what a row means for what is stored.

    ``as_of`` is the earliest moment at which the server may have said so: when the row's walk began, or the event's own
    time. A walk has read the row from the server, so it wins where versions are equal or unknown. An event may be late,
    so there it has to be of a later moment than what is stored.
    """
    if stored is None:
        return Outcome.INSERTED
    order = _compare(version, stored.version)
    if order < 0:
        return Outcome.OUTDATED
    if stored.deleted_at is not None:
        return Outcome.RESTORED if as_of > stored.deleted_at else Outcome.OUTDATED
    if raw == stored.raw:
        return Outcome.UNCHANGED
    is_newer = order > 0 or source == "walk" or as_of > stored.said_at
    return Outcome.UPDATED if is_newer else Outcome.OUTDATED


def misses_needed(*, is_proven: bool) -> int:
    """Give how many full sweeps in a row have to miss a row until it is gone.

    One is enough where the last sweep is proven to have met all rows. Else a row may have moved past the reader.
    """
    return 1 if is_proven else 2


def changed_fields(old: str, new: str) -> list[FieldChange]:
    """Compare two versions of a row, field by field on the top level, in the order of the newer one.

    A field that is absent in one of them is passed over: an event brings fields that a list leaves out, such as
    ``members``, so that they would come and go.
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
        # msgspec refuses half an emoji, which JavaScript writes where it cuts a text.
        return _FIELDS.decode(mend_escapes(row.encode()))
