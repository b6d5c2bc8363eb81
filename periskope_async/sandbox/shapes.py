"""Short ways to write the JSON Schema of requests and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from periskope_async.sandbox.routes import Schema

__all__ = [
    "BOOL",
    "TEXT",
    "TEXTS",
    "TIME",
    "TIME_OR_NULL",
    "an_array",
    "an_object",
    "choice",
    "moment_in",
    "one_page",
    "page_query",
]

TEXT: Schema = {"type": "string"}
BOOL: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {**TIME, "type": ["string", "null"]}

_WORDS: dict[str, Schema] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "map": {"type": "object"},
    "list": {"type": "array", "items": {}},
    "texts": {"type": "array", "items": {"type": "string"}},
    "any": {},
}


def choice(*words: Any) -> Schema:
    """Ask for one of these values."""
    return {"enum": list(words)}


def an_array(items: Schema) -> Schema:
    """Ask for a list of such items."""
    return {"type": "array", "items": items}


def an_object(kinds: Mapping[str, str], *, maybe: str = "", others: Mapping[str, Schema] | None = None) -> Schema:
    """Ask for an object with exactly these keys, given by kind.

    ``an_object({"text": "id name", "text_or_null": "image"}, maybe="image")`` has three texts; ``image`` may be null
    or absent. ``others`` gives keys with a schema of their own.
    """
    properties: dict[str, Schema] = {}
    for kind, keys in kinds.items():
        schema = _WORDS[kind.removesuffix("_or_null")]
        if kind.endswith("_or_null"):
            schema = {**schema, "type": [schema["type"], "null"]}
        properties.update(dict.fromkeys(keys.split(), schema))
    properties.update(others or {})
    absent = set(maybe.split())
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in absent],
        "additionalProperties": False,
    }


def one_page(key: str, row: Schema, *, echoes_times: bool = False) -> Schema:
    """Ask for a page: from, to, count, the rows, and for some lists the requested times."""
    kinds = {"int": "from to count", "text_or_null": "start_time end_time" if echoes_times else ""}
    return an_object(kinds, others={key: an_array(row)})


def page_query(*, times: bool = False, **others: Schema) -> dict[str, Schema]:
    """Take the parameters of a paged list, and these others."""
    query: dict[str, Schema] = {
        "offset": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
        "limit": {"type": "integer", "minimum": 1, "maximum": 2_000},
    }
    if times:
        # An empty parameter is none, as everywhere in JavaScript.
        forms = ({"format": "date"}, {"format": "date-time"}, {"maxLength": 0})
        moment: Schema = {"anyOf": [{"type": "string", **form} for form in forms]}
        query |= {"start_time": moment, "end_time": moment}
    return {**query, **others}


def moment_in(text: str) -> float:
    """Give the Unix seconds of a checked time; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
