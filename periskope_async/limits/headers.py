"""The rate limit in a response's headers, read in differences (pure).

The server writes the set of Express's ``express-rate-limit``: ``X-RateLimit-Limit``, ``-Remaining``, and ``-Reset`` as
Unix seconds rounded **up**, beside a ``Date`` rounded **down**
(https://docs.periskope.app/api-reference/chat/list-all-chats shows both recorded answers). A moment by the server's
clock means nothing by ours. So every time is the difference of two of the server's own numbers. No clock of this
machine is ever asked.

Gateways in between rewrite these headers. We read each in every dialect found in the wild (seconds left, Unix seconds
or milliseconds, HTTP or ISO date, fractions), ``Retry-After`` too. A doubtful one reads as None and is named in
:attr:`LimitHeaders.unusable`: it must never widen or narrow a budget.

The ``RateLimit`` fields of the IETF's drafts are read too
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/): three fields as above in draft 6, and
``RateLimit`` with ``RateLimit-Policy`` in draft 7 and in the structured form since draft 8. A policy names the window's
length, rounded up.

Several parties may have written headers, each its own or all the same. The set with the lowest limit counts. Of sets
with one limit the lowest remaining, the latest reset and the longest window count. The longest ``Retry-After`` counts.
A wider limit counts while it is spent. ``@nestjs/throttler`` and Kong end each set's names with the name of its limit:
``X-RateLimit-Limit-short``, ``Retry-After-short``.
"""

from __future__ import annotations

import functools
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MOST_RETRY_AFTER_SECONDS", "LimitHeaders", "parse_limit_headers"]

MOST_RETRY_AFTER_SECONDS = 7 * 86_400
"""A server that asks for a longer wait has a fault: it would shut a key out for years."""

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
    """Seconds to stay away, from ``Retry-After``: at most seven days."""
    server_time: float | None = None
    """The ``Date`` header in Unix seconds: to be compared with other times of the same server, never with ours."""
    wider_spent_for: float = 0.0
    """Seconds until a wider limit than this one, spent by now, allows more; 0 if none is spent."""
    is_cached: bool = False
    """Whether a cache says that it has answered (``Age``). The numbers are those of an earlier answer then."""
    unusable: tuple[str, ...] = ()
    """Each unusable value and why, one readable line each."""

    def __bool__(self) -> bool:
        """Whether the response said how the budget stands."""
        return self.limit is not None and self.remaining is not None

    @property
    def is_spent(self) -> bool:
        """Whether the limit is used up. If not, another limit, behind or before this one, is behind a refusal."""
        return self.limit is not None and self.remaining == 0


# The texts of a limit, its remaining and its reset, each as often as it is there.
_Columns: TypeAlias = "tuple[list[str], list[str], list[str]]"
# The seconds to a window's end, and how much longer than the truth they may be.
_Reset: TypeAlias = "tuple[float | None, float]"
_NO_RESET: _Reset = (None, 2.0)


class _Set(Struct, frozen=True):
    """One party's limit."""

    name: str = ""
    limit: int | None = None
    remaining: int | None = None
    reset: _Reset = _NO_RESET
    is_own: bool = True
    """Whether ``remaining`` is surely of this limit."""


class _Item(NamedTuple):
    """One item of a draft's field; a parameter may be there several times."""

    name: str
    parameters: list[tuple[str, str]]


def parse_limit_headers(headers: Mapping[str, str]) -> LimitHeaders:
    """Read the limit's headers from a case-insensitive mapping. It may hold several of one name. Never raises."""
    unusable: list[str] = []
    date = _server_date(headers.get("Date"))
    sets = _sets("X-RateLimit", _plain_columns("X-RateLimit", headers), date, unusable)
    suffixes = _suffixes(headers)
    sets += [each for suffix in suffixes for each in _named_sets(headers, suffix, date)]
    policies: list[_Item] = []
    if "RateLimit-Policy" in headers or "RateLimit" in headers or "RateLimit-Limit" in headers:
        policies = _items("RateLimit-Policy", headers)
        for columns in (_plain_columns("RateLimit", headers), *_draft_columns(_items("RateLimit", headers), policies)):
            sets += _sets("RateLimit", columns, date, unusable)
    told = sets[0] if len(sets) == 1 else _tightest(sets)
    limit, remaining, (resets_in, rounded_by) = told.limit, told.remaining, told.reset
    if limit is not None and remaining is not None and remaining > limit:
        unusable.append(f"{told.name}-Remaining: {remaining} is above the limit of {limit}")
        limit = remaining = None
    return LimitHeaders(
        limit=limit,
        remaining=remaining,
        resets_in=resets_in,
        rounded_by=rounded_by,
        window=_policy_window(told.limit, policies) if policies else None,
        retry_after=_longest_wait(headers, suffixes, date, unusable) if suffixes or "Retry-After" in headers else None,
        server_time=date,
        wider_spent_for=_wider_spent_for(told, sets) if len(sets) > 1 else 0.0,
        is_cached=_is_from_cache(headers.get("Age")),
        unusable=tuple(unusable),
    )


def _tightest(sets: list[_Set]) -> _Set:
    """Give the set with the lowest limit. An unreadable limit counts for nothing beside another."""
    if not sets:
        return _Set()
    limit = _lowest([each.limit for each in sets])
    same = [each for each in sets if each.limit == limit]
    return _Set(same[0].name, limit, _lowest([each.remaining for each in same]), _latest([each.reset for each in same]))


def _wider_spent_for(told: _Set, sets: list[_Set]) -> float:
    lowest = told.limit or math.inf
    return max(
        (each.reset[0] or 0.0 for each in sets if (each.limit or 0) > lowest and each.remaining == 0 and each.is_own),
        default=0.0,
    )


def _lowest(numbers: list[int | None]) -> int | None:
    return min((number for number in numbers if number is not None), default=None)


def _latest(resets: list[_Reset]) -> _Reset:
    """Give the latest reset; of equal ones the one rounded less, which says more."""
    known = [(resets_in, -rounded_by) for resets_in, rounded_by in resets if resets_in is not None]
    if not known:
        return _NO_RESET
    resets_in, rounded_by = max(known)
    return resets_in, -rounded_by


def _sets(name: str, columns: _Columns, date: float | None, unusable: list[str]) -> list[_Set]:
    """Read the first of each column as one set, the second of each as another, and so on."""
    if len(columns[0]) == len(columns[1]) == len(columns[2]) == 1:
        # Nearly every answer has just one set, so this way is a fast one.
        (limit,), (left,), (reset,) = columns
        return [
            _Set(
                name,
                _limit(f"{name}-Limit", limit, unusable),
                _count(f"{name}-Remaining", left, unusable),
                _reset(f"{name}-Reset", reset, date, unusable),
            )
        ]
    if not any(columns):
        return []
    limits = [_limit(f"{name}-Limit", text, unusable) for text in columns[0]] or [None]
    remaining = [_count(f"{name}-Remaining", text, unusable) for text in columns[1]]
    resets = [_reset(f"{name}-Reset", text, date, unusable) for text in columns[2]]
    # A part may be there more or less often. Nothing tells whose it is, so it may be anybody's.
    if not (is_own := len(remaining) == len(limits)):
        remaining = [_lowest(remaining)] * len(limits)
    if len(resets) != len(limits):
        resets = [_latest(resets)] * len(limits)
    return [_Set(name, *each, is_own) for each in zip(limits, remaining, resets, strict=True)]


# Azure's Retry-After-ms is in milliseconds, beside a Retry-After.
_NAMED = re.compile(r"(?m)^(?:x-ratelimit-limit|retry-after)(-(?!ms$).+)$")


def _suffixes(headers: Mapping[str, str]) -> list[str]:
    """Give what follows the usual names where limits have names of their own."""
    names = "\n".join(headers).lower()
    # Nearly every answer has none, and a search for texts is a fast one.
    if "x-ratelimit-limit-" not in names and "retry-after-" not in names:
        return []
    return list(dict.fromkeys(_NAMED.findall(names)))


def _named_sets(headers: Mapping[str, str], suffix: str, date: float | None) -> list[_Set]:
    """Read the sets of one suffix. ``X-RateLimit-Limit-Window: 60`` is none: nothing says what remains."""
    found = _sets("X-RateLimit", _plain_columns("X-RateLimit", headers, suffix), date, [])
    return [each for each in found if each.limit is not None and each.remaining is not None]


def _plain_columns(name: str, headers: Mapping[str, str], suffix: str = "") -> _Columns:
    limit, remaining, reset = (_values(f"{name}-{part}{suffix}", headers) for part in ("Limit", "Remaining", "Reset"))
    return limit, remaining, reset


# The comma inside "Fri, 24 Jan 2025 05:50:34 GMT" or "Friday, 24-Jan-25 05:50:34 GMT" parts no values.
_COMMA = r"(?a),(?!\s*[0-9]{1,2}[ -][A-Za-z]{3})"


def _values(name: str, headers: Mapping[str, str]) -> list[str]:
    """Give all values of a header: of several lines, or of one line joined by a gateway with commas."""
    lines = _lines(name, headers)
    if len(lines) == 1 and "," not in lines[0]:
        return lines
    return [value for line in lines for value in _split(line)]


def _split(line: str) -> list[str]:
    values = re.split(_COMMA, line)
    # "100, 100;w=60": draft 6 appends the policies to the limit. They are no limits of others.
    return [value for value in values if ";" not in value] or values


def _lines(name: str, headers: Mapping[str, str]) -> list[str]:
    getall = getattr(headers, "getall", None)
    if getall is not None:
        return list(getall(name, ()))
    return [headers[name]] if name in headers else []


# "10-in-1sec"; q=10; w=1, or limit=10, remaining=7, reset=1, or 30;w=5. An open quote reaches to the field's end.
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_FIELD_ITEM = rf'((?:{_QUOTED}|[^",;])+)((?:{_QUOTED}|[^",])*)'
_FIELD_PARAMETER = r"(?a)(?:^|[;\s])([a-z]+)=([0-9.]+)"


def _items(field: str, headers: Mapping[str, str]) -> list[_Item]:
    """Split a draft's field into its items, each with its name and its numbers. Words in quotes are no numbers."""
    return [
        _Item(name.strip(), re.findall(_FIELD_PARAMETER, re.sub(_QUOTED, "", name + parameters)))
        for name, parameters in re.findall(_FIELD_ITEM, ", ".join(_lines(field, headers)))
    ]


def _parameters(name: str, items: list[_Item]) -> list[str]:
    return [value for item in items for parameter, value in item.parameters if parameter == name]


def _draft_columns(items: list[_Item], policies: list[_Item]) -> Iterator[_Columns]:
    """Read ``RateLimit`` of draft 7, and of later drafts: there, each name has its policy."""
    yield _parameters("limit", items), _parameters("remaining", items), _parameters("reset", items)
    items_of = _by_name(items)
    for name, named in _by_name(policies).items():
        if name in items_of:
            yield _parameters("q", named), _parameters("r", items_of[name]), _parameters("t", items_of[name])


def _by_name(items: list[_Item]) -> dict[str, list[_Item]]:
    """Group items by name: two parties may have chosen the same."""
    groups: dict[str, list[_Item]] = {}
    for item in items:
        groups.setdefault(item.name, []).append(item)
    return groups


def _policy_window(limit: int | None, policies: list[_Item]) -> float | None:
    """Find the longest window in the policies with this limit: ``10;w=1``, or ``"name";q=10;w=1``."""
    if limit is None:
        return None
    same = [policy for policy in policies if limit in map(_number, (policy.name, *_parameters("q", [policy])))]
    longest = max((_number(window) or 0.0 for window in _parameters("w", same)), default=0.0)
    return longest if 0 < longest <= _MOST_SECONDS_AHEAD else None


def _longest_wait(
    headers: Mapping[str, str], suffixes: list[str], date: float | None, unusable: list[str]
) -> float | None:
    texts = [text for suffix in ("", *suffixes) for text in _values(f"Retry-After{suffix}", headers)]
    waits = [_retry_after(text, date, unusable) for text in texts]
    return max((wait for wait in waits if wait is not None), default=None)


def _is_from_cache(age: str | None) -> bool:
    return age is not None and (_number(age) or 0.0) > 0


def _limit(name: str, text: str, unusable: list[str]) -> int | None:
    limit = _count(name, text, unusable)
    if limit == 0:
        unusable.append(f"{name}: 0 allows nothing, though the request was answered")
        return None
    return limit


def _count(name: str, text: str, unusable: list[str]) -> int | None:
    number = _whole_number(text)
    if number is None:
        unusable.append(f"{name}: {text[:40]!r} is not a whole number from 0 up")
    return number


def _reset(name: str, text: str, date: float | None, unusable: list[str]) -> _Reset:
    left, rounded_by = _seconds_left(name, text, date, unusable)
    return _plausible(name, left, unusable, most=_MOST_SECONDS_AHEAD), rounded_by


def _retry_after(text: str, date: float | None, unusable: list[str]) -> float | None:
    left, _ = _seconds_left("Retry-After", text, date, unusable)
    return _plausible("Retry-After", left, unusable, most=MOST_RETRY_AFTER_SECONDS)


def _seconds_left(name: str, text: str, date: float | None, unusable: list[str]) -> _Reset:
    """Give the seconds from ``Date`` to a moment in any dialect; below 0 if it is over."""
    number = _number(text)
    if number is not None and 0 <= number < _SECONDS_LEFT_BELOW:
        return number, 1.0
    moment = _date(text) if number is None else _unix_seconds(number)
    if moment is None:
        unusable.append(f"{name}: {text[:40]!r} is neither seconds left, nor a Unix time, nor a date")
    elif date is None:
        unusable.append(f"{name}: a moment by the server's clock, and no Date header to compare it with")
    else:
        return moment - date, 2.0 if moment.is_integer() else 1.0
    return _NO_RESET


def _plausible(name: str, left: float | None, unusable: list[str], *, most: float) -> float | None:
    """Give the seconds left, at least 0; None if no window and no handler explains them."""
    if left is None or -_MOST_SECONDS_BEFORE_DATE <= left <= most:
        return None if left is None else max(0.0, left)
    where = "after" if left > 0 else "before"
    unusable.append(f"{name}: lies {abs(left):.0f} s {where} the response's own Date")
    return None


def _unix_seconds(number: float) -> float | None:
    if number >= _UNIX_MILLISECONDS_FROM:
        return number / 1000
    return number if number >= _UNIX_SECONDS_FROM else None


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
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
        # The last microsecond that there is may be rounded to one that there is not.
        datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return None
    return seconds
