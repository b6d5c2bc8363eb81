"""The list itself: what its rows look like, what they cost, and how it moves, against a plain sorted list."""

from __future__ import annotations

import json
import re
import tracemalloc
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from periskope_async.models import UNSET, Chat
from periskope_async.sandbox import PHONES, Churn, PageAsked, Sandbox
from periskope_async.sandbox.data import ChatData
from periskope_async.sandbox.order import Places
from periskope_async.sandbox.validation import Filters, ListQuery, list_query
from periskope_async.sandbox.world import World
from tests.reading import read_chat

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Served

SORTS = ("created_at", "latest_message_timestamp")
EPOCH = "1970-01-01T00:00:00+00:00"
NOW = 1_800_000_000


def query(**parameters: str) -> ListQuery:
    return list_query({name: [text] for name, text in parameters.items()}, phone=None, max_limit=2_000)


def world_of(chats: int, *, clock: Callable[[], float] = lambda: NOW, **settings: Any) -> World:
    chosen: dict[str, Any] = {
        "seed": 1,
        "churn": Churn(),
        "count": "total",
        "ties": "stable",
        "nulls": "first",
        "before_page": None,
        "after_page": None,
        **settings,
    }
    return World(chats=chats, clock=clock, **chosen)


def rows_of(world: World, **parameters: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(world.page(query(**parameters)))["chats"]
    return rows


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return rows_of(world_of(2_000))


def test_a_seed_always_makes_the_same_rows() -> None:
    for sort_by in SORTS:
        assert world_of(300).page(query(sort_by=sort_by)) == world_of(300).page(query(sort_by=sort_by))


def test_another_seed_makes_other_rows() -> None:
    one, two = (rows_of(world_of(300, seed=seed)) for seed in (1, 2))
    assert not {row["chat_id"] for row in one} & {row["chat_id"] for row in two}
    assert [row["chat_name"] for row in one] != [row["chat_name"] for row in two]


def test_a_million_chats_cost_no_memory() -> None:
    world_of(10).page(query())
    tracemalloc.start()
    try:
        sandbox = Sandbox(chats=1_000_000)
        deep = sandbox._org.world.page(query(offset="987654", limit="2000", sort_by=SORTS[1]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert deep.endswith(b'],"count":1000000,"from":987655,"to":989654}')
    # Most of it is the page itself, which is kept as it was written.
    assert len(deep) > 4e6
    assert peak < 20e6


def test_ids_are_unique_and_found_again() -> None:
    data = ChatData(seed=3, total=200_000)
    for index in (*range(3_000), 199_999, 200_500):
        assert data.index_of(data.chat_id(index)) == index
    assert len({data.chat_id(index) for index in range(20_000)}) == 20_000
    for foreign in ("1@c.us", "@c.us", "", "x@g.us", "١٢@c.us", ChatData(seed=4, total=9).chat_id(0)):
        assert data.index_of(foreign) is None


@pytest.mark.parametrize("total", [1, 2, 3, 7, 100, 1_001])
def test_both_orders_hold_every_chat_once(total: int) -> None:
    data = ChatData(seed=1, total=total)
    ranks = [data.message_rank(index) for index in range(total)]
    assert sorted(ranks) == list(range(total))
    assert [data.index_at_message_rank(rank) for rank in ranks] == list(range(total))


def test_kinds_are_mixed_as_in_an_organisation(rows: list[dict[str, Any]]) -> None:
    kinds = Counter(row["chat_type"] for row in rows)
    assert set(kinds) == {"group", "user", "business"}
    assert 0.5 < kinds["group"] / len(rows) < 0.7
    for row in rows:
        assert row["chat_id"].endswith("@g.us" if row["chat_type"] == "group" else "@c.us")
        assert row["org_phone"] == row["chat_org_phones"][0]
        assert (row["invite_link"] is not None) == (row["chat_type"] == "group")
    assert {row["org_phone"] for row in rows} == {phone.org_phone for phone in PHONES}
    assert any(len(row["chat_org_phones"]) > 1 for row in rows)


def test_names_and_texts_are_in_several_scripts(rows: list[dict[str, Any]]) -> None:
    texts = " ".join(row["chat_name"] for row in rows)
    scripts = {unicodedata.name(letter).split()[0] for letter in texts if letter.isalpha()}
    assert scripts >= {"LATIN", "DEVANAGARI", "ARABIC", "CJK", "CYRILLIC", "KATAKANA"}
    assert "🚀" in texts
    assert '"' in texts
    assert "\\" in texts
    bodies = {row["latest_message"]["body"] for row in rows if row["latest_message"]}
    assert any("\n" in body for body in bodies)
    assert "" in bodies


def test_labels_properties_and_the_rest_now_and_then(rows: list[dict[str, Any]]) -> None:
    def share(test: Callable[[dict[str, Any]], object]) -> float:
        return sum(bool(test(row)) for row in rows) / len(rows)

    assert 0.3 < share(lambda row: row["label_ids"]) < 0.6
    assert 0.0 < share(lambda row: len(row["label_ids"]) > 1) < 0.3
    assert 0.1 < share(lambda row: row["custom_properties"]) < 0.5
    assert 0.75 < share(lambda row: row["latest_message"]) < 0.85
    assert 0.75 < share(lambda row: row["created_at"] == EPOCH) < 0.8
    for seldom in ("assigned_to", "chat_access", "chat_image", "closed_at", "flag_count_map", "group_description"):
        assert 0.0 < sum(row[seldom] is not None for row in rows) / len(rows) < 0.5, seldom


def test_messages_are_of_many_kinds(rows: list[dict[str, Any]]) -> None:
    messages = [row["latest_message"] for row in rows if row["latest_message"]]
    kinds = Counter(message["message_type"] for message in messages)
    assert set(kinds) == {"chat", "image", "video", "document", "ptt", "poll_creation"}
    assert kinds["chat"] > len(messages) / 2
    for message in messages:
        assert (message["media"] is not None) == (message["message_type"] in {"image", "video", "document", "ptt"})
        assert (message["poll_info"] is not None) == (message["message_type"] == "poll_creation")
        assert message["message_id"].endswith(message["unique_id"])
    assert {message["from_me"] for message in messages} == {True, False}
    assert any(message["quoted_message_id"] for message in messages)


def test_moments_are_written_as_postgres_writes_them(rows: list[dict[str, Any]]) -> None:
    fractions = [row["updated_at"][19:].removesuffix("+00:00") for row in rows]
    assert {len(fraction) for fraction in fractions} >= {5, 6, 7}
    assert not [fraction for fraction in fractions if not re.fullmatch(r"|\.[0-9]{0,5}[1-9]", fraction)]


@pytest.mark.parametrize("seed", [1, 2, 12_345])
def test_the_client_reads_every_row_whole(seed: int) -> None:
    world = world_of(500, seed=seed)
    world.wake(499)
    world.insert()
    for row in rows_of(world):
        chat = read_chat(json.dumps(row).encode())
        assert undecoded(chat) == {}
        whole = world.one_chat(row["chat_id"], Filters(), whole=True)
        assert whole is not None
        assert undecoded(read_chat(whole)) == {}


def undecoded(chat: Chat) -> dict[str, Any]:
    message = chat.latest_message
    parts: dict[str, Any] = {"chat": chat.undecoded}
    if message is not None and message is not UNSET:
        parts["message"] = message.undecoded
    return {name: left for name, left in parts.items() if left}


def test_an_empty_sandbox() -> None:
    world = world_of(0)
    assert json.loads(world.page(query())) == {"chats": [], "count": 0, "from": 1, "to": 0}
    with pytest.raises(KeyError, match="holds no chat"):
        world.wake()
    chat_id = world.insert()
    assert world.chat_ids(query()) == [chat_id] == world.chat_ids(query(sort_by=SORTS[1]))


@pytest.mark.parametrize("chat", [-1, 50, 10**9, "1@c.us", ""])
def test_moving_a_chat_that_is_not_there_names_it(chat: int | str) -> None:
    world = world_of(50)
    for move in (world.wake, world.remove):
        with pytest.raises(KeyError, match="in the sandbox now"):
            move(chat)
    world.remove(3)
    with pytest.raises(KeyError, match="no chat 3 in the sandbox now"):
        world.wake(3)


# The list as it moves


@dataclass
class Model:
    """Both orders as plain lists of ids, newest first; the silent and the rest of the latest-message order apart."""

    created: list[str] = field(default_factory=list[str])
    spoken: list[str] = field(default_factory=list[str])
    silent: list[str] = field(default_factory=list[str])

    def wake(self, chat_id: str) -> None:
        for part in (self.spoken, self.silent):
            if chat_id in part:
                part.remove(chat_id)
        self.spoken.insert(0, chat_id)

    def insert(self, chat_id: str) -> None:
        self.created.insert(0, chat_id)
        self.spoken.insert(0, chat_id)

    def remove(self, chat_id: str) -> None:
        for part in (self.created, self.spoken, self.silent):
            if chat_id in part:
                part.remove(chat_id)


class MovingList(RuleBasedStateMachine):
    """Chats wake up, come and go, in any order; what is shown is what a plain list would show."""

    @initialize(chats=st.integers(0, 40), nulls=st.sampled_from(["first", "last"]))
    def start(self, chats: int, nulls: str) -> None:
        self.nulls = nulls
        self.now = NOW
        self.world = world_of(chats, nulls=nulls, clock=self.tick)
        created = rows_of(self.world)
        messaged = rows_of(self.world, sort_by=SORTS[1])
        # The start is sorted by what its rows show; how ties stand is free, but the same in every request.
        assert created == sorted(created, key=lambda row: row["created_at"], reverse=True)
        spoken = [row for row in messaged if row["latest_message"]]
        assert spoken == sorted(spoken, key=lambda row: row["latest_message"]["timestamp"], reverse=True)
        self.traits = {row["chat_id"]: row for row in created}
        self.model = Model(
            [row["chat_id"] for row in created],
            [row["chat_id"] for row in spoken],
            [row["chat_id"] for row in messaged if not row["latest_message"]],
        )

    def tick(self) -> float:
        self.now += 1
        return self.now

    @precondition(lambda self: self.model.created)
    @rule(data=st.data(), by_id=st.booleans())
    def wake(self, data: st.DataObject, *, by_id: bool) -> None:
        chat_id = data.draw(st.sampled_from(self.model.created))
        index = self.world._roster.find(chat_id)
        assert self.world.wake(chat_id if by_id else index) == chat_id
        self.model.wake(chat_id)

    @precondition(lambda self: self.model.created)
    @rule()
    def wake_any(self) -> None:
        self.model.wake(self.world.wake())

    @rule()
    def insert(self) -> None:
        chat_id = self.world.insert()
        assert chat_id not in self.model.created
        self.model.insert(chat_id)
        self.traits[chat_id] = rows_of(self.world, limit="1")[0]
        assert self.traits[chat_id]["chat_id"] == chat_id

    @precondition(lambda self: self.model.created)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        chat_id = data.draw(st.sampled_from(self.model.created))
        assert self.world.remove(chat_id) == chat_id
        self.model.remove(chat_id)

    @precondition(lambda self: self.model.created)
    @rule()
    def remove_any(self) -> None:
        self.model.remove(self.world.remove())

    def expected(self, sort_by: str) -> list[str]:
        if sort_by == "created_at":
            return self.model.created
        parts = (self.model.silent, self.model.spoken)
        return [*parts[0], *parts[1]] if self.nulls == "first" else [*parts[1], *parts[0]]

    @rule(
        sort_by=st.sampled_from(SORTS),
        order=st.sampled_from(["asc", "desc"]),
        offset=st.integers(0, 50),
        limit=st.integers(1, 50),
        chat_type=st.sampled_from(["", "group", "user", "business"]),
        phone=st.sampled_from([None, 0, 1, 2]),
    )
    def page(self, sort_by: str, order: str, offset: int, limit: int, chat_type: str, phone: int | None) -> None:
        place = {"offset": str(offset), "limit": str(limit)}
        asked = query(sort_by=sort_by, sort_order=order, chat_type=chat_type, **place)
        asked = replace(asked, filters=replace(asked.filters, phone=phone))
        expected = [chat_id for chat_id in self.expected(sort_by) if self.passes(chat_id, chat_type, phone)]
        if order == "asc":
            expected.reverse()
        page = json.loads(self.world.page(asked))
        assert [row["chat_id"] for row in page["chats"]] == expected[offset : offset + limit]
        assert page["count"] == len(expected)
        assert self.world.chat_ids(asked) == expected

    def passes(self, chat_id: str, chat_type: str, phone: int | None) -> bool:
        row = self.traits[chat_id]
        return chat_type in {"", row["chat_type"]} and (
            phone is None or PHONES[phone].org_phone in row["chat_org_phones"]
        )

    @invariant()
    def nothing_is_lost(self) -> None:
        for sort_by in SORTS:
            assert self.world.chat_ids(query(sort_by=sort_by)) == self.expected(sort_by)
        assert len(self.world) == len(self.model.created)


TestMovingList = MovingList.TestCase
TestMovingList.settings = settings(max_examples=settings().max_examples // 4, stateful_step_count=20)


def test_what_moved_shows_it() -> None:
    clock = iter(range(NOW, NOW + 100))
    world = world_of(100, clock=lambda: next(clock))
    before = {row["chat_id"]: row for row in rows_of(world)}
    silent = next(chat_id for chat_id, row in before.items() if not row["latest_message"])
    world.wake(silent)
    first = {row["chat_id"]: row for row in rows_of(world)}[silent]
    world.wake(silent)
    second = {row["chat_id"]: row for row in rows_of(world)}[silent]
    assert [row["latest_message"]["timestamp"] for row in (first, second)] == [
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:00:01+00:00",
    ]
    assert first["latest_message"]["message_id"] != second["latest_message"]["message_id"]
    changed = {name for name in first if first[name] != before[silent][name]}
    assert changed == {"latest_message", "updated_at"} | ({"chat_image"} & changed)
    inserted = world.insert()
    newest = rows_of(world, limit="1")[0]
    assert (newest["chat_id"], newest["created_at"]) == (inserted, "2027-01-15T08:00:02+00:00")
    assert newest["latest_message"]["timestamp"] == newest["created_at"]


def test_no_message_of_a_chat_woken_often_has_the_id_of_another() -> None:
    world = world_of(1)
    told: list[str] = []
    world.listen(lambda _, said: told.append(said["message_id"]))
    for _ in range(500):
        world.wake(0)
    assert len(set(told)) == 500


@given(
    st.lists(st.integers(0, 60), unique=True).map(sorted),
    st.lists(st.integers(0, 60)),
    st.integers(0, 70),
    st.integers(0, 70),
)
def test_places_are_a_list_less_those_taken_out(ranks: list[int], out: list[int], start: int, stop: int) -> None:
    places = Places(ranks, without=out[::2])
    for rank in out[1::2]:
        places.take_out(rank)
    left = [rank for rank in ranks if rank not in out]
    assert len(places) == len(left)
    assert list(places.slice(start, stop)) == left[start:stop]


# Churn, hooks and shuffled ties


async def test_churn_moves_the_list_before_each_page(served: Served) -> None:
    churn = Churn(wakes=1, inserts=0.5, removes=0.25)
    async with served(chats=100, churn=churn) as wire:
        before = set(wire.sandbox.chat_ids())
        counts = [(await wire.ask(limit=1)).json["count"] for _ in range(8)]
        assert counts == [100, 101, 101, 101, 101, 102, 102, 102]
        after = set(wire.sandbox.chat_ids())
        assert len(after - before) in {3, 4}
        assert len(before - after) in {1, 2}
        latest = (await wire.ask(sort_by=SORTS[1], sort_order="asc", limit=2)).json["chats"]
        assert latest[0]["latest_message"] is not None


async def test_churn_is_the_same_for_a_seed(served: Served) -> None:
    ends = list[list[str]]()
    for ties in ("stable", "shuffled"):
        async with served(chats=50, churn=Churn(wakes=2, inserts=1, removes=1), ties=ties) as wire:
            for _ in range(5):
                await wire.ask()
            ends.append(sorted(wire.sandbox.chat_ids()))
    assert ends[0] == ends[1]


async def test_one_chat_does_not_move_the_list(served: Served) -> None:
    async with served(chats=5, churn=Churn(inserts=1)) as wire:
        await wire.ask(f"/chats/{wire.sandbox.chat_ids()[0]}")
        await wire.ask(chat_id=wire.sandbox.chat_ids()[0])
        await wire.ask(limit=10_000)
        assert len(wire.sandbox.chat_ids()) == 5


async def test_hooks_are_called_around_each_page(served: Served) -> None:
    told = list[tuple[str, PageAsked]]()
    async with served(chats=10) as wire:
        sandbox = wire.sandbox

        def before(asked: PageAsked) -> None:
            told.append(("before", asked))
            sandbox.insert()

        def after(asked: PageAsked) -> None:
            told.append(("after", asked))
            sandbox.insert()

        sandbox.before_page, sandbox.after_page = before, after
        counts = [(await wire.ask(offset=2, limit=3, sort_order="asc", chat_type="group")).json["count"]]
        counts.append((await wire.ask()).json["count"])
        assert counts[1] == 13
        assert [(when, asked.number) for when, asked in told] == [
            ("before", 1),
            ("after", 1),
            ("before", 2),
            ("after", 2),
        ]
        assert told[0][1] == PageAsked(1, 2, 3, "created_at", descending=False, filters=Filters(chat_type="group"))
        assert len(sandbox.chat_ids()) == 14


@pytest.mark.parametrize("sort_by", SORTS)
async def test_shuffled_ties_are_in_another_order_each_time_and_complete(served: Served, sort_by: str) -> None:
    async with served(chats=230, ties="shuffled") as wire:
        orders = [(await wire.ask(sort_by=sort_by)).ids for _ in range(4)]
        assert len(set(map(tuple, orders))) == 4
        assert [len(set(order)) for order in orders] == [230] * 4
        tied = 180 if sort_by == "created_at" else 46
        # The silent come first, the undated last.
        rest = slice(None, -tied) if sort_by == "created_at" else slice(tied, None)
        assert len({tuple(order[rest]) for order in orders}) == 1
        pages = [(await wire.ask(sort_by=sort_by, offset=offset, limit=10)).ids for offset in range(0, 230, 10)]
        assert sum(map(len, pages)) == 230
        assert len({chat_id for page in pages for chat_id in page}) < 230
