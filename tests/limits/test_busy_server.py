"""A server that is busy at first lets requests wait before it counts them, and some are counted before others."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from periskope_async.limits.jitter import JitterEstimate
from periskope_async.limits.ledger import Ledger
from tests.limits.servers import FixedWindow
from tests.limits.simulation import Habits, Network, Simulation, floor

if TYPE_CHECKING:
    from periskope_async.limits.tokens import Token

BUSY, SHARE_AT_ONCE = (0.1, 0.15), 0.1


class BusyServer(Simulation):
    """It takes a while to count a request at first, and then next to nothing; in between, some go at once."""

    at_first = (0.030, 0.034)

    def send(self, token: Token) -> None:
        self.ledger.sent(token, self.now)
        ago = self.now - self.began
        is_waiting = ago < BUSY[0] or (ago < BUSY[1] and self.rng.random() >= SHARE_AT_ONCE)
        # The first one goes alone, and opens the window.
        is_waiting &= token.number > 1
        self.at(self.now + self.draw(self.at_first if is_waiting else (0.001, 0.003)), self.arrive, token)


class SlowToAccept(BusyServer):
    """It takes longer than any margin until it accepts the first connections."""

    at_first = (0.030, 0.120)


@pytest.mark.parametrize("first", range(0, 40, 5))
@pytest.mark.parametrize("kind", [BusyServer, SlowToAccept])
def test_who_waits_at_the_server_is_not_taken_for_counted(kind: type[BusyServer], first: int) -> None:
    """The requests that wait were taken for counted and forgotten, and then for those of others."""
    for seed in range(first, first + 5):
        ledger = Ledger()
        outcome = kind(
            ledger,
            FixedWindow(1_000, 1.0),
            requests=4_000,
            rng=random.Random(seed),
            network=Network(),
            tasks=100,
            habits=Habits(stamps_count=True),
        ).run()
        assert outcome.refused_at == []
        assert ledger.foreign(1_000_000.0 + outcome.seconds) == 0
        assert outcome.seconds <= 1.05 * floor(4_000, 1_000, 1.0)


def test_a_quick_answer_shows_that_slow_ones_waited() -> None:
    jitter = JitterEstimate()
    for _ in range(40):
        jitter.observe_answer(0.030, 1.0, burst=5)
    assert jitter.head_start == jitter.overstated_by(0.0) > 0.02
    assert jitter.overstated_by(0.030) == 0
    assert jitter.overstated_by(0.020) > 0
    for _ in range(4_000):
        jitter.observe_answer(0.003, 1.0, burst=5)
    assert jitter.overstated_by(0.0) < 0.001
