"""Scheduled messages, sent once or again and again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

from periskope_async.client.base import BaseClient
from periskope_async.client.content import written_content
from periskope_async.client.lists import OCCURRENCES, SCHEDULED_MESSAGES
from periskope_async.decoding.objects import one_of
from periskope_async.errors import ConfigError
from periskope_async.models.scheduled import ScheduledMessage
from periskope_async.typed import is_whole, numpy_hint
from periskope_async.wire import inputs
from periskope_async.wire.chats import normal_chat_id
from periskope_async.wire.inputs import Moment  # noqa: TC001 - help() reads it
from periskope_async.wire.request import encoded

if TYPE_CHECKING:
    from typing import Unpack

    from periskope_async.client.base import WalkParams
    from periskope_async.media import Media
    from periskope_async.models.page import ListPage
    from periskope_async.models.scheduled import Occurrence
    from periskope_async.paging.pager import Pager
    from periskope_async.wire.listing import ListQuery

__all__ = ["Repeat", "ScheduledMethods"]

Interval: TypeAlias = Literal["day", "week", "month"]
_INTERVALS: tuple[Interval, ...] = get_args(Interval)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Repeat(Struct, frozen=True, kw_only=True):
    """How often to send: ``Repeat(interval="week", every=2, days=["monday"], ends="2026-12-31")``."""

    interval: Interval
    every: int = 1
    """Every how many intervals."""
    days: list[str] = []
    """Names of weekdays, for weeks."""
    ends: Moment | None = None
    """A bare date means its whole day, in ``timezone``, or else in UTC."""
    timezone: str | ZoneInfo | None = None
    """Such as ``Asia/Kolkata``. With it, the times must say their zone too: a naive one would be UTC."""

    def to_wire(self) -> dict[str, Any]:
        """Give the ``repeat_config`` of a body. Raises ConfigError."""
        if self.interval not in _INTERVALS:
            raise ConfigError(f"interval is {self.interval!r:.100}; it takes 'day', 'week' or 'month'")
        if not is_whole(self.every, least=1):
            raise ConfigError(f"every is {self.every!r:.100}; it is a whole number from 1 up{numpy_hint(self.every)}")
        days = [day.lower() for day in inputs.texts("days", self.days, least=0)]
        if strange := set(days) - set(_DAYS):
            raise ConfigError(f"days holds {min(strange)!r:.100}; it takes {', '.join(_DAYS)}")
        name = None if self.timezone is None else _zone_name(self.timezone)
        zone = None if name is None else _zone(name)
        if name is not None and self.ends is not None:
            ends = inputs.moment("ends", self.ends)
            _refuse_naive("ends", ends, name)
            if zone is None and not isinstance(ends, datetime):
                raise ConfigError(
                    f"ends {ends} is a whole day in {name}, and this machine knows no time zones: "
                    "pip install tzdata, or give a time with its zone, such as 2027-01-04T23:59:59+05:30",
                    parameter="ends",
                )
        values = {
            "repeat_interval": self.interval,
            "repeat_value": self.every,
            "repeat_days": days or None,
            "repeat_ends": None if self.ends is None else inputs.end_point("ends", self.ends, zone or UTC),
            "timezone": name,
        }
        return {name: value for name, value in values.items() if value is not None}


class ScheduledMethods(BaseClient):
    """The client's methods for scheduled messages (https://docs.periskope.app/api-reference/scheduled-messages).

    The documents show the server's answers, and of its input only ``chat_id`` and ``scheduled_at``. The other names
    sent here are those of the answers: look at the answer. Writes wait for the limit and raise ConfigError,
    NotFoundError, ValidationError, other APIErrors, TransportError if nothing was sent, and OutcomeUnknown.
    """

    def iter_scheduled_messages(
        self, *, phone: str | None = None, **walk: Unpack[WalkParams]
    ) -> Pager[ScheduledMessage]:
        """Walk over all scheduled messages. Their order is not documented.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(SCHEDULED_MESSAGES.query(phone=self._phone(phone)), **walk)

    async def list_scheduled_messages(
        self, *, offset: int = 0, limit: int = 1000, phone: str | None = None
    ) -> ListPage[ScheduledMessage]:
        """Read one page of scheduled messages. Raises as :meth:`list_chats` does."""
        return await self._page(SCHEDULED_MESSAGES.query(phone=self._phone(phone)), offset=offset, limit=limit)

    async def get_scheduled_message(self, scheduled_id: str) -> ScheduledMessage:
        """Read one scheduled message. Raises NotFoundError if there is none."""
        return await self._read(_target(scheduled_id), one_of(ScheduledMessage))

    def iter_occurrences(self, scheduled_id: str, **walk: Unpack[WalkParams]) -> Pager[Occurrence]:
        """Walk over the occurrences of a scheduled message, newest first; also of a deleted one.

        Options and raised errors are as in :meth:`iter_chats`.
        """
        return self._walk(_occurrences(scheduled_id), **walk)

    async def list_occurrences(self, scheduled_id: str, *, offset: int = 0, limit: int = 1000) -> ListPage[Occurrence]:
        """Read one page of the list of :meth:`iter_occurrences`. Raises as :meth:`list_chats` does."""
        return await self._page(_occurrences(scheduled_id), offset=offset, limit=limit)

    async def schedule_message(
        self,
        chat_id: str,
        message: str | None = None,
        *,
        scheduled_at: Moment,
        media: Media | None = None,
        repeat: Repeat | None = None,
        phone: str | None = None,
    ) -> ScheduledMessage:
        """Schedule a message for a time, and again by ``repeat``; get the scheduled message.

        A naive ``scheduled_at`` is UTC, and a bare date its beginning; both are refused beside ``repeat.timezone``.
        ``repeat.ends`` may not lie before it.
        """
        at = inputs.point("scheduled_at", scheduled_at)
        rest = {"chat_id": normal_chat_id(chat_id), "scheduled_at": at, **_repeated(repeat, scheduled_at)}
        body = await written_content(rest, message=message, media=media)
        return await self._write(
            "POST",
            "/message/scheduled",
            one_of(ScheduledMessage),
            body=body,
            phone=self._phone(phone),
            look_at="iter_scheduled_messages",
        )

    async def update_scheduled_message(
        self,
        scheduled_id: str,
        *,
        message: str | None = None,
        media: Media | None = None,
        scheduled_at: Moment | None = None,
        repeat: Repeat | None = None,
        is_paused: bool | None = None,
        skip_next: bool | None = None,
    ) -> ScheduledMessage:
        """Change a scheduled message, and get it as it is now. None keeps a value. A finished one cannot change.

        The rules for times are those of :meth:`schedule_message`.
        ``is_paused`` is a name of our own guess, as no document shows how to pause: look at ``paused_at``.
        """
        inputs.at_least_one(
            message=message,
            media=media,
            scheduled_at=scheduled_at,
            repeat=repeat,
            is_paused=is_paused,
            skip_next=skip_next,
        )
        rest = {
            "scheduled_at": inputs.optional_point("scheduled_at", scheduled_at),
            "is_paused": inputs.optional_flag("is_paused", is_paused),
            "skip_next": inputs.optional_flag("skip_next", skip_next),
            **_repeated(repeat, scheduled_at),
        }
        body = await written_content(rest, message=message, media=media, may_be_empty=True)
        return await self._write(
            "PATCH", _target(scheduled_id), one_of(ScheduledMessage), body=body, look_at="get_scheduled_message"
        )

    async def delete_scheduled_message(self, scheduled_id: str) -> None:
        """Delete a scheduled message; its history stays readable by :meth:`iter_occurrences`."""
        await self._do("DELETE", _target(scheduled_id), look_at="get_scheduled_message")


def _target(scheduled_id: str) -> str:
    return f"/message/scheduled/{encoded(inputs.path_id('scheduled_id', scheduled_id))}"


def _occurrences(scheduled_id: str) -> ListQuery[Occurrence]:
    return OCCURRENCES.query(ids={"scheduled_id": inputs.path_id("scheduled_id", scheduled_id)})


def _repeated(repeat: Repeat | None, scheduled_at: Moment | None) -> dict[str, Any]:
    if repeat is None:
        return {}
    inputs.instance("repeat", repeat, Repeat, 'make one with Repeat(interval="week")')
    config = repeat.to_wire()
    if scheduled_at is not None:
        _check_start(scheduled_at, config.get("repeat_ends"), config.get("timezone"))
    return {"is_repeat": True, "repeat_config": config}


def _check_start(scheduled_at: Moment, ends: str | None, timezone: str | None) -> None:
    if timezone is not None:
        given = inputs.moment("scheduled_at", scheduled_at)
        _refuse_naive("scheduled_at", given, timezone, may_be_date=False)
    at = inputs.point("scheduled_at", scheduled_at)
    if ends is not None and datetime.fromisoformat(ends) < datetime.fromisoformat(at):
        raise ConfigError(f"ends {ends} lies before scheduled_at {at}", parameter="ends")


def _refuse_naive(name: str, given: date, timezone: str, *, may_be_date: bool = True) -> None:
    """Refuse a time without a zone: it would be read as UTC, and hardly be meant so beside another zone."""
    has_zone = given.tzinfo is not None if isinstance(given, datetime) else may_be_date
    if not has_zone:
        raise ConfigError(
            f"{name} {given} says no zone, and repeat.timezone is {timezone}; give a time with its zone, "
            "such as 2027-01-04T09:00:00+05:30 or datetime(…, tzinfo=ZoneInfo(…))",
            parameter=name,
        )


def _zone_name(timezone: str | ZoneInfo) -> str:
    return inputs.text("timezone", timezone.key if isinstance(timezone, ZoneInfo) else timezone)


def _zone(name: str) -> ZoneInfo | None:
    """Look a zone up; None if this machine knows no zones at all. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    # The name of a folder is an OSError, "../x" a ValueError.
    except (KeyError, ValueError, OSError):
        if available_timezones():
            raise ConfigError(
                f"timezone {name!r:.100} is no time zone; give its name, such as Asia/Kolkata", parameter="timezone"
            ) from None
    return None
