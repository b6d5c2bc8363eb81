"""What was delivered before a cut, and the walk resumed from its token, are the full walk: each row once, in order."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import event, given, settings, strategies as st

from periskope_async import ConfigError, PaginationError
from tests.paging.moving_list import Move, MovingList, Row, SortBy
from tests.paging.sources import PHONE, ListSource, RefusedError, at_rest, order_of, pager_of

if TYPE_CHECKING:
    from periskope_async.paging.page import Consistency
    from periskope_async.paging.pager import Pager

pytestmark = pytest.mark.usefixtures("nothing_left_over")

TAIL = 5
"""Rows that a token names."""

ORDERLY = [kind for kind in get_args(Move) if kind != "hop"]
"""Moves that leave all other rows in their order: where a token's own rows change places, nothing can be told."""


async def read(pager: Pager[int], most: int | None = None) -> list[int]:
    """Read so many rows and break."""
    rows: list[int] = []
    async with pager:
        if most != 0:
            async for row in pager:
                rows.append(row)
                if len(rows) == most:
                    break
    return rows


async def tokens_of(pager: Pager[int]) -> list[str]:
    """Walk to the end, and give the token after each number of rows."""
    tokens = [pager.token]
    async with pager:
        async for _ in pager:
            tokens.append(pager.token)  # noqa: PERF401 - the token is another one after each row
    return tokens


@pytest.mark.parametrize(("page_size", "prefetch"), [(1, 1), (3, 4), (10, 4), (40, None)])
@pytest.mark.parametrize("sort_by", get_args(SortBy))
@pytest.mark.parametrize("is_descending", [True, False])
async def test_every_cut_resumes_to_the_full_walk(
    page_size: int, prefetch: int | None, sort_by: SortBy, *, is_descending: bool
) -> None:
    for size in (0, 1, 10, 23):
        # Most rows are of equal time, or of none, as in life.
        moving = at_rest(size, ties=0.7, sort_by=sort_by, is_descending=is_descending)
        source = ListSource(moving)
        whole = order_of(moving)
        tokens = await tokens_of(pager_of(source, page_size=page_size, prefetch=prefetch))
        assert len(tokens) == size + 1
        for cut, token in enumerate(tokens):
            resumed = pager_of(source, page_size=page_size, prefetch=prefetch, resume=token)
            assert await read(resumed) == whole[cut:], f"cut after {cut} of {size}"


@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
@pytest.mark.parametrize("offset", [0, 17])
@pytest.mark.parametrize("is_offset_repeated", [True, False])
async def test_a_cut_resumes_in_every_consistency_and_from_an_offset(
    consistency: Consistency, offset: int, *, is_offset_repeated: bool
) -> None:
    moving = at_rest(30)
    source = ListSource(moving)
    options: dict[str, Any] = {"page_size": 7, "consistency": consistency}
    whole = order_of(moving)[offset:]
    again = {**options, "offset": offset if is_offset_repeated else 0}
    for cut, token in enumerate(await tokens_of(pager_of(source, offset=offset, **options))):
        assert await read(pager_of(source, resume=token, **again)) == whole[cut:], f"cut after {cut}"


@pytest.mark.parametrize("clamp", [10_000, 3])
@pytest.mark.parametrize("counts", ["page", "none", "too few", "too many"])
async def test_a_cut_resumes_whatever_the_server_makes_of_count_and_limit(clamp: int, counts: Any) -> None:
    moving = at_rest(25, max_limit=clamp, counts=counts)
    source = ListSource(moving)
    for cut, token in enumerate(await tokens_of(pager_of(source, prefetch=4))):
        assert await read(pager_of(source, prefetch=4, resume=token)) == order_of(moving)[cut:], f"cut after {cut}"


async def test_a_walk_may_be_cut_by_its_pages() -> None:
    moving = at_rest(45)
    source = ListSource(moving)
    whole = order_of(moving)
    read_so_far = 0
    pager = pager_of(source, prefetch=3)
    async with pager:
        async for page in pager.pages():
            read_so_far += len(page.items)
            assert await read(pager_of(source, resume=pager.token)) == whole[read_so_far:]
    assert read_so_far == 45


async def cut_off(pager: Pager[int], rows: list[int], cut: int, how: str) -> None:
    """Consume rows until one of the ends that a loop can come to."""
    async for row in pager:
        rows.append(row)
        if len(rows) == cut:
            if how == "break":
                break
            if how == "exception":
                raise RefusedError
            if how == "cancel":
                await asyncio.sleep(3600)


@pytest.mark.looptime
@pytest.mark.parametrize("cut", [1, 10, 24])
@pytest.mark.parametrize("how", ["break", "exception", "cancel", "max_items"])
async def test_every_way_to_cut_leaves_the_same_token(cut: int, how: str) -> None:
    moving = at_rest(45)
    expected = (await tokens_of(pager_of(ListSource(moving), prefetch=1)))[cut]
    pager = pager_of(ListSource(moving, latency=1.0), prefetch=3, max_items=cut if how == "max_items" else None)
    rows: list[int] = []
    async with pager:
        consumer = asyncio.create_task(cut_off(pager, rows, cut, how))
        await asyncio.sleep(60.0)
        consumer.cancel()
        await asyncio.wait((consumer,))
    assert consumer.cancelled() is (how == "cancel")
    assert len(rows) == cut
    assert pager.token == expected


@pytest.mark.parametrize("failing", [1, 2, 4])
async def test_a_request_that_failed_leaves_the_token_of_the_last_row(failing: int) -> None:
    moving = at_rest(45)
    tokens = await tokens_of(pager_of(ListSource(moving)))
    pager = pager_of(ListSource(moving, errors={failing: RefusedError()}), prefetch=1)
    rows: list[int] = []
    with pytest.raises(RefusedError):
        await cut_off(pager, rows, 0, "failed request")
    assert pager.token == tokens[len(rows)]
    assert await read(pager_of(ListSource(moving), resume=pager.token)) == order_of(moving)[len(rows) :]


@pytest.mark.looptime
async def test_a_cancel_while_a_page_is_on_its_way_keeps_the_token() -> None:
    moving = at_rest(45)
    source = ListSource(moving, latency=lambda number: 1.0 if number == 1 else 3600.0)
    pager = pager_of(source, prefetch=1)
    async with pager:
        consumer = asyncio.create_task(cut_off(pager, [], 0, "cancel"))
        await asyncio.sleep(60.0)
        assert source.out == 1
        token = pager.token
        consumer.cancel()
        await asyncio.wait((consumer,))
        assert pager.token == token
    assert await read(pager_of(ListSource(moving), resume=token)) == order_of(moving)[10:]


@given(
    size=st.integers(0, 50),
    is_descending=st.booleans(),
    legs=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 20), st.sampled_from([1, 4, None])), max_size=8),
)
@settings(max_examples=100, derandomize=True)
async def test_a_resumed_walk_may_be_cut_and_resumed_in_pages_of_any_size(
    size: int, *, is_descending: bool, legs: list[tuple[int, int, int | None]]
) -> None:
    moving = at_rest(size, is_descending=is_descending)
    source = ListSource(moving)
    rows: list[int] = []
    token: str | None = None
    for cut, page_size, prefetch in legs:
        pager = pager_of(source, page_size=page_size, prefetch=prefetch, resume=token)
        rows += await read(pager, cut)
        token = pager.token
    rows += await read(pager_of(source, resume=token))
    assert rows == order_of(moving)


@pytest.mark.parametrize("most", [1, 7, 10, 25])
async def test_max_items_counts_for_each_leg_by_itself(most: int) -> None:
    moving = at_rest(30)
    source = ListSource(moving)
    rows: list[int] = []
    token: str | None = None
    for _ in range(30 // most + 1):
        pager = pager_of(source, max_items=most, resume=token)
        rows += (leg := await read(pager))
        token = pager.token
        assert len(leg) == min(most, 30 - len(rows) + len(leg))
    assert rows == order_of(moving)


async def test_a_finished_walk_resumes_to_nothing_and_to_what_came_in_at_its_end() -> None:
    moving = at_rest(20, is_descending=False)
    pager = pager_of(ListSource(moving))
    assert len(await read(pager)) == 20
    resumed = pager_of(ListSource(moving), resume=pager.token)
    assert await read(resumed) == []
    assert resumed.report.rows_placed == 0
    # Its own token says the same.
    assert await read(pager_of(ListSource(moving), resume=resumed.token)) == []
    moving.move("insert")
    assert await read(pager_of(ListSource(moving), resume=resumed.token)) == order_of(moving)[20:]


async def test_the_token_of_a_walk_that_began_anew_is_that_of_the_new_one() -> None:
    moving = at_rest(20)
    pager = pager_of(ListSource(moving))
    untouched = pager.token
    await read(pager, 13)
    assert pager.token != untouched
    aiter(pager)
    assert pager.token == untouched


async def test_a_resumed_walk_does_not_claim_to_be_complete() -> None:
    pager = pager_of(ListSource(at_rest(20)))
    await read(pager, 3)
    resumed = pager_of(ListSource(at_rest(20)), resume=pager.token)
    await read(resumed)
    assert resumed.report.complete is None
    assert "resumed" in resumed.report.why


# -- a list that moves between the cut and the resumed walk ----------------------------------------------------------


@given(
    size=st.integers(1, 60),
    page_size=st.integers(1, 20),
    second_page_size=st.integers(1, 20),
    prefetch=st.sampled_from([1, 4]),
    is_descending=st.booleans(),
    ties=st.sampled_from([0.0, 0.8]),
    cut=st.integers(1, 60),
    moves=st.lists(st.sampled_from(ORDERLY), max_size=40),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=100, derandomize=True)
async def test_rows_that_come_and_go_between_two_legs_are_neither_lost_nor_doubled(
    *,
    size: int,
    page_size: int,
    second_page_size: int,
    prefetch: int,
    is_descending: bool,
    ties: float,
    cut: int,
    moves: list[Move],
    seed: int,
) -> None:
    moving = MovingList(rng=random.Random(seed), size=size, is_descending=is_descending, ties=ties)
    source = ListSource(moving)
    pager = pager_of(source, page_size=page_size, prefetch=prefetch)
    before = await read(pager, cut)
    for kind in moves:
        moving.move(kind)
    order = order_of(moving)
    named = [key for key in before[-TAIL:] if key in order]
    resumed = pager_of(source, page_size=second_page_size, prefetch=prefetch, resume=pager.token)
    if not named:
        event("every row that the token names has left")
        with pytest.raises(PaginationError, match="resume"):
            await read(resumed)
        return
    # By date of creation, what wakes up keeps its place: only the rows behind the last named one are left to read.
    assert await read(resumed) == order[order.index(named[-1]) + 1 :]


async def test_rows_that_the_token_names_are_not_given_again_where_a_page_ends_among_them() -> None:
    moving = at_rest(10)
    pager = pager_of(ListSource(moving), page_size=3)
    assert await read(pager, 4) == [9, 8, 7, 6]
    for _ in range(4):
        moving.move("insert")
    assert await read(pager_of(ListSource(moving), page_size=3, resume=pager.token)) == [5, 4, 3, 2, 1, 0]


@given(
    size=st.integers(1, 60),
    page_size=st.integers(1, 20),
    depth=st.sampled_from([1, 4]),
    sort_by=st.sampled_from(get_args(SortBy)),
    is_descending=st.booleans(),
    shuffles=st.booleans(),
    cut=st.integers(1, 60),
    moves=st.lists(st.sampled_from(ORDERLY), max_size=40),
    between=st.integers(0, 10),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=100, derandomize=True)
async def test_whatever_moves_a_resumed_walk_ends_gives_each_row_once_and_claims_no_more_than_it_knows(
    *,
    size: int,
    page_size: int,
    depth: int,
    sort_by: SortBy,
    is_descending: bool,
    shuffles: bool,
    cut: int,
    moves: list[Move],
    between: int,
    seed: int,
) -> None:
    rng = random.Random(seed)
    moving = MovingList(rng=rng, size=size, sort_by=sort_by, is_descending=is_descending, ties=0.3, shuffles=shuffles)
    pager = pager_of(ListSource(moving), page_size=page_size, prefetch=depth)
    try:
        before = await read(pager, cut)
    except PaginationError:
        # Nothing but ties that change places: in small pages that looks as if the offset were ignored.
        assert shuffles
        return
    for kind in moves[:between]:
        moving.move(kind)
    turns = iter(moves[between:])

    def stir(number: int) -> None:
        assert number < 2_000, "the walk does not end"
        if (kind := next(turns, None)) is not None:
            moving.move(kind)

    resumed = pager_of(ListSource(moving, before_page=stir), page_size=page_size, prefetch=depth, resume=pager.token)
    try:
        after = await read(resumed)
    except PaginationError:
        event("no row of the token is left, or so it seems")
        assert resumed.report.complete is not True
        return
    assert len(after) == len(set(after)) == resumed.report.rows_placed
    missing = set(range(size)) - moving.gone - set(before) - set(after)
    doubled = set(before) & set(after)
    event(f"missing: {bool(missing)}, doubled: {bool(doubled)}")
    assert resumed.report.complete is not True
    assert resumed.report.why


@pytest.mark.parametrize("place", [0, TAIL - 1])
@pytest.mark.parametrize("inserts", [1, 30])
async def test_one_named_row_that_woke_up_does_not_begin_the_walk_anew(place: int, inserts: int) -> None:
    moving = at_rest(60, sort_by="messaged")
    pager = pager_of(ListSource(moving))
    before = await read(pager, 25)
    woken = before[-TAIL:][place]
    for _ in range(inserts):
        moving.move("insert")
    moving.clock += 1
    next(row for row in moving.rows if row.key == woken).messaged = moving.clock
    after = await read(pager_of(ListSource(moving), resume=pager.token))
    assert set(before) & set(after) == set()
    assert set(range(60)) <= set(before) | set(after)


# -- what is in a token ----------------------------------------------------------------------------------------------


async def a_token(rows: int = 12) -> str:
    pager = pager_of(ListSource(at_rest(30)))
    await read(pager, rows)
    return pager.token


async def test_a_token_of_another_version_is_refused() -> None:
    body = (await a_token()).removeprefix("pw1.")
    for prefix in ("pw0.", "pw2.", "PW1.", "", "pw1", "chats."):
        with pytest.raises(ConfigError, match="version") as caught:
            pager_of(ListSource(at_rest(30)), resume=prefix + body)
        assert caught.value.parameter == "resume"


async def test_a_token_cut_short_anywhere_is_refused() -> None:
    token = await a_token()
    for length in range(len(token)):
        with pytest.raises(ConfigError, match="resume"):
            pager_of(ListSource(at_rest(30)), resume=token[:length])


async def test_a_token_with_one_character_changed_is_refused_or_means_the_same() -> None:
    token = await a_token()
    rest = order_of(at_rest(30))[12:]
    for place in range(len(token)):
        for other in ("A" if token[place] != "A" else "B", "z" if token[place] != "z" else "y", "!", "é"):
            damaged = token[:place] + other + token[place + 1 :]
            try:
                pager = pager_of(ListSource(at_rest(30)), resume=damaged)
            except ConfigError:
                continue
            assert await read(pager) == rest, f"character {place} was changed to {other!r}"


@pytest.mark.parametrize("resume", [5, b"pw1.AAAA", ["pw1.AAAA"], True, 0, ""])
async def test_what_is_no_token_is_refused(resume: Any) -> None:
    with pytest.raises(ConfigError, match="resume"):
        pager_of(ListSource(at_rest(30)), resume=resume)


@pytest.mark.parametrize(
    "place",
    [
        ["0123456789ab", -1, 0, []],
        ["0123456789ab", 3, -1, []],
        ["0123456789ab", 3, 3, [5]],
        ["0123456789ab", 3, 3],
        ["0123456789ab", "3", 3, []],
        ["0123456789ab", 1.5, 3, []],
        {"query": "0123456789ab"},
        None,
    ],
)
async def test_a_token_that_says_what_no_walk_would_is_refused(place: Any) -> None:
    body = msgspec.msgpack.encode(place)
    seal = hashlib.blake2b(body, digest_size=4).digest()
    token = "pw1." + base64.urlsafe_b64encode(seal + body).decode().rstrip("=")
    with pytest.raises(ConfigError, match="damaged"):
        pager_of(ListSource(at_rest(30)), resume=token)


async def test_a_token_of_this_version_goes_on_in_another_process_and_in_a_later_release() -> None:
    # As it was made once: how rows are marked depends neither on the process nor on its hash seed.
    token = "pw1.pbUE-JasMDEyMzQ1Njc4OWFiAwOTxAgNJrhRsuO6ycQItw_c1U0Ra1bECEqvzQfHZwMJy0CQDAAAAAAAkA"
    pager = pager_of(ListSource(at_rest(30)))
    await read(pager, 3)
    assert pager.token == token
    assert await read(pager_of(ListSource(at_rest(30)), resume=token)) == order_of(at_rest(30))[3:]


async def test_white_space_around_a_token_does_no_harm() -> None:
    resumed = pager_of(ListSource(at_rest(30)), resume=f"  {await a_token()}\n")
    assert await read(resumed) == order_of(at_rest(30))[12:]


async def test_oldest_first_what_was_caught_up_does_not_come_again() -> None:
    for seed in range(20):
        moving = MovingList(rng=random.Random(seed), size=60, is_descending=False, ties=0.0)
        source = ListSource(moving)
        moves: list[Move] = ["insert", "remove"]

        def move(number: int, moving: MovingList = moving, moves: list[Move] = moves) -> None:
            # Something has moved, so the end is looked at again; and by then more has come in.
            if (number == 2 or source.reversed) and moves:  # noqa: B023 - called in the same round
                moving.move(moves.pop())

        source.before_page = move
        pager = pager_of(source, prefetch=1)
        delivered = await read(pager)
        assert await read(pager_of(ListSource(moving), resume=pager.token)) == []
        assert len(delivered) == len(set(delivered))
        assert pager.report.caught_up == (not moves)


async def test_a_token_stays_short_however_long_the_list() -> None:
    pager = pager_of(ListSource(at_rest(8)), offset=0)
    await read(pager)
    place = msgspec.msgpack.decode(base64.urlsafe_b64decode(pager.token.removeprefix("pw1.") + "==")[4:])
    place[1] = place[2] = 10**12
    longest = "pw1." + base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode()
    assert len(longest) < 300
    assert PHONE not in longest


@pytest.mark.parametrize("counts", ["total", "none"])
@pytest.mark.parametrize("consistency", ["exact", "dedupe", "none"])
@pytest.mark.parametrize("page_size", [3, 10, 20, 30, 100])
@pytest.mark.parametrize("come", [0, 1, 2])
async def test_where_rows_have_left_since_a_cut_near_the_end_nothing_is_given_twice(
    consistency: Consistency, page_size: int, come: int, counts: Any
) -> None:
    for leave in range(20):
        moving = at_rest(84, ties=0.0, counts=counts)
        source = ListSource(moving)
        tokens = await tokens_of(pager_of(source, page_size=page_size, consistency=consistency))
        for place in range(leave):
            moving.move("remove", place=len(moving.rows) - 1 if place % 2 else len(moving.rows) - 2)
        for row in moving.rows[:come]:
            # Those that come behind all others: what is left keeps its order.
            moving.rows.append(Row(key := 1_000 + row.key, -1.0 - key, None, key))
        rest = [key for key in order_of(moving) if key >= 1_000]
        resumed = pager_of(source, page_size=page_size, consistency=consistency, resume=tokens[-1])
        assert await read(resumed) == rest, f"{leave} have left"
