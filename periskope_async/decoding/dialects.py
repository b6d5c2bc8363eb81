"""Reads single values in the sources' spellings, as far as unknown to msgspec.

An unreadable value raises ValueError, or msgspec's ValidationError if msgspec has the last word.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from periskope_async.models.times import EPOCH, FlexTime, read_time

__all__ = ["SCALARS", "load_json", "read_comma_separated", "read_epoch_ms"]

# True and false as written by PostgreSQL and people, beyond msgspec's own spellings ("true", "FALSE", "1", 0).
_BOOLS = {"t": True, "yes": True, "y": True, "on": True, "f": False, "no": False, "n": False, "off": False}


_NAME = re.compile(r"[^,]+")


def load_json(text: str | bytes) -> Any:
    """Read JSON as the standard library does: it takes numbers too large for msgspec."""
    return json.loads(text, parse_int=_read_digits)


def read_comma_separated(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(name for found in _NAME.finditer(text) if (name := found[0].strip()))


def read_epoch_ms(value: object) -> int:
    """Read any spelling of a time into epoch milliseconds."""
    return round((read_time(value) - EPOCH).total_seconds() * 1000)


def _read_bool(value: object) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        return _BOOLS[word] if word in _BOOLS else msgspec.convert(word, bool, strict=False)
    if isinstance(value, float) and value in {0.0, 1.0}:
        return bool(value)
    raise ValueError(f"{type(value).__name__} is neither true nor false")


def _read_int(value: object) -> int:
    return msgspec.convert(_plain_number(value), int, strict=False)


def _read_float(value: object) -> float:
    return msgspec.convert(_plain_number(value), float, strict=False)


def _plain_number(value: object) -> str:
    if isinstance(value, str):
        return value.strip().removeprefix("+")
    raise ValueError(f"{type(value).__name__} is no number")


def _read_digits(digits: str) -> int | str:
    # Python refuses integers of more than 4,300 digits; such a long one is kept as its text.
    try:
        return int(digits)
    except ValueError:
        return digits


SCALARS: dict[object, Callable[[object], object]] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    datetime: read_time,
    FlexTime: read_time,
}
"""The reader of each field type's dialects."""
