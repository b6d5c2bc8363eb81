"""Text and numbers as people type and paste them, before any check (pure)."""

from __future__ import annotations

import re

__all__ = ["duckdb_fault", "is_number", "is_whole", "numpy_hint", "pasted"]

# Soft hyphens, joiners, byte order marks and marks of direction: phone books and web pages copy them along.
_INVISIBLE = r"[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]+"


def pasted(text: str) -> str:
    """Give a text of digits or ASCII letters without the invisible characters pasted with it."""
    return re.sub(_INVISIBLE, "", text).strip()


def duckdb_fault(path: str) -> str:
    """Say why DuckDB can open no file at a path; empty if it can."""
    # It takes what follows a "?" for options, and nothing but UTF-8. Python keeps other bytes as halves of characters.
    if re.search("[?\ud800-\udfff]", path):
        return "DuckDB takes no path with a '?' in it, or with bytes that are no text in this locale"
    return ""


def is_number(value: object) -> bool:
    """Whether a setting is a number. Python counts True and False too, but nobody means them as numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object, *, least: int) -> bool:
    """Whether a setting is a whole number from ``least`` up, likewise."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def numpy_hint(value: object) -> str:
    """Say what to do with a value of a NumPy array, which looks like Python's own; nothing for any other."""
    kind = type(value)
    plain = next((plain for plain in ("bool", "int", "float") if plain in kind.__name__), None)
    if kind.__module__ != "numpy" or plain is None:
        return ""
    return f" (it is a {kind.__name__} of NumPy: give {plain}(…))"
