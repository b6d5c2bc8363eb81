"""The filters ``start_time`` and ``end_time`` of several lists (pure)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import TypeAlias

from periskope_async.errors import ConfigError
from periskope_async.typed import pasted

__all__ = ["Moment", "end_point", "moment", "period", "point"]

Moment: TypeAlias = str | date | datetime
"""A point in time: an ISO string, a date, or a datetime (a naive one is UTC)."""

# A bare end date means its whole day: the documents give 2025-04-30T23:59:59Z beside it.
_END_OF_DAY = time(23, 59, 59, 999000)
# fromisoformat() alone would take 2025042501234 for 12:34, and a week for its Monday: nobody means that.
_TIME_TEXT = r"([0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-?W[0-9]{2}-?[0-9])([T ].+)?"


def period(start_time: Moment | None, end_time: Moment | None) -> dict[str, str | None]:
    """Check both ends, and write them in the form of the wire. Raises ConfigError."""
    start = None if start_time is None else _in_utc("start_time", start_time, time.min)
    end = None if end_time is None else _in_utc("end_time", end_time, _END_OF_DAY)
    if start is not None and end is not None and start > end:
        raise ConfigError(f"start_time {_wire(start)} lies after end_time {_wire(end)}", parameter="start_time")
    return {
        "start_time": None if start is None else _wire(start),
        "end_time": None if end is None else _wire(end),
    }


def point(name: str, value: Moment) -> str:
    """Check a point in time, and write it as the wire has it. A bare date is its beginning. Raises ConfigError."""
    return _wire(_in_utc(name, value, time.min))


def end_point(name: str, value: Moment, zone: tzinfo = UTC) -> str:
    """Write a point in time as :func:`point` does. A bare date is its end, in ``zone``. Raises ConfigError."""
    return _wire(_in_utc(name, value, _END_OF_DAY, zone))


def moment(name: str, value: Moment) -> date:
    """Read a point in time: a bare date, or a datetime with or without a zone. Raises ConfigError."""
    if isinstance(value, str):
        value = _read_moment(name, value)
    # pandas.NaT is a datetime, and like NaN it does not equal itself.
    if not isinstance(value, date) or value != value:  # noqa: PLR0124  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
        raise ConfigError(f"{name} is {value!r:.100}; give an ISO string, a date or a datetime", parameter=name)
    return value


def _in_utc(name: str, given: Moment, time_of_bare_date: time, zone: tzinfo = UTC) -> datetime:
    value = moment(name, given)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time_of_bare_date, tzinfo=zone)
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ConfigError(f"{name} {value} cannot be told in UTC", parameter=name) from None


def _read_moment(name: str, typed: str) -> date:
    text = pasted(typed).upper()
    form = re.fullmatch(_TIME_TEXT, text)
    reason = "it is in no form that means the same everywhere"
    try:
        if form is not None:
            return datetime.fromisoformat(text) if form[2] else date.fromisoformat(text)
    except ValueError as error:
        reason = str(error)
    raise ConfigError(
        f"{name} {typed!r:.100} is not a time: {reason}; give 2025-04-25 or 2025-04-25T00:00:00Z", parameter=name
    )


def _wire(moment: datetime) -> str:
    """Write a time in full, with Z: the documents do not say how the server reads a bare date or another zone."""
    timespec = "seconds" if not moment.microsecond else "milliseconds" if moment.microsecond % 1000 == 0 else "auto"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
