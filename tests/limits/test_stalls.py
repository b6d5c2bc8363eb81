"""No run in virtual time stalls, whatever the server says and whoever else uses the key."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from msgspec.structs import replace

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from tests.limits.servers import FixedWindow, SlidingLog, TokenBucket
from tests.limits.simulation import Network, run, take


def test_a_paced_ledger_waits_for_its_budget_too() -> None:
    """A refusal without headers starts the pace while the window is used up: nobody looks again all the time."""
    ledger = Ledger()
    first = take(ledger, 0.0)
    assert first is not None
    ledger.sent(first, 0.0)
    ledger.settle(first, 0.01, LimitHeaders(limit=2, remaining=1, resets_in=61.0, server_time=0.0))
    second = take(ledger, 0.02)
    assert second is not None
    ledger.sent(second, 0.02)
    ledger.settle(second, 0.03, LimitHeaders(), is_refusal=True)
    now = 5.0
    assert ledger.closed_for(now) == 0
    while take(ledger, now) is None:
        wait = ledger.wait_for(1, now)
        assert wait > 0
        now += wait + 0.0005


@pytest.mark.parametrize("resets_in", [61.0, None])
def test_others_who_took_all_are_forgotten(resets_in: float | None) -> None:
    """Every question is refused while somebody else spends all; that teaches no window beyond twice the longest."""
    ledger, now = Ledger(), 0.0
    for _ in range(40):
        while (token := take(ledger, now)) is None:
            now += ledger.wait_for(1, now) + 0.0005
        ledger.sent(token, now)
        ledger.settle(token, now + 0.01, LimitHeaders(limit=1, remaining=0, resets_in=resets_in), is_refusal=True)
        now += 0.02
    assert ledger.window <= 1800.0


def test_no_run_stalls() -> None:
    """Two hundred servers, networks and headers."""
    for seed in range(200):
        rng = random.Random(seed)
        limit, window = rng.choice([1, 2, 10, 40]), rng.choice([0.5, 1.0, 2.0, 5.0, 60.0])
        missing, junk = rng.choice([0.0, 0.0, 0.3]), rng.choice([0.0, 0.0, 0.3])
        kinds: list[type[FixedWindow | SlidingLog | TokenBucket]] = [FixedWindow, SlidingLog, TokenBucket]
        kind = rng.choice(kinds)
        network = Network(work=rng.choice([(0.0, 0.001), (0.3, 0.6), (0.0, 3.0)]), lost=rng.choice([0.0, 0.1]))

        def tamper(
            _: int,
            headers: LimitHeaders,
            *,
            rng: random.Random = rng,
            missing: float = missing,
            junk: float = junk,
        ) -> LimitHeaders:
            if rng.random() < missing:
                return LimitHeaders()
            return replace(headers, resets_in=None) if rng.random() < junk else headers

        requests = 4 * limit + 1
        server = kind(limit, window)
        outcome = run(
            Ledger(),
            server,
            requests=requests,
            rng=rng,
            network=network,
            tasks=rng.choice([1, 3, 30]),
            tamper=tamper,
            sees_sending=rng.random() < 0.7,
        )
        assert outcome.seconds <= 5 * (4 * window + requests * network.work[1]) + 60.0, seed


@pytest.mark.parametrize("kind", [FixedWindow, SlidingLog, TokenBucket])
@pytest.mark.parametrize("ahead", [-30.0, 2.0, 30.0])
def test_no_wrong_clock_stalls_a_low_limit(kind: type[FixedWindow | SlidingLog | TokenBucket], ahead: float) -> None:
    """No request is left to ask with, and none is risked. No wait is much longer than the clock is ahead."""

    def tamper(_: int, headers: LimitHeaders) -> LimitHeaders:
        return replace(headers, resets_in=max(0.0, (headers.resets_in or 0.0) + ahead))

    for limit in (1, 2, 3):
        for work in [(0.0, 0.001), (0.3, 0.6)]:
            network, rng = Network(work=work), random.Random(limit)
            outcome = run(
                Ledger(), kind(limit, 1.0), requests=6 * limit + 1, rng=rng, network=network, tasks=3, tamper=tamper
            )
            passed = [0.0, *sorted(outcome.passed_at)]
            assert max(later - earlier for earlier, later in pairwise(passed)) <= 62.0


def test_a_refused_question_is_asked_again_when_the_server_says() -> None:
    """Others who come in bursts open windows of their own; that teaches no longer window."""
    for seed in range(10):
        rng = random.Random(seed)
        foreign = [2.5 * index + rng.random() for index in range(400) for _ in range(3)]
        outcome = run(
            Ledger(),
            FixedWindow(1, 0.5),
            requests=12,
            rng=rng,
            network=Network(work=(0.0, 3.0)),
            tasks=30,
            tamper=lambda _, headers: replace(headers, resets_in=max(0.0, (headers.resets_in or 0.0) - 2)),
            foreign=foreign,
        )
        passed = [0.0, *sorted(outcome.passed_at)]
        assert max(later - earlier for earlier, later in pairwise(passed)) <= 30.0
