"""What news of a row does to what is stored, by tables and for every order in which news may arrive."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, strategies as st

from periskope_async.mirror.merge import (
    FieldChange,
    Outcome,
    Stored,
    changed_fields,
    judge,
)

INSERTED, UPDATED, RESTORED = Outcome.INSERTED, Outcome.UPDATED, Outcome.RESTORED
UNCHANGED, OUTDATED = Outcome.UNCHANGED, Outcome.OUTDATED


@pytest.mark.parametrize(
    ("stored", "raw", "version", "by_walk", "by_event", "when_late"),
    [
        (None, "a", 1, INSERTED, INSERTED, INSERTED),
        (None, "a", None, INSERTED, INSERTED, INSERTED),
        (Stored("a", 1, 10), "b", 2, UPDATED, UPDATED, UPDATED),
        (Stored("a", 2, 10), "b", 1, OUTDATED, OUTDATED, OUTDATED),
        (Stored("a", 1, 10), "a", 1, UNCHANGED, UNCHANGED, UNCHANGED),
        # The versions do not tell which is newer.
        (Stored("a", 1, 10), "b", 1, UPDATED, UPDATED, OUTDATED),
        (Stored("a", None, 10), "b", 1, UPDATED, UPDATED, OUTDATED),
        (Stored("a", 1, 10), "b", None, UPDATED, UPDATED, OUTDATED),
    ],
)
def test_a_row_meets_one_that_is_there(
    stored: Stored | None, raw: str, version: int | None, by_walk: Outcome, by_event: Outcome, when_late: Outcome
) -> None:
    assert judge(stored, raw, version, source="walk", as_of=10) is by_walk
    assert judge(stored, raw, version, source="event", as_of=11) is by_event
    assert judge(stored, raw, version, source="event", as_of=10) is when_late
    assert judge(stored, raw, version, source="walk", as_of=9) is when_late


@pytest.mark.parametrize(
    ("version", "as_of", "by_event", "by_walk"),
    [
        (2, 100, OUTDATED, RESTORED),  # an event sent before the row was found gone
        (2, 101, RESTORED, RESTORED),
        (None, 101, RESTORED, RESTORED),
        (3, 100, OUTDATED, RESTORED),
        (1, 101, OUTDATED, OUTDATED),  # an older version than the one that was shown
    ],
)
def test_a_row_meets_a_deleted_one(version: int | None, as_of: int, by_event: Outcome, by_walk: Outcome) -> None:
    stored = Stored("a", 2, 50, 100)
    assert judge(stored, "a", version, source="event", as_of=as_of) is by_event
    assert judge(stored, "a", version, source="walk", as_of=as_of) is by_walk


def test_changed_fields() -> None:
    old = '{"a":1,"b":[1],"c":null,"d":"x"}'
    new = '{"b":[1,2],"a":1,"c":"\\ud83d","e":{}}'
    assert changed_fields(old, new) == [FieldChange("b", "[1]", "[1,2]"), FieldChange("c", "null", '"\\ufffd"')]


@given(st.lists(st.tuples(st.integers(1, 8), st.booleans()), max_size=20))
def test_no_order_of_arrival_goes_back(arrivals: list[tuple[int, bool]]) -> None:
    """Versions arrive by events and walks in any order, doubled and with gaps: what is shown never gets older."""
    stored: Stored | None = None
    for now, (version, is_walk) in enumerate(arrivals, 10):
        raw = msgspec.json.encode({"v": version}).decode()
        outcome = judge(stored, raw, version, source="walk" if is_walk else "event", as_of=now)
        if outcome.is_change:
            assert stored is None or version >= (stored.version or 0)
            stored = Stored(raw, version, now)
    assert stored is None or stored.version == max(version for version, _ in arrivals)
