"""Going over the list again, while fewer rows were met than the server counts (pure).

Rows of equal sort key may stand in another order at each request; then every page is a draw, and some rows are passed
by. Each further pass finds most of what is left: it reads in the other direction, and in the largest pages, since what
one answer holds cannot change places within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periskope_async.paging.evidence import Evidence
    from periskope_async.paging.report import WalkReport

__all__ = ["Again"]

# Where all rows change places at each request, a third of what is missing escapes a pass: twelve passes find all but
# one of a million, and that one escapes six more once in a thousand times.
_MOST_PASSES = 24
_MOST_FUTILE = 6


class Again:
    """What the passes so far were worth."""

    def __init__(self) -> None:
        self._futile = self._placed = 0

    def is_worth_it(self, report: WalkReport, evidence: Evidence, *, missing: int, was_one_page: bool) -> bool:
        """Whether one more pass may find what is missing; asked before each of them.

        ``missing`` is how many rows fewer were met than the server counts: where rows leave, that tells less than the
        gaps that are known. Without rows that change places, a pass in vain says that the server counts too many.
        ``was_one_page`` tells that the last pass met the whole list in one answer: what that does not hold is not
        there.
        """
        further = report.passes - 1
        if further:
            self._futile = self._futile + 1 if report.rows_placed == self._placed else 0
        self._placed = report.rows_placed
        is_wanted = missing > 0 or (evidence.has_gaps and not self._futile)
        is_spent = further >= _MOST_PASSES or self._futile >= (_MOST_FUTILE if evidence.is_shuffle_likely else 1)
        return evidence.doubt is None and is_wanted and not is_spent and not (further and was_one_page)
