"""What news of a row does to what is stored, by tables and for every order in which news may arrive."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given, strategies as st

from periskope_async.mirror.merge import (
    FieldChange,
    Outcome,
    Source,
    Stored,
    changed_fields,
    judge,
    judge_deletion,
    misses_needed,
)

INSERTED, UPDATED, RESTORED, DELETED = Outcome.INSERTED, Outcome.UPDATED, Outcome.RESTORED, Outcome.DELETED
UNCHANGED, OUTDATED = Outcome.UNCHANGED, Outcome.OUTDATED


@pytest.mark.parametrize(
    ("stored", "raw", "version", "by_walk", "by_event", "by_late_event"),
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
    stored: Stored | None, raw: str, version: int | None, by_walk: Outcome, by_event: Outcome, by_late_event: Outcome
) -> None:
    assert judge(stored, raw, version, source="walk", as_of=10) is by_walk
    assert judge(stored, raw, version, source="event", as_of=11) is by_event
    assert judge(stored, raw, version, source="event", as_of=10) is by_late_event


@pytest.mark.parametrize(
    ("version", "as_of", "outcome"),
    [
        (2, 100, OUTDATED),  # said before the row was found gone
        (2, 101, RESTORED),
        (None, 101, RESTORED),
        (3, 100, OUTDATED),
        (1, 101, OUTDATED),  # an older version than the one that was shown
    ],
)
def test_a_row_meets_a_deleted_one(version: int | None, as_of: int, outcome: Outcome) -> None:
    stored = Stored("a", 2, 50, 100)
    for source in get_args(Source):
        assert judge(stored, "a", version, source=source, as_of=as_of) is outcome


@pytest.mark.parametrize(
    ("stored", "version", "outcome"),
    [
        (None, 1, DELETED),
        (Stored("a", 1, 10), 1, DELETED),
        (Stored("a", 2, 10), 1, OUTDATED),
        (Stored("a", 1, 10), None, DELETED),
        (Stored("a", 1, 10, 100), 2, OUTDATED),
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
            stored = Stored(raw, version, now, now if is_deletion else None)
            assert version >= shown
            shown = version
