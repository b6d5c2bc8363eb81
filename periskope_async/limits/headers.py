"""The rate limit in a response's headers, read in differences (pure).

The server writes the set of Express's ``express-rate-limit``: ``X-RateLimit-Limit``, ``-Remaining``, and ``-Reset`` as
Unix seconds rounded **up**, beside a ``Date`` rounded **down**
(https://docs.periskope.app/api-reference/chat/list-all-chats shows both recorded answers). A moment by the server's
clock means nothing by ours. So every time is the difference of two of the server's own numbers. No clock of this
machine is ever asked.

Gateways in between rewrite these headers. We read each in every dialect found in the wild (seconds left, Unix seconds
or milliseconds, HTTP or ISO date, fractions). A doubtful one reads as None and is named in
:attr:`LimitHeaders.unusable`: it must never widen or narrow a budget. The tighter limit counts if two parties have
written one header.

The ``RateLimit`` fields of the IETF's drafts are read if the set above is missing
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/): three fields as above in draft 6, and
``RateLimit`` with ``RateLimit-Policy`` in draft 7 and in the structured form since draft 8. A policy names the window's
length, rounded up.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LimitHeaders", "parse_limit_headers"]

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)

# Fewer than it takes to make a number infinite.
_MOST_DIGITS = 18

# A reset below this many is "seconds left" (11 days at most); Unix seconds have been above 1e8 since 1973, Unix
# milliseconds above 1e11 since 1973 too. Numbers in between belong to no dialect.
_SECONDS_LEFT_BELOW = 1e6
_UNIX_SECONDS_FROM = 1e8
_UNIX_MILLISECONDS_FROM = 1e11
# A slow handler writes its Date after the end of the request's window. So a reset shortly before Date is honest and
# means "over". One further back is a broken clock.
_MOST_SECONDS_BEFORE_DATE = 120.0
# Nobody's limit has longer windows than this. A clock in another time zone is off by more.
_MOST_SECONDS_AHEAD = 900.0


class LimitHeaders(Struct, frozen=True, kw_only=True, gc=False):
    """The limit's headers of one response; None where a header was absent or unusable."""

    limit: int | None = None
    """Requests allowed in one window."""
    remaining: int | None = None
    """Requests left in this request's window; never above ``limit``."""
    resets_in: float | None = None
    """Seconds from the response's ``Date`` to the window's end: a difference of two server times, at least 0."""
    rounded_by: float = 2.0
    """How much longer than the truth ``resets_in`` may be, exclusive: 2 if both ends were rounded to a second, as the
    server does it; 1 if only one was (seconds left, or a reset in fractions)."""
    window: float | None = None
    """Seconds of the window, named by a policy: at most so long, since the policy rounds it up."""
    retry_after: float | None = None
    """Seconds to stay away, from ``Retry-After`` in either of its forms."""
    server_time: float | None = None
    """The ``Date`` header in Unix seconds: to be compared with other times of the same server, never with ours."""
    is_cached: bool = False
    """Whether a cache says that it has answered (``Age``). The numbers are those of an earlier answer then."""
    unusable: tuple[str, ...] = ()
    """Each unusable value and why, one readable line each."""

    def __bool__(self) -> bool:
        """Whether the response said how the budget stands."""
        return self.limit is not None and self.remaining is not None


class _Set(Struct, frozen=True):
    """One party's limit, as its headers name it."""

    limit: str | None = None
    remaining: str | None = None
    reset: str | None = None
    window: str | None = None


def parse_limit_headers(headers: Mapping[str, str]) -> LimitHeaders:
    """Read the limit's headers from a case-insensitive mapping. It may hold several of one name. Never raises."""
    unusable: list[str] = []
    date = _server_date(headers.get("Date"))
    name = "X-RateLimit"
    sets = _plain_sets(name, headers)
    policy = headers.get("RateLimit-Policy")
    if not sets and (policy is not None or "RateLimit" in headers or "RateLimit-Limit" in headers):
        name = "RateLimit"
        sets = _plain_sets(name, headers) or _draft_sets(headers)
    told = sets[0] if sets else _Set()
    limit = _count(f"{name}-Limit", told.limit, unusable)
    # The lowest of several limits counts. An unreadable one counts for nothing beside it.
    for other in sets[1:]:
        others = _count(f"{name}-Limit", other.limit, unusable)
        if others is not None and (limit is None or others < limit):
            limit, told = others, other
    remaining = _count(f"{name}-Remaining", told.remaining, unusable)
    if limit == 0:
        unusable.append(f"{name}-Limit: 0 allows nothing, though the request was answered")
        limit = None
    if limit is not None and remaining is not None and remaining > limit:
        unusable.append(f"{name}-Remaining: {remaining} is above the limit of {limit}")
        limit = remaining = None
    resets_in, rounded_by = _reset(f"{name}-Reset", told.reset, date, unusable)
    return LimitHeaders(
        limit=limit,
        remaining=remaining,
        resets_in=resets_in,
        rounded_by=rounded_by,
        window=None if policy is None else _policy_window(limit, told, policy),
        retry_after=_retry_after(headers.get("Retry-After"), date, unusable),
        server_time=date,
        is_cached=_is_from_cache(headers.get("Age")),
        unusable=tuple(unusable),
    )


def _all(name: str, headers: Mapping[str, str]) -> list[str]:
    """Give all values of a header: of several lines, or of one line joined by a gateway with commas."""
    lines = _lines(name, headers)
    if not lines or (len(lines) == 1 and "," not in lines[0]):
        return lines
    parts = [part.strip() for line in lines for part in line.split(",")]
    # A date has a comma too, and a policy behind the number is no second number.
    return lines if any(_number(part) is None for part in parts) else parts


def _lines(name: str, headers: Mapping[str, str]) -> list[str]:
    getall = getattr(headers, "getall", None)
    if getall is not None:
        return list(getall(name, ()))
    return [headers[name]] if name in headers else []


def _plain_sets(name: str, headers: Mapping[str, str]) -> list[_Set]:
    """Read the three headers of a set, as often as they are there."""
    limits, remaining, resets = [_all(f"{name}-{part}", headers) for part in ("Limit", "Remaining", "Reset")]
    if not (limits or remaining or resets):
        return []
    if len(limits) == len(remaining) == len(resets) == 1:
        return [_Set(limits[0], remaining[0], resets[0])]
    count = max(1, len(limits))
    # A part may be there less often. Nothing tells whose it is, so it may be anybody's.
    parts = (values if len(values) == count else [_lowest(values)] * count for values in (limits, remaining, resets))
    return [_Set(*told) for told in zip(*parts, strict=True)]


def _lowest(values: Sequence[str]) -> str | None:
    return min(values, key=lambda text: _number(text) or 0.0, default=None)


# "10-in-1sec"; q=10; w=1, or limit=10, remaining=7, reset=1, or 30;w=5
_FIELD_ITEM = re.compile(r'(?:"[^"]*"|[^",])+', re.ASCII)
_FIELD_PARAMETER = re.compile(r"(?:^|[;\s])([a-z]+)=([0-9.]+)", re.ASCII)


def _items(text: str | None) -> list[tuple[str, dict[str, str]]]:
    """Split a field into its items, each with its name and its numbers."""
    found = _FIELD_ITEM.findall(text or "")
    return [(item.partition(";")[0].strip(), dict(_FIELD_PARAMETER.findall(item))) for item in found]


def _draft_sets(headers: Mapping[str, str]) -> list[_Set]:
    """Read ``RateLimit`` of draft 7, or of later drafts with their policies."""
    text = ", ".join(_lines("RateLimit", headers))
    numbers = {name: value for _, parameters in _items(text) for name, value in parameters.items()}
    if "limit" in numbers:
        return [_Set(numbers["limit"], numbers.get("remaining"), numbers.get("reset"))]
    policies = dict(_items(", ".join(_lines("RateLimit-Policy", headers))))
    return [
        _Set(policies[name].get("q"), parameters.get("r"), parameters.get("t"), policies[name].get("w"))
        for name, parameters in _items(text)
        if name in policies
    ]


def _policy_window(limit: int | None, told: _Set, policy: str) -> float | None:
    """Find the window in the policy with this limit: ``10;w=1``, or the one named by the set itself."""
    window = told.window
    if window is None and limit is not None:
        windows = [
            parameters["w"]
            for name, parameters in _items(policy)
            if "w" in parameters and str(limit) in (name, parameters.get("q"))
        ]
        window = windows[0] if windows else None
    number = None if window is None else _number(window)
    return number if number is not None and 0 < number <= _MOST_SECONDS_AHEAD else None


def _is_from_cache(age: str | None) -> bool:
    return age is not None and (_number(age) or 0.0) > 0


def _count(name: str, text: str | None, unusable: list[str]) -> int | None:
    if text is None:
        return None
    number = _whole_number(text)
    if number is None:
        unusable.append(f"{name}: {text[:40]!r} is not a whole number from 0 up")
    return number


def _reset(name: str, text: str | None, date: float | None, unusable: list[str]) -> tuple[float | None, float]:
    """Give ``resets_in`` and ``rounded_by``."""
    if text is None:
        return None, 2.0
    number = _number(text)
    if number is not None and 0 <= number < _SECONDS_LEFT_BELOW:
        return _plausible(name, number, unusable), 1.0
    moment = _date(text) if number is None else _unix_seconds(number)
    if moment is None:
        unusable.append(f"{name}: {text[:40]!r} is neither seconds left, nor a Unix time, nor a date")
    elif date is None:
        unusable.append(f"{name}: a moment by the server's clock, and no Date header to compare it with")
    else:
        return _plausible(name, moment - date, unusable), 2.0 if moment.is_integer() else 1.0
    return None, 2.0


def _plausible(name: str, left: float, unusable: list[str]) -> float | None:
    """Give the seconds left, at least 0; None if no window and no handler explains them."""
    if -_MOST_SECONDS_BEFORE_DATE <= left <= _MOST_SECONDS_AHEAD:
        return max(0.0, left)
    where = "after" if left > 0 else "before"
    unusable.append(f"{name}: lies {abs(left):.0f} s {where} the response's own Date")
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


# Most answers repeat the text of the answer before. Parsing a date takes as long as checking a whole page's overlap.
@functools.lru_cache(maxsize=256)
def _number(text: str) -> float | None:
    text = text.strip()
    # float() alone would take "nan", "inf", "1_000" and the digits of every script.
    return float(text) if len(text) <= _MOST_DIGITS and _NUMBER.fullmatch(text) else None


def _whole_number(text: str) -> int | None:
    if text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS:
        # This is the usual case. ``remaining`` differs in each answer, so none is worth keeping.
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
