"""The times of a scheduled message that repeats."""

from __future__ import annotations

import struct
import zoneinfo
from datetime import date, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from periskope_async import ConfigError, PeriskopeClient, Repeat
from periskope_async.client import scheduled
from tests.flow.cutting import answer, cutting_server

AT = "2027-03-01T09:00:00Z"
KOLKATA = "Asia/Kolkata"


async def schedule(client: PeriskopeClient, scheduled_at: Any, repeat: Repeat, *, is_update: bool = False) -> object:
    if is_update:
        return await client.update_scheduled_message("s", scheduled_at=scheduled_at, repeat=repeat)
    return await client.schedule_message("1@c.us", "Hello", scheduled_at=scheduled_at, repeat=repeat)


async def sent(scheduled_at: Any, repeat: Repeat) -> dict[str, Any]:
    async with cutting_server(writes=answer("200 OK", b'{"scheduled_id":"s"}')) as (server, client):
        await schedule(client, scheduled_at, repeat)
        config: dict[str, Any] = msgspec.json.decode(server.bodies[0])["repeat_config"]
        return config


async def refused(scheduled_at: Any, repeat: Repeat, said: str, *, is_update: bool) -> None:
    async with cutting_server() as (server, client):
        with pytest.raises(ConfigError, match=said):
            await schedule(client, scheduled_at, repeat, is_update=is_update)
        assert server.requests == []


@pytest.mark.parametrize("ends", ["2027-03-01", date(2027, 3, 1)])
async def test_a_bare_end_date_means_its_whole_day(ends: str | date) -> None:
    """It may be the day of the first sending."""
    config = await sent(AT, Repeat(interval="day", ends=ends))
    assert config["repeat_ends"] == "2027-03-01T23:59:59.999Z"


async def test_the_whole_day_is_one_of_the_zone() -> None:
    """An evening in New York lies behind the day's end in UTC."""
    repeat = Repeat(interval="day", ends="2027-03-03", timezone="America/New_York")
    assert (await sent("2027-03-01T20:00-05:00", repeat))["repeat_ends"] == "2027-03-04T04:59:59.999Z"


async def test_a_zone_as_an_object() -> None:
    zone = ZoneInfo(KOLKATA)
    config = await sent(datetime(2027, 3, 1, 9, tzinfo=zone), Repeat(interval="week", timezone=zone))
    assert config["timezone"] == KOLKATA


@pytest.mark.parametrize("is_update", [False, True])
@pytest.mark.parametrize(
    ("at", "repeat", "said"),
    [
        (AT, Repeat(interval="day", ends="2027-02-28"), "ends 2027-02-28T23:59:59.999Z lies before scheduled_at 2027"),
        (AT, Repeat(interval="day", ends="2027-03-01T08:59:59.5Z"), "lies before scheduled_at"),
        ("2027-03-01T09:00", Repeat(interval="day", timezone=KOLKATA), "scheduled_at .* says no zone, .* give a time"),
        ("2027-03-01", Repeat(interval="day", timezone=KOLKATA), "scheduled_at .* says no zone"),
        (AT, Repeat(interval="day", ends="2027-03-09T12:00", timezone=KOLKATA), "ends .* says no zone"),
        *(
            (AT, Repeat(interval="day", timezone=zone), r"timezone .*is (no time zone|empty)")
            for zone in ("Asia/Kolcata", "Asia", "../etc/passwd", "/etc/passwd", " ", "a\0b")
        ),
    ],
)
async def test_times_that_do_not_fit_are_refused(at: str, repeat: Repeat, said: str, *, is_update: bool) -> None:
    await refused(at, repeat, said, is_update=is_update)


async def test_no_zone_is_refused_where_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    class NoZone:
        def __new__(cls, name: str) -> Any:
            return unknown(name)

    monkeypatch.setattr(scheduled, "ZoneInfo", NoZone)
    monkeypatch.setattr(scheduled, "available_timezones", set)
    config = await sent(AT, Repeat(interval="day", ends="2027-03-03T09:00:00+05:30", timezone="Any/Name"))
    assert config["timezone"] == "Any/Name"
    assert config["repeat_ends"] == "2027-03-03T03:30:00Z"
    bare = Repeat(interval="day", ends="2027-03-03", timezone="Any/Name")
    await refused(AT, bare, "a whole day in Any/Name, .* pip install tzdata", is_update=False)


async def test_a_zone_without_a_name_is_refused() -> None:
    # The least file of a zone (RFC 9636): a header, one kind of time, and its abbreviation.
    file = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    zone = ZoneInfo.from_file(BytesIO(file))
    await refused(AT, Repeat(interval="day", timezone=zone), "timezone is None", is_update=False)
