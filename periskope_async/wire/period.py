"""The filters ``start_time`` and ``end_time`` of several lists (pure)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TypeAlias

from periskope_async.errors import ConfigError
from periskope_async.typed import pasted

__all__ = ["Moment", "period", "point"]

Moment: TypeAlias = str | date | datetime
"""A point in time: an ISO string, a date, or a datetime (a naive one is UTC)."""

# fromisoformat() alone would take 2025042501234 for 12:34, and a week for its Monday: nobody means that.
_TIME_TEXT = r"([0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-?W[0-9]{2}-?[0-9])([T ].+)?"


def period(start_time: Moment | None, end_time: Moment | None) -> dict[str, str | None]:
    """Check both ends, and write them in the form of the wire. Raises ConfigError."""
    start = None if start_time is None else _moment("start_time", start_time, time.min)
    # A bare end date means its whole day: the documents give 2025-04-30T23:59:59Z beside it.
    end = None if end_time is None else _moment("end_time", end_time, time(23, 59, 59, 999000))
    if start is not None and end is not None and start > end:
        raise ConfigError(f"start_time {_wire(start)} lies after end_time {_wire(end)}", parameter="start_time")
    return {
        "start_time": None if start is None else _wire(start),
        "end_time": None if end is None else _wire(end),
    }


def point(name: str, value: Moment) -> str:
    """Check a point in time, and write it as the wire has it. A bare date is its beginning. Raises ConfigError."""
    return _wire(_moment(name, value, time.min))


def _moment(name: str, value: Moment, time_of_bare_date: time) -> datetime:
    if isinstance(value, str):
        value = _read_moment(name, value)
    # pandas.NaT is a datetime, and like NaN it does not equal itself.
    if not isinstance(value, date) or value != value:  # noqa: PLR0124  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
        raise ConfigError(f"{name} is {value!r}; give an ISO string, a date or a datetime", parameter=name)
    if not isinstance(value, datetime):
        return datetime.combine(value, time_of_bare_date, tzinfo=UTC)
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
