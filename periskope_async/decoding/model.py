"""A model from JSON that a program has kept (pure)."""

import inspect
from typing import TypeVar

from periskope_async.decoding.repair import Unreadable, read_part
from periskope_async.errors import ConfigError, DecodeError
from periskope_async.models.part import Part

__all__ = ["decode"]

P = TypeVar("P", bound=Part)

_SHOWN = 200


def decode(data: bytes | str, *, type: type[P]) -> P:  # noqa: A002 - as in msgspec.json.decode
    """Read a model from JSON, as answers are read: ``decode(row, type=Chat)``.

    Takes a row of :meth:`Pager.raw`, a line of a ``.jsonl`` export, and what ``msgspec.json.encode`` made of a model;
    of the latter all but ``undecoded``. Raises DecodeError if it is no JSON object, or has lost its identity, and
    ConfigError if ``data`` is no text, or ``type`` no model of :mod:`periskope_async.models`.
    """
    is_model = inspect.isclass(type) and issubclass(type, Part)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
    if not is_model:
        raise ConfigError(f"type is {type!r:.100}; give a model, such as Chat", parameter="type")
    if not isinstance(data, bytes | bytearray | memoryview | str):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
        raise ConfigError(f"data is a {data.__class__.__name__}; give the JSON as bytes or str", parameter="data")
    # Half a character becomes U+FFFD, as in an answer.
    text = data.encode(errors="surrogatepass") if isinstance(data, str) else bytes(data)
    try:
        return read_part(type, text, "$")
    except Unreadable as error:
        raise DecodeError(
            f"a {type.__name__} cannot be read: {error}",
            path=error.path,
            body_start=text[:_SHOWN].decode(errors="replace"),
        ) from None
