"""The server's clock against the mirror's, as far as an answer's ``Date`` tells."""

from __future__ import annotations

import pytest

from periskope_async.mirror.clock import lead_of


@pytest.mark.parametrize(
    ("date", "took", "lead"),
    [
        (100, 0.0, 0.0),  # its second has just begun
        (99, 0.0, 0.0),  # its second is just over
        (98, 1.5, 0.0),  # the answer was on its way for long
        (98, 0.5, -2.0),
        (40, 0.5, -60.0),
        (101, 0.5, 1.0),  # no answer comes before it is sent
        (160, 0.5, 60.0),
    ],
)
def test_clocks_agree_if_they_may(date: float, took: float, lead: float) -> None:
    assert lead_of(date, took=took, now=100.0) == lead
