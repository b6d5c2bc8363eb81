"""A set of keys is the same as Python's own, in an eighth of the memory."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, strategies as st

from periskope_async.compact_keys import CompactKeys

KEYS = st.lists(st.integers(-(2**63), 2**63 - 1))


@given(first=KEYS, others=KEYS, asked=KEYS)
def test_it_holds_what_was_added(first: list[int], others: list[int], asked: list[int]) -> None:
    keys = CompactKeys(set(first))
    assert all(key in keys for key in first)
    keys.update(others)
    held = {*first, *others}
    assert all(key in keys for key in held)
    assert [key in keys for key in asked] == [key in held for key in asked]
    assert keys.isdisjoint(asked) == held.isdisjoint(asked)


@pytest.mark.parametrize("key", [0, -1, 2**63 - 1, -(2**63), 1 << 16, (1 << 16) - 1])
def test_neighbors_are_told_apart(key: int) -> None:
    keys = CompactKeys(set())
    keys.update([key])
    near = [key ^ (1 << bit) for bit in range(63)]
    assert key in keys
    assert keys.isdisjoint(near)
    assert "no key" not in keys


def test_the_first_keys_move_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("periskope_async.compact_keys._MOVED_AT_ONCE", 2)
    first = set(range(5))
    keys = CompactKeys(first)
    for left in (3, 1, 0, 0):
        keys.update([100 + left])
        assert len(first) == left
        assert all(key in keys for key in range(5))
        assert 5 not in keys


def test_a_million_takes_little() -> None:
    rng = random.Random(1)
    keys = CompactKeys(set())
    tracemalloc.start()
    try:
        for _ in range(100):
            keys.update([rng.getrandbits(64) - 2**63 for _ in range(10_000)])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 12_000_000
