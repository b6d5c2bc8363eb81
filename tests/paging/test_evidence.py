"""What proves that every row was met."""

from __future__ import annotations

import pytest

from periskope_async.paging.evidence import Evidence
from periskope_async.paging.report import WalkReport


def met(rows: int, *, counted: int = 10) -> WalkReport:
    return WalkReport(pages=3, rows_placed=rows, count_at_start=counted)


def test_as_many_rows_as_were_counted_at_first_are_a_proof() -> None:
    complete, why = Evidence(is_newest_first=True).verdict(met(10), missing=0, is_total=True)
    assert complete is True
    assert "counted at first" in why


@pytest.mark.parametrize("rows", [9, 11])
def test_fewer_are_none_and_more_prove_the_count_wrong(rows: int) -> None:
    assert Evidence(is_newest_first=True).verdict(met(rows), missing=0, is_total=True)[0] is None


def test_a_count_that_is_not_of_all_rows_proves_nothing() -> None:
    assert Evidence(is_newest_first=True).verdict(met(10), missing=0, is_total=False)[0] is None


def test_where_the_end_was_not_seen_a_count_proves_nothing_for_it_may_be_wrong() -> None:
    evidence = Evidence(is_newest_first=True)
    evidence.was_not_seen("out of reach")
    assert evidence.verdict(met(10), missing=0, is_total=True) == (None, "out of reach")


def test_a_head_that_could_not_be_caught_up_is_no_matter_where_the_count_tells() -> None:
    evidence = Evidence(is_newest_first=True)
    evidence.doubt = "the head moves"
    assert evidence.verdict(met(10), missing=0, is_total=True)[0] is True
    assert evidence.verdict(met(9), missing=0, is_total=True) == (None, "the head moves")


def test_from_a_cut_on_nothing_proves_what_was_read_before() -> None:
    evidence = Evidence(is_newest_first=True, is_resumed=True)
    assert evidence.verdict(met(10), missing=0, is_total=True)[0] is None
