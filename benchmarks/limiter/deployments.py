"""The limit as real deployments tell it: proxies, caches, two clocks, other headers, other programs."""

from __future__ import annotations

from benchmarks.limiter.scenario import Front, Group, Scenario

__all__ = ["DEPLOYMENTS"]

_SLOW = (0.7, 1.3)
_FAST = (0.005, 0.005)
_NGINX = Front(program="nginx", date="own")
_NO_DATE = Front(program="proxy.js", date="none")
# Where Redis is some way off, answers of one window may bear two resets, a second apart.
_PROOF_OF_FIXED_WINDOWS = (Group(0, 1), Group(0.8, 9), Group(1.0, 1))
_ROUNDS = tuple(Group(4 + 2 * turn + at, pages) for turn in range(21) for at, pages in ((0, 2), (0.3, 5), (0.55, 8)))
_SECONDS_AHEAD = (2.0, 30.0)


def _pages(limit: int) -> int:
    """Give at least 101 pages in five or more windows, of which the last one holds a single page."""
    return limit * max(5, -(-100 // limit)) + 1


def _per(limit: int, window: float) -> str:
    return f"{limit} / {window:g} s"


_SLOW_ANSWERS = (
    *(
        Scenario(
            name=f"slow-{limit}-{window}",
            title=f"{_per(limit, window)}, answers take 0.7 to 1.3 s",
            limit=limit,
            window=window,
            pages=pages,
            tasks=30,
            latency=_SLOW,
            has_rivals=False,
            at_most_over=over,
        )
        for limit, window, pages, over in (
            (23, 2, _pages(23), 0.06),
            (17, 3, _pages(17), 0.06),
            (25, 5, 101, 0.05),
            (34, 10, 103, 0.05),
        )
    ),
    *(
        Scenario(
            name=f"slow-walk-{limit}-{window}",
            title=f"{_per(limit, window)}, answers take 0.7 to 1.3 s, iter_chats()",
            limit=limit,
            window=window,
            pages=pages,
            way="iter_chats",
            has_proof=True,
            latency=_SLOW,
            has_rivals=False,
            at_most_over=over,
        )
        for limit, window, pages, over in (
            # Twice as long as the rest: the first page and the last look each go alone, whatever the limit.
            (10, 1, 201, 0.10),
            (23, 2, 208, 0.15),
            (17, 3, _pages(17), 0.15),
            (25, 5, 101, 0.15),
            (34, 10, 103, 0.15),
        )
    ),
    Scenario(
        name="slow-walk-told",
        title="23 / 2 s, answers take 0.7 to 1.3 s, iter_chats(), limit told",
        limit=23,
        window=2,
        pages=208,
        way="iter_chats",
        has_proof=True,
        is_told=True,
        latency=_SLOW,
        has_rivals=False,
        at_most_over=0.10,
    ),
    Scenario(
        name="bursts",
        title="23 / 2 s, answers take 0.7 to 1.3 s, 40 pages at once, 10 s between",
        limit=23,
        window=2,
        groups=tuple(Group(at, 40) for at in (0, 13, 26, 39, 52)),
        latency=_SLOW,
        has_rivals=False,
        at_most_over=0.05,
    ),
)

_DATES = (
    Scenario(
        name="nginx-date",
        title="23 / 2 s, answers take 0.7 to 1.3 s, nginx writes Date",
        limit=23,
        window=2,
        pages=_pages(23),
        tasks=30,
        latency=_SLOW,
        front=_NGINX,
        has_rivals=False,
        at_most_over=0.10,
        at_most_in_all=3,
    ),
    *(
        Scenario(
            name=f"ahead-{ahead:g}-{limit}-{window}",
            title=f"{_per(limit, window)}, nginx writes Date, the app's clock {ahead:g} s ahead",
            limit=limit,
            window=window,
            pages=_pages(limit),
            tasks=30,
            latency=_FAST,
            front=_NGINX,
            server_ahead=ahead,
            has_rivals=False,
        )
        for ahead in _SECONDS_AHEAD
        for limit, window in ((10, 1), (23, 2))
    ),
    *(
        Scenario(
            name=f"behind-{behind:g}-23-2",
            title=f"23 / 2 s, nginx writes Date, the app's clock {behind:g} s behind",
            limit=23,
            window=2,
            pages=_pages(23),
            tasks=30,
            latency=_FAST,
            front=_NGINX,
            server_ahead=-behind,
            has_rivals=False,
            at_most_over=0.06,
            at_most_in_all=3,
        )
        for behind in _SECONDS_AHEAD
    ),
    *(
        Scenario(
            name=f"no-date-{name}",
            title=f"23 / 2 s, no Date, {said}",
            limit=23,
            window=2,
            pages=_pages(23),
            tasks=30,
            latency=latency,
            front=_NO_DATE,
            has_rivals=False,
            at_most_over=0.10,
            at_most_in_all=3,
        )
        for name, said, latency in (("fast", "fast answers", _FAST), ("slow", "answers take 0.7 to 1.3 s", _SLOW))
    ),
)

_HEADERS = (
    *(
        Scenario(
            name=f"{draft}-{limit}-{window}",
            title=f"{_per(limit, window)}, RateLimit headers of {draft} alone",
            limit=limit,
            window=window,
            pages=pages,
            tasks=30,
            latency=_FAST,
            headers=draft,
            has_rivals=False,
        )
        for draft in ("draft-6", "draft-7", "draft-8")
        for limit, window, pages in ((100, 1, 501), (30, 5, 121))
    ),
    Scenario(
        name="no-headers",
        title="100 / 1 s, no headers at all",
        limit=100,
        pages=1001,
        tasks=30,
        latency=_FAST,
        headers="none",
        has_rivals=False,
        at_most_over=2.5,
        at_most_in_all=20,
        half_within=20.0,
    ),
    *(
        Scenario(
            name=f"twice-{order}",
            title=f"a gateway's own limit headers (1000) {order} the app's (10 / 1 s)",
            tasks=30,
            latency=_FAST,
            front=Front(program="proxy.js", second_limit=order),
            has_rivals=False,
            at_most_over=0.10,
            at_most_in_all=2,
        )
        for order in ("before", "after")
    ),
    Scenario(
        name="short-first",
        title="40 / 10 s behind 10 / 1 s that shows in refusals alone, one task",
        limit=40,
        window=10,
        pages=81,
        tasks=1,
        latency=_FAST,
        short_limit=(10, 1),
        has_rivals=False,
        at_most_over=0.15,
        at_most_in_all=3,
    ),
    Scenario(
        name="down-10-2",
        title="10 / 2 s, reset rounded down",
        window=2,
        tasks=30,
        latency=_FAST,
        tamper="down",
        has_rivals=False,
        at_most_over=0.10,
        at_most_in_all=3,
    ),
)

_LEAKY = (
    *(
        Scenario(
            name=f"limit-req-{name}",
            title=f"nginx limit_req 10 r/s, burst {burst}, bare {status}",
            tasks=30,
            latency=_FAST,
            front=Front(program="nginx", date="own", refuses_with=status, burst=burst),
            has_rivals=False,
            at_most_over=over,
            at_most_in_all=10,
        )
        for name, status, burst, over in (("429", 429, 0, 0.25), ("503", 503, 0, 0.25), ("503-burst", 503, 3, 0.15))
    ),
    Scenario(
        name="limit-req-503-burst-walk",
        title="nginx limit_req 10 r/s, burst 3, bare 503, iter_chats()",
        way="iter_chats",
        has_proof=True,
        latency=_FAST,
        front=Front(program="nginx", date="own", refuses_with=503, burst=3),
        has_rivals=False,
        at_most_over=0.15,
        at_most_in_all=10,
    ),
)

_COUNTED_OTHERWISE = (
    *(
        Scenario(
            name=f"cache-{front.cache}",
            title=f"10 / 1 s, a cache answers half of the pages ({said})",
            pages=402,
            tasks=30,
            front=front,
            has_rivals=False,
            at_most_over=0.10,
        )
        for front, said in (
            (Front(program="proxy.js", cache="age"), "Age"),
            (Front(program="proxy.js", cache="date"), "an old Date"),
        )
    ),
    Scenario(
        name="skip-failed",
        title="10 / 1 s, three pages in ten fail and are not counted",
        pages=145,
        tasks=30,
        has_failures=True,
        has_rivals=False,
        at_most_over=0.15,
    ),
    # A header rounds the reset up: what waits for it may wait a second more than the window lasts.
    Scenario(
        name="late-60-20",
        title="60 / 20 s, opened by another program 17 s before",
        limit=60,
        window=20,
        pages=100,
        tasks=30,
        latency=_FAST,
        opened_before=17.0,
        has_rivals=False,
        at_most_over=1.15 / 3,
    ),
    Scenario(
        name="late-600-60",
        title="600 / 60 s, opened by another program 55 s before",
        limit=600,
        window=60,
        pages=604,
        tasks=30,
        latency=_FAST,
        opened_before=55.0,
        has_rivals=False,
        at_most_over=1.25 / 5,
    ),
    Scenario(
        name="redis",
        title="10 / 1 s, rate-limit-redis, uneven groups of calls",
        groups=(*_PROOF_OF_FIXED_WINDOWS, *_ROUNDS),
        starts_at=0.985,
        latency=_FAST,
        store="redis",
        has_rivals=False,
        # The short waits of many small groups, each with a margin for the way: it is the refusals that are asked about.
        at_most_over=0.25,
    ),
    *(
        Scenario(
            name=f"window-{window:g}",
            title=_per(limit, window),
            limit=limit,
            window=window,
            pages=2 * _pages(limit),
            tasks=30,
            latency=_FAST,
            has_rivals=False,
            at_most_over=0.10,
            # A reset of whole seconds may name the next shorter window: to ask for it costs one.
            at_most_learning=1,
        )
        for limit, window in ((10, 0.5), (15, 1.5), (25, 2.5))
    ),
    *(
        Scenario(
            name=f"even-{foreign}",
            title=f"10 / 1 s, another program sends {foreign} a second, evenly",
            pages=201,
            tasks=30,
            latency=_FAST,
            foreign=foreign,
            is_foreign_even=True,
            has_rivals=False,
            at_most_over=0.25,
            at_most_learning=4,
            at_most_refused=4,
            at_most_of_foreign=0.1,
        )
        for foreign in (2, 5)
    ),
)

_MANY = tuple(
    Scenario(
        name=f"many-{limit}-{loop}",
        title=f"{limit} / 1 s, {loop}",
        limit=limit,
        pages=20_000,
        page_size=1,
        tasks=100,
        loop=loop,
        latency=_FAST,
        has_rivals=False,
    )
    for limit in (100, 1000)
    for loop in ("asyncio", "uvloop")
)

DEPLOYMENTS: tuple[Scenario, ...] = (*_SLOW_ANSWERS, *_DATES, *_HEADERS, *_LEAKY, *_COUNTED_OTHERWISE, *_MANY)
