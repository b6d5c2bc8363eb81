"""What to do where the server wants to know of which phone a list is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from periskope_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["hinting_at_phones"]


@contextmanager
def hinting_at_phones() -> Generator[None]:
    """Add a hint to the server's refusal of a list that has to be asked for phone by phone."""
    try:
        yield
    except ValidationError as error:
        if any(name.lower() == "x-phone" for name in error.fields):
            error.add_note("this list is kept phone by phone: add --phone NUMBER, or --all-phones")
        raise
