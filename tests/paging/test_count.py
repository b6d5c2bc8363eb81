"""What the server's count is worth, by what its answers hold."""

from __future__ import annotations

from periskope_async.paging.count import Count


def counted(*answers: tuple[int | None, int, int]) -> Count:
    """Have been told counts by answers of so many rows, each from an offset on."""
    count = Count()
    for value, rows, offset in answers:
        count.was_told(value, rows=rows, offset=offset, asked=10)
    return count


def test_a_count_above_its_own_page_counts_all_rows() -> None:
    assert counted((25, 10, 0)).is_total
    assert counted((25, 10, 0), (25, 5, 20)).is_total


def test_a_pages_own_number_or_none_does_not() -> None:
    assert not counted((10, 10, 0)).is_total
    assert not counted((None, 10, 0)).is_total


def test_rows_beyond_the_count_of_their_own_answer_refute_it_for_good() -> None:
    # A later answer of a list that has grown meanwhile, or has shrunk, makes no honest one of it.
    count = counted((48, 4, 0), (45, 3, 45), (48, 6, 36))
    assert not count.is_total
    assert count.beyond(10) == 0


def test_an_empty_page_far_beyond_the_end_says_nothing() -> None:
    assert counted((25, 10, 0), (25, 0, 100)).is_total
