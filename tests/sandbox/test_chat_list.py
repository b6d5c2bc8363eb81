"""The list of chats in its orders, and through its filters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from periskope_async.sandbox import LABELS, PHONES
from periskope_async.sandbox.validation import list_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Served

EPOCH = "1970-01-01T00:00:00+00:00"
SORTS = ("created_at", "latest_message_timestamp")


def keys(rows: list[dict[str, Any]], sort_by: str) -> list[str | None]:
    if sort_by == "created_at":
        return [row["created_at"] for row in rows]
    return [row["latest_message"] and row["latest_message"]["timestamp"] for row in rows]


async def test_created_at_newest_first_with_the_tied_1970s_behind(served: Served) -> None:
    async with served(chats=230) as wire:
        dates = keys((await wire.ask()).json["chats"], "created_at")
        assert dates == sorted(dates, key=str, reverse=True)
        assert dates.count(EPOCH) == 180
        known = dates[: -dates.count(EPOCH)]
        assert len(set(known)) == len(known)


@pytest.mark.parametrize("nulls", ["first", "last"])
async def test_latest_message_newest_first_and_where_the_silent_stand(served: Served, nulls: str) -> None:
    async with served(chats=230, nulls=nulls) as wire:
        times = keys((await wire.ask(sort_by="latest_message_timestamp")).json["chats"], "latest_message_timestamp")
        silent = times.count(None)
        assert silent == 46
        spoken = times[silent:] if nulls == "first" else times[:-silent]
        assert None not in spoken
        assert spoken == sorted(spoken, key=str, reverse=True)
        # Some messages share their second.
        assert 0 < len(spoken) - len(set(spoken)) < len(spoken) // 2


@pytest.mark.parametrize("sort_by", SORTS)
async def test_ascending_is_descending_turned_around_page_by_page(served: Served, sort_by: str) -> None:
    async with served(chats=60) as wire:
        down = (await wire.ask(sort_by=sort_by)).ids
        assert down == (await wire.ask(sort_by=sort_by, sort_order="desc")).ids
        assert down == wire.sandbox.chat_ids(sort_by=sort_by)
        assert len(set(down)) == 60
        up = list[str]()
        for offset in range(0, 70, 7):
            up += (await wire.ask(sort_by=sort_by, sort_order="asc", offset=offset, limit=7)).ids
        assert up == down[::-1] == wire.sandbox.chat_ids(sort_by=sort_by, sort_order="asc")


# Filters

Row = dict[str, Any]


def at(row: Row) -> datetime:
    return datetime.fromisoformat(row["created_at"])


def nothing(row: Row) -> bool:
    return False


FILTERS: list[tuple[dict[str, str], Callable[[Row], bool]]] = [
    ({"chat_type": "group"}, lambda row: row["chat_type"] == "group"),
    ({"chat_type": "business"}, lambda row: row["chat_type"] == "business"),
    ({"chat_type": "nothing"}, nothing),
    ({"chat_type": ""}, bool),
    ({"label": LABELS[0].label_id}, lambda row: LABELS[0].label_id in row["label_ids"]),
    ({"label": "vip"}, lambda row: LABELS[0].label_id in row["label_ids"]),
    ({"label": "भुगतान"}, lambda row: LABELS[5].label_id in row["label_ids"]),
    ({"label": "unknown"}, nothing),
    ({"start_time": "2024-06-01"}, lambda row: at(row) >= datetime(2024, 6, 1, tzinfo=UTC)),
    ({"start_time": "2024-06-01T12:00:00Z"}, lambda row: at(row) >= datetime(2024, 6, 1, 12, tzinfo=UTC)),
    ({"end_time": "2024-06-01"}, lambda row: at(row) < datetime(2024, 6, 2, tzinfo=UTC)),
    ({"end_time": "2024-06-01T05:30:00+05:30"}, lambda row: at(row) <= datetime(2024, 6, 1, tzinfo=UTC)),
    ({"start_time": "2024-06-01 12:00"}, lambda row: at(row) >= datetime(2024, 6, 1, 12, tzinfo=UTC)),
    ({"end_time": "1970-01-01"}, lambda row: row["created_at"] == EPOCH),
    (
        {"start_time": "2023-01-01", "end_time": "2024-12-31T23:59:59Z", "chat_type": "user", "label": "Lead"},
        lambda row: (
            datetime(2023, 1, 1, tzinfo=UTC) <= at(row) <= datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
            and row["chat_type"] == "user"
            and LABELS[1].label_id in row["label_ids"]
        ),
    ),
]


@pytest.mark.parametrize("sort_by", SORTS)
@pytest.mark.parametrize(("query", "wanted"), FILTERS)
async def test_filter(served: Served, sort_by: str, query: dict[str, str], wanted: Callable[[Row], bool]) -> None:
    async with served(chats=800) as wire:
        every = (await wire.ask(sort_by=sort_by)).json["chats"]
        expected = [row["chat_id"] for row in every if wanted(row)]
        reply = await wire.ask(query=query, sort_by=sort_by)
        assert reply.ids == expected == wire.sandbox.chat_ids(sort_by=sort_by, **query)
        assert reply.json["count"] == len(expected)
        # Each of them lets something through and keeps something out, unless it is meant not to.
        assert ("nothing" in query.values() or "unknown" in query.values()) == (not expected)
        assert ("" in query.values()) == (len(expected) == len(every))


async def test_both_ends_of_a_stretch_of_time_belong_to_it(served: Served) -> None:
    async with served() as wire:
        row = (await wire.ask()).json["chats"][5]
        moment = row["created_at"]
        assert moment.endswith("+00:00")
        # Sent once with "+" written as %2B, and once as a space, which is what a bare "+" arrives as.
        for text in (moment, moment.replace("+", " "), moment.replace("+00:00", "Z"), moment.removesuffix("+00:00")):
            assert (await wire.ask(start_time=text, end_time=text)).ids == [row["chat_id"]], text
        day = moment[:10]
        assert row["chat_id"] in (await wire.ask(start_time=day, end_time=day)).ids


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025-04-25", 1_745_539_200, 1_745_625_599.999),
        ("2025-04-25T00:00:00Z", 1_745_539_200, 1_745_539_200),
        ("2025-04-25T00:00:00", 1_745_539_200, 1_745_539_200),
        ("2025-04-25T02:00:00+02:00", 1_745_539_200, 1_745_539_200),
        ("2025-04-25T02:00:00 02:00", 1_745_539_200, 1_745_539_200),
        ("2025-04-25T00:00:00.500Z", 1_745_539_200.5, 1_745_539_200.5),
        ("", None, None),
    ],
)
def test_a_bare_date_is_its_first_moment_as_a_start_and_its_last_as_an_end(
    text: str, start: float | None, end: float | None
) -> None:
    filters = list_query({"start_time": [text], "end_time": [text]}, phone=None, max_limit=1).filters
    assert (filters.start, filters.end) == (start, end)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("spelling", ["phone_id", "digits", "c.us"])
async def test_x_phone_shows_the_chats_of_that_phone(served: Served, number: int, spelling: str) -> None:
    phone = PHONES[number]
    sent = {"phone_id": phone.phone_id, "digits": phone.org_phone.split("@")[0], "c.us": phone.org_phone}[spelling]
    async with served(chats=300) as wire:
        every = (await wire.ask()).json["chats"]
        reply = await wire.ask(headers={"x-phone": sent})
        assert reply.ids == [row["chat_id"] for row in every if phone.org_phone in row["chat_org_phones"]]
        assert 0 < len(reply.ids) < 300
        assert reply.headers["x-periskope-phone-id"] == phone.phone_id
        assert wire.sandbox.chat_ids(phone=sent) == reply.ids


@pytest.mark.parametrize("empty", ["", " "])
async def test_an_empty_x_phone_is_none(served: Served, empty: str) -> None:
    """The official client made with ``phone: ""`` sends it so."""
    async with served() as wire:
        without, reply = await wire.ask(), await wire.ask(headers={"x-phone": empty})
        assert (reply.status, reply.json) == (200, without.json)
        assert "x-periskope-phone-id" not in reply.headers


async def test_a_foreign_phone_is_a_401(served: Served) -> None:
    async with served() as wire:
        for phone in ("910000000000", "phone-aaaaaaaaaaaaaaaa"):
            reply = await wire.ask(headers={"x-phone": phone})
            assert (reply.status, reply.json["code"]) == (401, "UNAUTHORIZED_ERROR")
            assert "x-phone" in reply.json["message"]
        with pytest.raises(ValueError, match="none of the sandbox's PHONES"):
            wire.sandbox.chat_ids(phone="910000000000")
