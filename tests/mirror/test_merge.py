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
    judge_deletion,
    misses_needed,
)

INSERTED, UPDATED, RESTORED, DELETED = Outcome.INSERTED, Outcome.UPDATED, Outcome.RESTORED, Outcome.DELETED
UNCHANGED, OUTDATED = Outcome.UNCHANGED, Outcome.OUTDATED


@pytest.mark.parametrize(
    ("stored", "raw", "version", "by_walk", "by_event"),
    [
        (None, "a", 1, INSERTED, INSERTED),
        (None, "a", None, INSERTED, INSERTED),
        (Stored("a", 1, None), "b", 2, UPDATED, UPDATED),
        (Stored("a", 2, None), "b", 1, OUTDATED, OUTDATED),
        (Stored("a", 1, None), "a", 1, UNCHANGED, UNCHANGED),
        # Nothing tells which is newer: a walk has just read its row, an event may be late.
        (Stored("a", 1, None), "b", 1, UPDATED, OUTDATED),
        (Stored("a", None, None), "b", 1, UPDATED, OUTDATED),
        (Stored("a", 1, None), "b", None, UPDATED, OUTDATED),
    ],
)
def test_a_row_meets_one_that_is_there(
    stored: Stored | None, raw: str, version: int | None, by_walk: Outcome, by_event: Outcome
) -> None:
    assert judge(stored, raw, version, source="walk", as_of=10) is by_walk
    assert judge(stored, raw, version, source="event", as_of=10) is by_event


@pytest.mark.parametrize(
    ("version", "as_of", "by_walk", "by_event"),
    [
        (1, 99, OUTDATED, OUTDATED),  # the walk began before the row was found gone
        (2, 101, RESTORED, OUTDATED),
        (1, 101, OUTDATED, OUTDATED),  # an older version than the one that was shown
        (None, 101, RESTORED, OUTDATED),
        (101, 101, RESTORED, RESTORED),
        (100, 200, RESTORED, OUTDATED),
    ],
)
def test_a_row_meets_a_deleted_one(version: int | None, as_of: int, by_walk: Outcome, by_event: Outcome) -> None:
    stored = Stored("a", 2, 100)
    assert judge(stored, "a", version, source="walk", as_of=as_of) is by_walk
    assert judge(stored, "a", version, source="event", as_of=as_of) is by_event


@pytest.mark.parametrize(
    ("stored", "version", "outcome"),
    [
        (None, 1, DELETED),
        (Stored("a", 1, None), 1, DELETED),
        (Stored("a", 2, None), 1, OUTDATED),
        (Stored("a", 1, None), None, DELETED),
        (Stored("a", 1, 100), 2, OUTDATED),
    ],
)
def test_a_deletion(stored: Stored | None, version: int | None, outcome: Outcome) -> None:
    assert judge_deletion(stored, version) is outcome


def test_misses_without_proof_are_counted_twice() -> None:
    assert misses_needed(is_proven=True) == 1
    assert misses_needed(is_proven=False) == 2


def test_changed_fields() -> None:
    old = '{"a":1,"b":[1],"c":null,"d":"x"}'
    new = '{"b":[1,2],"a":1,"c":"\\ud83d","e":{}}'
    assert changed_fields(old, new) == [
        FieldChange("b", "[1]", "[1,2]"),
        FieldChange("c", "null", '"\\ufffd"'),
        FieldChange("e", None, "{}"),
        FieldChange("d", '"x"', None),
    ]


@given(st.data())
def test_no_order_of_arrival_goes_back(data: st.DataObject) -> None:
    """Versions arrive by events in any order, doubled and with gaps: what is shown never gets older."""
    versions = data.draw(st.lists(st.integers(1, 8), max_size=20))
    deletions = data.draw(st.sets(st.integers(0, 20), max_size=3))
    stored: Stored | None = None
    shown = 0
    for now, version in enumerate(versions, 10):
        is_deletion = now - 10 in deletions
        raw = msgspec.json.encode({"v": version}).decode()
        if is_deletion:
            outcome = judge_deletion(stored, version)
        else:
            outcome = judge(stored, raw, version, source="event", as_of=now)
        if outcome.is_change:
            stored = Stored(raw, version, now if is_deletion else None)
            assert version >= shown
            shown = version
