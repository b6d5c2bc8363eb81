"""Going over the list again, while fewer rows were met than the server counts or it is not clear (pure).

Rows of equal sort key may stand in another order at each request; then every page is a draw, and some rows are passed
by. Each further pass finds most of what is left: it reads in the other direction, and in the largest pages, since what
one answer holds cannot change places within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.paging.evidence import Evidence
    from periskope_async.paging.plan import Plan

__all__ = ["Again"]

# Where all rows change places at each request, a third of what is missing escapes a pass: twelve passes find all but
# one of a million, and that one escapes six more once in a thousand times.
_MOST_PASSES = 24
_MOST_FUTILE = 6
# So many may come in before an answer that is to hold all.
_ROWS_TO_SPARE = 10


class Again:
    """What the passes so far were worth."""

    def __init__(self) -> None:
        self._futile = self._placed = self._placed_old = 0

    def is_worth_it(self, evidence: Evidence, plan: Plan, *, missing: int) -> bool:
        """Whether one more pass may find what is missing, or tell whether anything is; asked before each of them.

        ``missing`` is how many rows fewer were met than the server counts.
        Where rows leave, that tells less than the gaps that are known. Without rows that change places, a pass in vain
        says that the server counts too many. And what is not in an answer that held the whole list is not there.
        """
        report = evidence.report
        further = report.passes - 1
        placed, placed_old = report.rows_placed, report.rows_placed - evidence.newcomers
        # Rows that came in meanwhile would be found by any number of passes.
        has_found = placed > self._placed if evidence.is_shuffle_likely else placed_old > self._placed_old
        self._futile = self._futile + 1 if further and not has_found else 0
        self._placed, self._placed_old = placed, placed_old
        # One that has not told will not at another time.
        would_tell = not further and evidence.count.is_total and _may_tell(evidence, plan)
        is_wanted = missing > 0 or (evidence.has_gaps and not self._futile) or would_tell
        is_of_use = evidence.doubt is None or would_tell
        is_spent = further >= _MOST_PASSES or self._futile >= (_MOST_FUTILE if evidence.is_shuffle_likely else 1)
        return is_wanted and is_of_use and not is_spent and not (further and plan.was_one_page)


def _may_tell(evidence: Evidence, plan: Plan) -> bool:
    """Whether it is not clear that all rows were met, and one answer may hold all of them.

    More than one request is not spent on it: a longer list would take a twentieth of the requests that reading it took
    in pages of 100, and half of them in pages of 1,000.
    """
    # A server that gave fewer than it was asked for will give no more than that.
    at_once = plan.most_rows if evidence.largest >= plan.page_size else evidence.largest
    is_one_request = evidence.report.rows_placed + _ROWS_TO_SPARE <= at_once
    return is_one_request and not evidence.is_unprovable and evidence.what_is_unclear() is not None
