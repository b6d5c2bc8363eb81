"""What a response's headers say about the rate limit, read in differences (pure).

The server writes the set that Express's ``express-rate-limit`` writes: ``X-RateLimit-Limit``, ``-Remaining``, and
``-Reset`` as Unix seconds rounded **up**, beside a ``Date`` rounded **down**
(https://docs.periskope.app/api-reference/chat/list-all-chats shows both recorded answers). A moment by the server's
clock means nothing by ours, so every time is given as a difference of two of the server's own numbers, and no clock
of this machine is ever asked.

Gateways in between rewrite these headers. So each is read in every dialect that is met in the wild (seconds left,
Unix seconds or milliseconds, HTTP or ISO date, fractions), and one that cannot be trusted reads as None and is named
in :attr:`LimitHeaders.unusable`: a doubtful number must never widen or narrow a budget.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LimitHeaders", "parse_limit_headers"]

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)

# Fewer than it takes to make a number infinite.
_MOST_DIGITS = 18

# A reset below this many is "seconds left" (11 days at most); Unix seconds have been above 1e8 since 1973, Unix
# milliseconds above 1e11 since 1973 too. What lies between belongs to no dialect.
_SECONDS_LEFT_BELOW = 1e6
_UNIX_SECONDS_FROM = 1e8
_UNIX_MILLISECONDS_FROM = 1e11
# A slow handler writes its Date after the window that counted the request has ended, so a reset shortly before
# Date is honest and means "over"; one further back is a broken clock.
_MOST_SECONDS_BEFORE_DATE = 120.0
# Nobody's limit has longer windows than this, and a clock that is set to another time zone is off by more.
_MOST_SECONDS_AHEAD = 900.0


class LimitHeaders(Struct, frozen=True, kw_only=True, gc=False):
    """The limit's headers of one response; None where a header was absent or unusable."""

    limit: int | None = None
    """Requests that one window allows."""
    remaining: int | None = None
    """Requests left in the window that counted this one; never above ``limit``."""
    resets_in: float | None = None
    """Seconds from the response's ``Date`` to the window's end: a difference of two server times, at least 0."""
    rounded_by: float = 2.0
    """How much longer than the truth ``resets_in`` may be, exclusive: 2 where both ends were rounded to a second, as
    the server does it; 1 where only one was (seconds left, or a reset in fractions)."""
    reset_mark: float | None = None
    """The reset in Unix seconds by the server's clock, where it sent a moment: the same on all answers of one window,
    so it tells one window from the next. Never to wait for."""
    retry_after: float | None = None
    """Seconds that the server asks to stay away, from ``Retry-After`` in either of its forms."""
    server_time: float | None = None
    """The ``Date`` header in Unix seconds: to be compared with other times of the same server, never with ours."""
    unusable: tuple[str, ...] = ()
    """What could not be used and why, one readable line each."""

    def __bool__(self) -> bool:
        """Whether the response said how the budget stands."""
        return self.limit is not None and self.remaining is not None


def parse_limit_headers(headers: Mapping[str, str]) -> LimitHeaders:
    """Read the limit's headers from a case-insensitive mapping. Never raises."""
    unusable: list[str] = []
    date = _server_date(headers.get("Date"))
    limit = _count("X-RateLimit-Limit", headers, unusable)
    remaining = _count("X-RateLimit-Remaining", headers, unusable)
    if limit == 0:
        unusable.append("X-RateLimit-Limit: 0 allows nothing, though the request was answered")
        limit = None
    if limit is not None and remaining is not None and remaining > limit:
        unusable.append(f"X-RateLimit-Remaining: {remaining} is above the limit of {limit}")
        limit = remaining = None
    resets_in, rounded_by, reset_mark = _reset(headers.get("X-RateLimit-Reset"), date, unusable)
    return LimitHeaders(
        limit=limit,
        remaining=remaining,
        resets_in=resets_in,
        rounded_by=rounded_by,
        reset_mark=reset_mark,
        retry_after=_retry_after(headers.get("Retry-After"), date, unusable),
        server_time=date,
        unusable=tuple(unusable),
    )


def _count(name: str, headers: Mapping[str, str], unusable: list[str]) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    number = _whole_number(text)
    if number is None:
        unusable.append(f"{name}: {text[:40]!r} is not a whole number from 0 up")
    return number


def _reset(text: str | None, date: float | None, unusable: list[str]) -> tuple[float | None, float, float | None]:
    """Give ``resets_in``, ``rounded_by`` and ``reset_mark``."""
    if text is None:
        return None, 2.0, None
    number = _number(text)
    if number is not None and 0 <= number < _SECONDS_LEFT_BELOW:
        # No mark: from answer to answer, Date plus seconds left varies by one in the same window.
        return _plausible(number, unusable), 1.0, None
    moment = _date(text) if number is None else _unix_seconds(number)
    if moment is None:
        unusable.append(f"X-RateLimit-Reset: {text[:40]!r} is neither seconds left, nor a Unix time, nor a date")
    elif date is None:
        unusable.append("X-RateLimit-Reset: a moment by the server's clock, and no Date header to compare it with")
    else:
        left = _plausible(moment - date, unusable)
        return left, 2.0 if moment.is_integer() else 1.0, None if left is None else moment
    return None, 2.0, moment


def _plausible(left: float, unusable: list[str]) -> float | None:
    """Give the seconds left, at least 0; None where no window and no handler explains them."""
    if -_MOST_SECONDS_BEFORE_DATE <= left <= _MOST_SECONDS_AHEAD:
        return max(0.0, left)
    where = "after" if left > 0 else "before"
    unusable.append(f"X-RateLimit-Reset: lies {abs(left):.0f} s {where} the response's own Date")
    return None


def _unix_seconds(number: float) -> float | None:
    if number >= _UNIX_MILLISECONDS_FROM:
        return number / 1000
    return number if number >= _UNIX_SECONDS_FROM else None


def _retry_after(text: str | None, date: float | None, unusable: list[str]) -> float | None:
    if text is None:
        return None
    number = _number(text)
    if number is None:
        moment = _date(text)
        if moment is not None and date is not None:
            return max(0.0, moment - date)
        why = "a date, and no Date header to compare it with" if moment is not None else "neither seconds nor a date"
        unusable.append(f"Retry-After: {text[:40]!r} is {why}")
        return None
    if number < 0:
        unusable.append(f"Retry-After: {text[:40]!r} is negative")
        return None
    return number


# On most answers it is the text of the answer before, and to parse a date takes as long as a whole page's seam.
@functools.lru_cache(maxsize=256)
def _number(text: str) -> float | None:
    text = text.strip()
    # float() alone would take "nan", "inf", "1_000" and the digits of every script.
    return float(text) if len(text) <= _MOST_DIGITS and _NUMBER.fullmatch(text) else None


def _whole_number(text: str) -> int | None:
    if text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS:
        # As nearly always; and what remains is another number in each answer, so none is worth keeping.
        return int(text)
    # "100, 100;w=60": the drafts of the RateLimit headers append the policy after the number.
    number = _number(text.partition(",")[0].partition(";")[0])
    return None if number is None or number < 0 or not number.is_integer() else int(number)


def _server_date(text: str | None) -> float | None:
    return None if text is None else _date(text)


@functools.lru_cache(maxsize=64)
def _date(text: str) -> float | None:
    """Unix seconds of an HTTP date or an ISO 8601 one; without a zone it is UTC, as HTTP dates are."""
    text = text.strip()
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
