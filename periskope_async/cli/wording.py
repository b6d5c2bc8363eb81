"""The words of the command line: amounts of things, and options in place of the library's arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from periskope_async.errors import ConfigError
from periskope_async.wire.answer import PHONE_HINT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["amount", "in_options", "part_of", "refused_filter", "rows_of"]

_OPTIONS = {"start_time": "--since", "end_time": "--until", "max_items": "--max-items", "page_size": "--page-size"}


def in_options(error: Exception, arguments: Sequence[str] = (), *, phone: str = "add --phone NUMBER") -> str:
    """Give an error's text; arguments that it names become the options of the command line.

    ``phone`` says how the command takes one.
    """
    if not isinstance(error, ConfigError):
        return str(error).replace(PHONE_HINT, phone)
    options = {**_OPTIONS, "chat_id": "CHAT-ID", "base_url": "PERISKOPE_BASE_URL"}
    options |= {
        name: option
        for name, option in (("chat_id", "--chat-id"), ("base_url", "--base-url"))
        if any(argument.startswith(option) for argument in arguments)
    }
    return re.sub(rf"(?<![-\w])({'|'.join(options)})\b(?![=(])", lambda found: options[found[0]], str(error))


def refused_filter(name: str, option: str) -> ConfigError:
    """Make the error for an option that a list cannot heed."""
    return ConfigError(
        f"the list of {rows_of(name)} has no filter for --{option.replace('_', '-')}; leave it out", parameter=option
    )


def rows_of(name: str) -> str:
    """Give the word for many rows of a list."""
    return "knowledge base items" if name == "knowledge_base" else name.replace("_", " ")


def amount(number: int, many: str) -> str:
    """Say an amount: ``1 chat``, ``2,000 chats``."""
    if number != 1:
        return f"{number:,} {many}"
    return f"1 {many[:-3]}y" if many.endswith("ies") else f"1 {many.removesuffix('s')}"


def part_of(shown: int, total: int | None, many: str) -> str:
    """Say how many rows are shown, and of how many where that is known."""
    if total is not None and total > shown:
        return f"{shown:,} of {amount(total, many)}"
    return amount(shown, many)
