"""Whole runs in virtual time: how near to the server's ceiling, and how many refusals."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from periskope_async.limits.headers import LimitHeaders
from periskope_async.limits.ledger import Ledger
from periskope_async.limits.rate import ASSUMED, RateLimit
from tests.limits.servers import FixedWindow, Sandboxed, Server, SlidingLog, TokenBucket
from tests.limits.simulation import Network, Outcome, floor, run

if TYPE_CHECKING:
    from collections.abc import Callable

TEN = RateLimit(10, 1.0)
SEEDS = range(15)


def over_floor(outcome: Outcome, requests: int, limit: int, window: float, answer: float) -> float:
    return outcome.seconds / (floor(requests, limit, window) + answer) - 1


def rounded_down(_: int, headers: LimitHeaders) -> LimitHeaders:
    return replace(headers, resets_in=max(0.0, (headers.resets_in or 0.0) - 1))


def missing_on_every_third(number: int, headers: LimitHeaders) -> LimitHeaders:
    return LimitHeaders() if number % 3 == 0 else headers


def junk_on_every_second(number: int, headers: LimitHeaders) -> LimitHeaders:
    junk = (LimitHeaders(remaining=3), replace(headers, resets_in=3_600.0), LimitHeaders(limit=10))
    return headers if number % 2 else junk[number // 2 % 3]


@pytest.mark.parametrize(
    ("kind", "limit", "window", "requests", "most_over", "kwargs"),
    [
        pytest.param(FixedWindow, 10, 1.0, 200, 0.03, {"tasks": 1}, id="one task"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.03, {"tasks": 40}, id="forty tasks"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"network": Network(work=(0.3, 0.6))}, id="0.3 to 0.6 s"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"network": Network(work=(1.0, 1.5))}, id="1 to 1.5 s"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.10, {"network": Network(there=(0.005, 0.08))}, id="jitter"),
        pytest.param(FixedWindow, 100, 1.0, 2_000, 0.05, {}, id="100 in 1 s"),
        pytest.param(Sandboxed, 37, 3.0, 740, 0.03, {}, id="37 in 3 s"),
        pytest.param(Sandboxed, 50, 10.0, 1_000, 0.03, {}, id="50 in 10 s"),
        pytest.param(Sandboxed, 600, 60.0, 6_000, 0.03, {}, id="600 in 60 s"),
        pytest.param(SlidingLog, 10, 1.0, 200, 0.15, {}, id="sliding log"),
        pytest.param(SlidingLog, 10, 1.0, 200, 0.15, {"network": Network(work=(0.3, 0.6))}, id="sliding log, slow"),
        pytest.param(TokenBucket, 10, 1.0, 200, 0.15, {}, id="token bucket"),
        pytest.param(TokenBucket, 10, 1.0, 200, 0.15, {"network": Network(work=(0.3, 0.6))}, id="token bucket, slow"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"tamper": missing_on_every_third}, id="headers missing"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"tamper": junk_on_every_second}, id="junk"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"tamper": rounded_down}, id="rounded down"),
        pytest.param(FixedWindow, 10, 1.0, 200, 0.05, {"network": Network(back=(0.001, 0.4))}, id="out of order"),
    ],
)
def test_at_the_ceiling_with_no_refusal(
    kind: Callable[[int, float], Server],
    limit: int,
    window: float,
    requests: int,
    most_over: float,
    kwargs: dict[str, Any],
) -> None:
    network: Network = kwargs.get("network", Network())
    answer = sum(network.there + network.work + network.back) / 2
    for seed in SEEDS:
        outcome = run(Ledger(), kind(limit, window), requests=requests, rng=random.Random(seed), **kwargs)
        assert outcome.refused_at == []
        assert over_floor(outcome, requests, limit, window, answer) <= most_over


def test_a_probe_costs_a_fifth_of_a_second_at_the_most() -> None:
    outcomes = [
        run(Ledger(assume=assume), FixedWindow(10, 1.0), requests=100, rng=random.Random(1), network=slow)
        for slow in [Network(work=(1.2, 1.2))]
        for assume in (None, TEN)
    ]
    assert outcomes[0].seconds - outcomes[1].seconds <= 0.2 + 0.05


def test_an_assumption_above_the_limit_is_refused_once() -> None:
    for seed in SEEDS:
        outcome = run(
            Ledger(), FixedWindow(3, 1.0), requests=60, rng=random.Random(seed), network=Network(work=(0.5, 1.0))
        )
        assert 0 < len(outcome.refused_at) <= ASSUMED.limit
        assert outcome.refusals(after=2.5) == 0


@pytest.mark.parametrize("after", [5, 100])
def test_a_limit_that_changes_is_followed_within_two_windows(after: int) -> None:
    for seed in SEEDS:
        server, ledger = FixedWindow(10, 1.0), Ledger()
        outcome = run(ledger, server, requests=300, rng=random.Random(seed), limits=[(5.3, after)])
        assert len(outcome.refused_at) <= 10  # what was in flight
        assert all(at < 5.3 + 2.0 for at in outcome.refused_at)
        # 50 or 60 before the change, then as fast as the new limit allows, two windows late at the most.
        assert outcome.seconds <= 5.3 + floor(300 - 50, after, 1.0) * 1.03 + 2.0
        assert ledger.limit == after


@pytest.mark.parametrize("work", [(0.0, 0.001), (0.05, 0.2), (0.3, 0.6)])
def test_somebody_else_takes_three_in_ten(work: tuple[float, float]) -> None:
    """They are left what they take and what they would have got, so few of ours are refused, and of theirs."""
    for seed in SEEDS:
        rng = random.Random(seed)
        foreign = [index + rng.random() for index in range(200) for _ in range(3)]
        outcome = run(
            Ledger(), FixedWindow(10, 1.0), requests=300, rng=rng, foreign=foreign, network=Network(work=work)
        )
        assert len(outcome.refused_at) <= outcome.seconds / 4
        theirs = sum(at < outcome.seconds for at in foreign) - outcome.foreign_refused
        assert outcome.seconds <= 1.3 * (floor(300 + theirs, 10, 1.0) + work[1])


def test_a_server_that_takes_longer_than_its_headers_say_is_obeyed_in_the_end() -> None:
    """A window of 3 s whose reset is rounded down reads as one of 2 s."""
    for seed in SEEDS:
        outcome = run(Ledger(), FixedWindow(10, 3.0), requests=300, rng=random.Random(seed), tamper=rounded_down)
        assert outcome.seconds <= 1.5 * floor(300, 10, 3.0)
        assert len(outcome.refused_at) <= 50


def test_lost_and_cancelled_requests_cost_no_more_than_their_share() -> None:
    for seed in SEEDS:
        outcome = run(
            Ledger(),
            FixedWindow(10, 1.0),
            requests=200,
            rng=random.Random(seed),
            network=Network(lost=0.1, cancelled=0.1, connect=(0.0, 0.1)),
        )
        assert outcome.refused_at == []
        assert outcome.seconds <= floor(outcome.sent, 10, 1.0) * 1.05 + 0.2


def test_requests_sent_in_another_order_than_allowed_prove_no_length() -> None:
    """Connections take their time: a request may be sent before one that was allowed earlier."""
    network = Network(
        connect=(0.33699900332664445, 0.4260545467724558),
        there=(0.46277401977744637, 0.48277401977744637),
        work=(0.0, 1.2104521221396984),
        back=(0.39843899392621496, 0.7149696080207625),
    )
    for seed in range(8_890, 8_910):
        ledger = Ledger(assume=RateLimit(40, 1.0))
        outcome = run(ledger, TokenBucket(40, 1.0), requests=163, rng=random.Random(seed), network=network, tasks=17)
        assert outcome.refused_at == []
        assert ledger.window > 0


ranges = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda pair: (min(pair), max(pair)))


@given(
    kind=st.sampled_from([FixedWindow, SlidingLog, TokenBucket]),
    limit=st.integers(1, 40),
    work=ranges.map(lambda pair: (2 * pair[0], 2 * pair[1])),
    back=ranges,
    connect=ranges,
    there=st.floats(0, 0.5),
    lost=st.sampled_from([0.0, 0.0, 0.2]),
    cancelled=st.sampled_from([0.0, 0.0, 0.2]),
    tasks=st.sampled_from([None, 1, 3, 17]),
    is_known=st.booleans(),
    sees_sending=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=max(300, settings.default.max_examples if settings.default else 0))
def test_no_server_of_any_kind_refuses_while_the_way_there_varies_by_less_than_the_margin(
    *,
    kind: type[FixedWindow | SlidingLog | TokenBucket],
    limit: int,
    work: tuple[float, float],
    back: tuple[float, float],
    connect: tuple[float, float],
    there: float,
    lost: float,
    cancelled: float,
    tasks: int | None,
    is_known: bool,
    sees_sending: bool,
    seed: int,
) -> None:
    outcome = run(
        # A probe that is not answered soon gives way to the assumption, which a lower limit would refuse.
        Ledger(assume=RateLimit(limit, 1.0) if is_known or limit < ASSUMED.limit else None),
        kind(limit, 1.0),
        requests=4 * limit + 3,
        rng=random.Random(seed),
        network=Network(
            connect=connect,
            there=(there, there + 0.02),
            work=work,
            back=back,
            lost=lost,
            cancelled=cancelled,
        ),
        tasks=tasks,
        sees_sending=sees_sending,
    )
    assert outcome.refused_at == []


@given(kind=st.sampled_from([FixedWindow, SlidingLog]), there=ranges, limit=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=100)
def test_where_sending_is_not_seen_no_way_however_odd_leads_to_a_refusal(
    kind: type[FixedWindow | SlidingLog], there: tuple[float, float], limit: int, seed: int
) -> None:
    outcome = run(
        Ledger(assume=RateLimit(limit, 1.0)),
        kind(limit, 1.0),
        requests=3 * limit + 3,
        rng=random.Random(seed),
        network=Network(there=there),
        sees_sending=False,
    )
    assert outcome.refused_at == []


def test_a_way_that_varies_more_than_the_margin_is_learnt_from_few_refusals() -> None:
    for seed in SEEDS:
        ledger = Ledger(assume=TEN)
        before = ledger.margin
        outcome = run(
            ledger,
            FixedWindow(10, 1.0),
            requests=600,
            rng=random.Random(seed),
            network=Network(there=(0.0, 0.25), work=(0.3, 0.6)),
        )
        assert len(outcome.refused_at) <= 0.025 * 600
        assert before < 0.1


def test_a_lost_answer_stops_nobody_for_ever() -> None:
    """One request a second and a log: what is kept to ask with is not kept from the only one who could."""
    outcome = run(
        Ledger(assume=RateLimit(1, 1.0)),
        SlidingLog(1, 1.0),
        requests=7,
        rng=random.Random(31),
        network=Network(there=(0.0, 0.02), work=(0.0, 0.0), back=(0.0, 0.2312), lost=0.2),
    )
    assert outcome.seconds < 30.0


@pytest.mark.parametrize("kind", [FixedWindow, SlidingLog, TokenBucket])
@pytest.mark.parametrize("limit", [2, 3, 5])
@pytest.mark.parametrize("connect", [0.0, 0.375])
def test_lost_answers_lead_to_no_refusal(kind: Callable[[int, float], Server], limit: int, connect: float) -> None:
    """The window that the latest answer told of may be over, and the lost request still be counted in the next."""
    network = Network(connect=(0.0, connect), there=(0.094, 0.114), work=(0.0, 0.5), back=(0.0, 0.25), lost=0.2)
    for seed in range(100):
        ledger = Ledger(assume=RateLimit(limit, 1.0))
        outcome = run(ledger, kind(limit, 1.0), requests=4 * limit + 3, rng=random.Random(seed), network=network)
        assert outcome.refused_at == []


@pytest.mark.parametrize("sees_sending", [True, False])
def test_a_bucket_is_not_taken_for_a_window(sees_sending: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """It is full again soon after a few requests that were sent evenly."""
    network = Network(connect=(0.0, 0.031), there=(0.0, 0.02), work=(0.0, 0.062), back=(0.0, 0.0))
    for seed in range(200):
        server, rng = TokenBucket(18, 1.0), random.Random(seed)
        outcome = run(Ledger(), server, requests=75, rng=rng, network=network, sees_sending=sees_sending)
        assert outcome.refused_at == []


def test_an_assumed_window_is_left_evenly_until_it_is_proven() -> None:
    """A window of 2 s that looks like one of 1 s costs one refusal, and not a burst of them."""
    for seed in SEEDS:
        outcome = run(Ledger(), FixedWindow(10, 2.0), requests=60, rng=random.Random(seed), tamper=rounded_down)
        assert len(outcome.refused_at) <= 2
