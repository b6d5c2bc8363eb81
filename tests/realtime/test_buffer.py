"""The buffer's bounds, and the gap that tells what was dropped; the waits between connections."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from hypothesis import given, strategies as st

from periskope_async.realtime.backoff import delay
from periskope_async.realtime.buffer import Buffer, Waiting
from periskope_async.realtime.items import Gap


def event(number: int, size: int = 1) -> Waiting:
    return Waiting("message.created", b"{}", float(number), size)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def drained(buffer: Buffer) -> list[Waiting | Gap]:
    items: list[Waiting | Gap] = []
    while (item := buffer.pop()) is not None:
        items.append(item)
    return items


def test_the_oldest_are_dropped_and_told() -> None:
    buffer = Buffer(max_events=3, max_bytes=100)
    for number in range(5):
        buffer.push(event(number))
    gap, *rest = drained(buffer)
    assert gap == Gap(since=at(0), until=at(1), reason="overflow", dropped=2)
    assert rest == [event(2), event(3), event(4)]
    buffer.push(event(5))
    assert drained(buffer) == [event(5)]


def test_a_gap_that_is_dropped_is_told_by_the_next() -> None:
    buffer = Buffer(max_events=2, max_bytes=100)
    buffer.push_gap(Gap(since=at(1), until=at(9), reason="closed", recovered=True))
    for number in (10, 11, 12):
        buffer.push(event(number))
    assert drained(buffer) == [
        Gap(since=at(1), until=at(10), reason="overflow", dropped=1),
        event(11),
        event(12),
    ]


def test_one_event_always_has_room() -> None:
    buffer = Buffer(max_events=10, max_bytes=100)
    assert not buffer.is_full_for(event(0, size=5_000))
    buffer.push(event(0, size=5_000))
    assert buffer.is_full_for(event(1))
    buffer.push(event(1))
    assert drained(buffer)[1:] == [event(1)]


@given(
    pushes=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60),
    max_events=st.integers(1, 8),
    max_bytes=st.integers(1, 100),
)
def test_nothing_is_lost_in_silence(pushes: list[tuple[int, bool]], max_events: int, max_bytes: int) -> None:
    buffer = Buffer(max_events=max_events, max_bytes=max_bytes)
    taken: list[Waiting | Gap] = []
    for number, (size, is_taken) in enumerate(pushes):
        buffer.push(event(number, size))
        if is_taken and (item := buffer.pop()) is not None:
            taken.append(item)
    assert len(buffer) <= max_events + 1
    taken += drained(buffer)
    expected = 0
    for item in taken:
        if isinstance(item, Gap):
            assert item.since == at(expected)
            expected += item.dropped
            assert item.until == at(expected - 1)
        else:
            assert item.received_at == expected
            expected += 1
    assert expected == len(pushes)


def test_waits_grow_and_spread() -> None:
    def ceilings(**options: bool) -> list[float]:
        draws = [[delay(attempt, rng=Random(seed), **options) for seed in range(200)] for attempt in range(1, 13)]
        assert all(min(waits) < max(waits) / 2 for waits in draws)
        return [round(max(waits) / 1.5) for waits in draws]

    assert ceilings() == [1, 2, 4, 5, 5, 5, 5, 5, 5, 5, 30, 30]
    assert set(ceilings(is_slow=True)) == {30}
    assert delay(1, rng=Random(1), at_least=60.0) > 60
