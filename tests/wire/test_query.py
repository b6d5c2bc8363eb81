"""Parameters are checked before anything is sent, and written so that they mean one thing only."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from periskope_async.client.lists import CHATS
from periskope_async.errors import ConfigError
from periskope_async.wire.chats import chat_filters, normal_chat_id
from periskope_async.wire.listing import check_page
from periskope_async.wire.period import point
from tests.ambiguous import Ambiguous
from tests.reading import chat_query

INDIA = timezone(timedelta(hours=5, minutes=30))


def test_the_whole_query_in_the_documents_order() -> None:
    query = chat_query(
        sort_by="latest_message_timestamp",
        sort_order="asc",
        chat_id="120363392071406466@g.us",
        chat_type="group",
        label="label-kbvlbnvesomvgqpt",
        start_time="2025-04-25",
        end_time="2025-04-30",
        phone="919876543210",
    )
    request = query.page(offset=2000, limit=1000)
    assert request.target == (
        "/chats?offset=2000&limit=1000&sort_by=latest_message_timestamp&sort_order=asc"
        "&chat_id=120363392071406466@g.us&chat_type=group&label=label-kbvlbnvesomvgqpt"
        "&start_time=2025-04-25T00:00:00Z&end_time=2025-04-30T23:59:59.999Z"
    )
    assert (request.method, request.phone) == ("GET", "919876543210")


def test_offset_and_limit_are_always_said() -> None:
    assert chat_query().page(offset=0, limit=1).target == "/chats?offset=0&limit=1"


@pytest.mark.parametrize(
    ("given_time", "sent"),
    [
        ("2025-04-25", "2025-04-25T00:00:00Z"),
        ("2025-04-25T10:00:00Z", "2025-04-25T10:00:00Z"),
        ("2025-04-25T10:00:00+05:30", "2025-04-25T04:30:00Z"),
        ("2025-04-25 10:00", "2025-04-25T10:00:00Z"),
        (" \u200e2025-04-25t10:00:00z\n", "2025-04-25T10:00:00Z"),
        ("20250425", "2025-04-25T00:00:00Z"),
        ("20250425T1000", "2025-04-25T10:00:00Z"),
        ("2025-W17-5", "2025-04-25T00:00:00Z"),
        (date(2025, 4, 25), "2025-04-25T00:00:00Z"),
        (datetime(2025, 4, 25, 10), "2025-04-25T10:00:00Z"),  # noqa: DTZ001 - a naive one is UTC
        (datetime(2025, 4, 25, 10, tzinfo=INDIA), "2025-04-25T04:30:00Z"),
        (datetime(2025, 4, 25, 10, 0, 0, 250_000, tzinfo=UTC), "2025-04-25T10:00:00.250Z"),
        (datetime(2025, 4, 25, 10, 0, 0, 1, tzinfo=UTC), "2025-04-25T10:00:00.000001Z"),
    ],
)
def test_a_start_time_is_sent_in_full(given_time: Any, sent: str) -> None:
    assert chat_filters(start_time=given_time)["start_time"] == sent


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("start_time", "2025-04-31"),  # the documents' own example; April has 30 days
        ("end_time", "tomorrow"),
        ("start_time", ""),
        ("end_time", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))),
        ("sort_by", "name"),
        ("sort_order", "down"),
        ("chat_type", "channel"),
        ("chat_id", "my chat"),
        ("chat_id", "../phones"),
        ("chat_id", "a@b?c=d"),
        ("chat_id", ""),
        *(("chat_id", value) for value in ("919876543210.0@c.us", "120363392071406466.0@g.us", "919876543210.0")),
        *(
            ("chat_id", f"{value}@{server}")
            for value in ("919876543210.00", "919876543210.5", "919876543210.", "919876543210.0.0", ".5")
            for server in ("c.us", "g.us", "lid")
        ),
        *(
            ("chat_id", f"{value}@c.us")
            for value in ("9.19876543210e11", "9.19876543210E11", "9.19876543210e+11", "9e11", "9.e11", "9.1e-11")
        ),
        *(("chat_id", f"{value}@g.us") for value in ("919876543210.0-1612345678", "919876543210-1612345678.0")),
        *(
            ("chat_id", value)
            for value in ("tel:+919876543210", "9.1987654321E+11", "٩١٩٨٧٦٥٤٣٢١٠", "1" * 200 + "@c.us")
        ),
        *(
            ("chat_id", value)
            for value in ("120363392071406466", "919876543210@C.US", "a@c.us\nb", 919876543210, 1.5, b"a")
        ),
        *(
            ("chat_id", value)
            for value in ("+12", "91 98765 43210", "+91 98765 43210@g.us", "+91 98765 43210.5", "+1 a")
        ),
        *(("label", value) for value in ("  ", "", "\u200b", "\u200d\ufe0f", "a\nb", "a\tb", "a\x1b[31mb", "a\u2028b")),
        *(("label", value) for value in ("a\x85b", "half \ud83d", "x" * 1001, 5, ["vip"], b"vip")),
        *(("start_time", value) for value in ("2025042501234", "1745539200", "1745539200000", "25/04/2025", "2025-04")),
        *(
            ("start_time", value)
            for value in ("2025-W17", "2025-04-25x10:00", "2025-04-25T25:00", "2025-115", "a" * 10_000)
        ),
        *(
            ("start_time", value)
            for value in (
                1745539200,
                1745539200.0,
                True,
                "\u200b",
                "\uff12\uff10\uff125-04-25",
                time(10),
                b"2025-04-25",
            )
        ),
    ],
)
def test_a_value_that_no_server_could_take_is_refused_by_name(parameter: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=parameter) as caught:
        chat_query(**{parameter: value})
    assert caught.value.parameter == parameter
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 500


def test_no_time_of_pandas_is_refused() -> None:
    """A column of times has NaT where a cell is empty. It is a datetime, and would be written as "NaT"."""
    nat: Any = pytest.importorskip("pandas", reason="pandas has no wheel for every Python").NaT
    with pytest.raises(ConfigError, match="start_time is NaT; give"):
        chat_query(start_time=nat)
    with pytest.raises(ConfigError, match="scheduled_at is NaT; give"):
        point("scheduled_at", nat)


def test_a_start_after_the_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="lies after"):
        chat_query(start_time="2025-05-01", end_time="2025-04-30")
    chat_query(start_time="2025-04-30", end_time="2025-04-30")


@pytest.mark.parametrize(
    ("offset", "limit", "named"),
    [
        (-1, 1, "offset"),
        (0, 0, "page_size"),
        (0, CHATS.max_limit + 1, "page_size"),
        (1.5, 1, "offset"),
        (0, True, "page_size"),
    ],
)
def test_a_page_that_no_server_could_give_is_refused(offset: Any, limit: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        check_page(CHATS, offset=offset, limit=limit, limit_name="page_size")


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("120363392071406466@g.us", "120363392071406466@g.us"),
        ("919876543210", "919876543210@c.us"),
        ("+919876543210", "919876543210@c.us"),
        ("+91 98765 43210", "919876543210@c.us"),
        ("+91-98765-43210", "919876543210@c.us"),
        ("\u202a+44 (0)20 7946\u00a00958\u202c", "442079460958@c.us"),
        (" 919876543210@c.us ", "919876543210@c.us"),
        ("919876543210-1612345678@g.us", "919876543210-1612345678@g.us"),
        ("12345678901234@lid", "12345678901234@lid"),
        ("\u202a919876543210@c.us\u202c", "919876543210@c.us"),
        ("\ufeff9198765\u200b43210", "919876543210@c.us"),
        ("status@broadcast", "status@broadcast"),
        ("919876543210.0:12@s.whatsapp.net", "919876543210.0:12@s.whatsapp.net"),
        ("9e@c.us", "9e@c.us"),
        ("a.b@c.us", "a.b@c.us"),
    ],
)
def test_chat_ids(typed: str, sent: str) -> None:
    assert normal_chat_id(typed) == sent


@pytest.mark.parametrize(
    "label",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 Family",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "🇮🇳 +91",
        "👍🏽",
        "🫩",  # newer than the Unicode of older Pythons
        "\u200f\u05e2\u05d1\u05e8\u05d9\u05ea\u200e",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "क्\u200dष",
        "ㅤ",
        "co\u00adop",
        "non\u00a0breaking",
        "\ue000",
        '100% & more, #1?/\\ "quoted"',
        "x" * 1000,
    ],
)
def test_a_label_is_sent_as_it_was_typed(label: str) -> None:
    target = chat_query(label=label).page(offset=0, limit=1).target
    assert target == f"/chats?offset=0&limit=1&label={quote(label, safe='@:')}"
    assert chat_query(label=f" {label}\n") == chat_query(label=label)


@given(st.text(min_size=1))
def test_any_label_survives_the_way_into_the_url(label: str) -> None:
    from urllib.parse import parse_qs, urlsplit

    try:
        label.encode()
        query = chat_query(label=label)
    except (ConfigError, UnicodeEncodeError):
        return
    parts = urlsplit(query.page(offset=0, limit=1).target)
    assert parse_qs(parts.query, strict_parsing=True)["label"] == [label.strip().strip("\ufeff").strip()]


def test_a_fingerprint_tells_queries_apart_and_shows_nothing() -> None:
    queries = [chat_query(), chat_query(label="a"), chat_query(chat_type="group"), chat_query(phone="919876543210")]
    fingerprints = [query.fingerprint for query in queries]
    assert len(set(fingerprints)) == len(queries)
    assert fingerprints[1] == chat_query(label="a").fingerprint
    assert "919876543210" not in fingerprints[3]


def test_a_member_of_an_enum_is_sent_as_its_value() -> None:
    class Kind(str, Enum):  # noqa: UP042 - a StrEnum is written as its value anyway
        GROUP = "group"

    class Size(int, Enum):
        SMALL = 5

    query = chat_query(chat_type=Kind.GROUP)
    assert query.page(offset=0, limit=Size.SMALL).target == "/chats?offset=0&limit=5&chat_type=group"
    assert query.fingerprint == chat_query(chat_type="group").fingerprint


@pytest.mark.parametrize("name", ["chat_type", "sort_by", "sort_order"])
def test_a_missing_value_of_a_table_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is .*; it takes '"):
        chat_query(**dict[str, Any]({name: Ambiguous()}))
