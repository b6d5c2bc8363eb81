"""Whether failed requests are counted."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from periskope_async.limits.failures import FailedRequests

OPEN, COUNTED, NOT_COUNTED = FailedRequests.OPEN, FailedRequests.COUNTED, FailedRequests.NOT_COUNTED


@pytest.mark.parametrize(
    ("failed", "missing", "then"),
    [
        (0, 0, OPEN),
        (0, 3, OPEN),
        (2, 2, NOT_COUNTED),
        (1, 1, NOT_COUNTED),
        (2, 0, COUNTED),
        (2, 1, OPEN),  # a part of them may be taken back only after this answer was made
        (2, 5, OPEN),  # more than the failed are missing: a window was over
        (2, -1, OPEN),  # somebody else spends, too
    ],
)
def test_an_answer_tells(failed: int, missing: int, then: FailedRequests) -> None:
    assert OPEN.after(failed=failed, missing=missing) is then


@given(
    known=st.sampled_from([FailedRequests.UNSEEN, COUNTED, NOT_COUNTED]),
    failed=st.integers(0, 50),
    missing=st.integers(-50, 50),
)
def test_what_is_known_stays(known: FailedRequests, failed: int, missing: int) -> None:
    assert known.after(failed=failed, missing=missing) is known
