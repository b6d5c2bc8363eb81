"""Arguments of writes: what is taken, and how it is written."""

from __future__ import annotations

from enum import Enum

from periskope_async.wire import inputs


class Word(str, Enum):  # noqa: UP042 - a StrEnum is written as its value anyway
    OPEN = "open"


class Number(int, Enum):
    HIGH = 3


def test_a_member_of_an_enum_is_written_as_its_value() -> None:
    """In a URL, or by ``str``, it would be its name: ``Word.OPEN``."""
    assert str(inputs.one_of("status", Word.OPEN, ("open", "closed"))) == "open"
    assert str(inputs.text("event", Word.OPEN)) == "open"
    assert str(inputs.priority(Number.HIGH, most=4)) == "3"
