"""Times as the wire spells them, read into aware datetimes.

Met so far: ``2025-01-24T05:11:03+00:00`` with 0 to 6 and more digits of a fraction, ``…Z``, ``2024-05-13 11:19:34+00``
(webhooks), naive ``2025-11-05T16:30:53.671369`` (meaning UTC), a date alone, and epoch milliseconds as a number.
A field documented as a string is a :data:`Time`, read natively by msgspec. A field documented as a number, or both
ways, is a :data:`FlexTime`: it costs a call in Python and is null nearly always.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

__all__ = ["EPOCH", "EpochMs", "FlexTime", "Time", "from_epoch_ms", "in_zone", "read_time", "utc_texts"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime, documented as an ISO 8601 string; the offset stays as sent."""

EpochMs: TypeAlias = Annotated[int, msgspec.Meta(extra={"epoch_ms": True})]
"""Milliseconds since 1970, left as the number: a group's delivery map has thousands of them."""

# Seconds reach this in the year 5138, milliseconds passed it in 1973: no time of WhatsApp's is in doubt.
_MILLISECONDS_FROM = 1e11
_LONGEST = 100
_MICROSECONDS = ".000000Z"
_TEXT_LENGTH = len("2025-01-24T05:11:03.000000Z")

if TYPE_CHECKING:
    FlexTime: TypeAlias = datetime
else:

    class _LooksLikeDatetime(type):
        # msgspec asks isinstance() of a hook's result, and the hook gives datetimes.
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class FlexTime(metaclass=_LooksLikeDatetime):
        """An aware datetime, on the wire a string or a number (seconds or milliseconds)."""


def read_time(value: object) -> datetime:
    """Read any known spelling of a time on the wire. Raises ValueError for other values."""
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise ValueError("a text that long is no spelling of a time")
        if _is_number(value):
            return _from_number(float(value))
        # It reads every form that msgspec.convert reads, but for a lower-case z, in a fifth of the time.
        moment = datetime.fromisoformat(value.strip().upper())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value)
    raise ValueError(f"{type(value).__name__} is no spelling of a time")


def from_epoch_ms(milliseconds: float) -> datetime:
    """Turn epoch milliseconds into an aware UTC datetime. Raises ValueError outside the years 1 to 9999."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError as error:
        raise ValueError(f"{milliseconds} ms since 1970 is outside the calendar") from error


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime | None:
    """Give an aware time in another zone (None: that of this machine); None outside the years 1 to 9999 there."""
    if zone is not None and moment.tzinfo is zone:
        return moment
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        return None


def utc_texts(moments: Sequence[datetime | None]) -> list[str | None]:
    """Write aware times in UTC, all in one length, so that they sort; None for None, and for no time of UTC."""
    # isoformat() takes several times as long.
    encoded = msgspec.json.encode([moment and in_zone(moment, UTC) for moment in moments])
    texts = msgspec.json.decode(encoded, type=list[str | None])
    # Whole seconds come without a fraction.
    return [text[:-1] + _MICROSECONDS if text and len(text) < _TEXT_LENGTH else text for text in texts]


def _is_number(text: str) -> bool:
    return text.isascii() and text.lstrip("-").replace(".", "", 1).isdigit()


def _from_number(number: float) -> datetime:
    return from_epoch_ms(number if abs(number) >= _MILLISECONDS_FROM else number * 1000)
