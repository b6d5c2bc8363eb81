"""What proves that every row was met."""

from __future__ import annotations

import pytest

from periskope_async.paging.ask import Answered, Ask, Phase
from periskope_async.paging.count import Count
from periskope_async.paging.ending import EndProof
from periskope_async.paging.evidence import Evidence
from periskope_async.paging.report import WalkReport
from periskope_async.wire.order import Order

PAGE = Ask(Phase.MAIN, 6, 5)
LOOK_AT_HEAD = Ask(Phase.HEAD, 0, 100)


def evidence_of(rows: int, *, is_total: bool = True, is_resumed: bool = False, is_end_shown: bool = True) -> Evidence:
    """Give the evidence of a walk that met so many rows, of ten that were counted."""
    count = Count()
    count.was_told(10, rows=5 if is_total else 10, offset=0, asked=10)
    report = WalkReport(pages=3, rows_placed=rows, count_at_start=10)
    evidence = Evidence(report, count, order=Order(), is_resumed=is_resumed)
    evidence.end.is_shown = is_end_shown
    return evidence


def test_as_many_rows_as_were_counted_at_first_are_a_proof() -> None:
    complete, why = evidence_of(10).verdict(missing=0)
    assert complete is True
    assert "counted at first" in why


@pytest.mark.parametrize("rows", [9, 11])
def test_fewer_are_none_and_more_prove_the_count_wrong(rows: int) -> None:
    assert evidence_of(rows).verdict(missing=0)[0] is None


@pytest.mark.parametrize(("newcomers", "expected"), [(0, None), (1, True)])
def test_a_count_that_has_grown_by_more_than_came_was_wrong_at_first(*, newcomers: int, expected: bool | None) -> None:
    evidence = evidence_of(10 + newcomers)
    evidence.newcomers = newcomers
    evidence.was_told(PAGE, Answered(keys=[1], count=11))
    assert evidence.verdict(missing=0)[0] is expected


def test_a_count_that_is_not_of_all_rows_proves_nothing() -> None:
    assert evidence_of(10, is_total=False).verdict(missing=0)[0] is None


def test_where_the_end_was_not_seen_a_count_proves_nothing_for_it_may_be_wrong() -> None:
    evidence = evidence_of(10)
    evidence.was_not_seen("out of reach")
    assert evidence.verdict(missing=0) == (None, "out of reach")


def test_where_the_last_page_may_have_been_cut_short_a_count_proves_nothing() -> None:
    evidence = evidence_of(10, is_end_shown=False)
    evidence.is_head_read = True
    complete, why = evidence.verdict(missing=0)
    assert complete is None
    assert "no later answer held more rows" in why


def test_a_head_that_could_not_be_caught_up_is_no_matter_where_the_count_tells() -> None:
    evidence = evidence_of(10)
    evidence.doubt = "the head moves"
    assert evidence.verdict(missing=0)[0] is True
    evidence = evidence_of(9)
    evidence.doubt = "the head moves"
    assert evidence.verdict(missing=0) == (None, "the head moves")


def test_from_a_cut_on_nothing_proves_what_was_read_before() -> None:
    assert evidence_of(10, is_resumed=True).verdict(missing=0)[0] is None


@pytest.mark.parametrize(("changed", "expected"), [(1, True), (0, None)])
def test_what_a_further_reading_finds_the_pages_before_had_passed_by_though_they_joined(
    *, changed: int, expected: bool | None
) -> None:
    evidence = evidence_of(9, is_total=False)
    evidence.is_head_read = True
    evidence.look_at(Ask(Phase.MAIN, 0, 10), Answered(keys=[1], date=1_000.0, time_of=lambda _: 5.0))
    assert evidence.verdict(missing=0)[0] is True
    # A row that may have come since was not there to be passed by.
    found = Answered(keys=[2], date=1_100.0, changed_since=lambda _, __: changed)
    evidence.met(Ask(Phase.AGAIN, 0, 2_000), found, [0])
    assert evidence.verdict(missing=0)[0] is expected


# -- the end ---------------------------------------------------------------------------------------------------------


def test_a_later_answer_of_more_rows_shows_that_a_short_page_was_the_end() -> None:
    end = EndProof()
    end.reached(PAGE, 4, gained=3, cursor=10)
    assert end.rows_to_show_it == 5
    end.was_told(LOOK_AT_HEAD, 4)
    assert not end.is_shown
    end.was_told(LOOK_AT_HEAD, 5)
    assert end.is_shown


@pytest.mark.parametrize(("cursor", "expected"), [(5, False), (6, True), (9, True)])
def test_an_empty_page_that_leaves_no_hole_is_the_end(*, cursor: int, expected: bool) -> None:
    end = EndProof()
    end.reached(PAGE, 0, gained=0, cursor=cursor)
    assert end.is_shown is expected


def test_a_page_that_goes_on_shows_that_there_was_no_end_before_it() -> None:
    end = EndProof()
    end.reached(PAGE, 2, gained=2, cursor=10)
    end.reached(PAGE, 4, gained=0, cursor=10)
    assert end.is_shown
    end.reached(PAGE, 5, gained=1, cursor=10)
    assert not end.is_shown


def test_a_full_page_is_no_end() -> None:
    end = EndProof()
    end.reached(PAGE, 5, gained=5, cursor=10)
    end.was_told(LOOK_AT_HEAD, 100)
    assert not end.is_shown


def test_a_page_that_was_out_already_shows_nothing() -> None:
    # It may have been cut before the one that seemed to be the end.
    end = EndProof()
    end.reached(PAGE, 2, gained=2, cursor=10)
    end.was_told(PAGE, 5)
    assert not end.is_shown
