"""The table of endpoints: the parameters, the answer and the function of each.

A route describes its parameters and its body as JSON Schema. The same schemas check requests and make the OpenAPI
text, so the two cannot part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "ActedBy",
    "Body",
    "Call",
    "Later",
    "Refused",
    "Route",
    "Router",
    "Schema",
    "check_query",
    "problem",
    "read_body",
]

Schema = dict[str, Any]
PhoneRule = Literal["needed", "optional", "unread"]
"""Whether ``x-phone`` is required, optional, or ignored."""


class Refused(Exception):  # noqa: N818 - it never leaves the sandbox; it is an answer
    """An endpoint refuses: the status, its message, and the wrong fields with a message each."""

    def __init__(self, status: int, message: str, fields: Mapping[str, Mapping[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Call:
    """A request as an endpoint sees it: its parts, the number of its phone if it named one, the time of the server."""

    query: Mapping[str, Sequence[str]]
    path: Mapping[str, str]
    body: Mapping[str, Any]
    phone: int | None
    now: float

    def only(self, *names: str) -> dict[str, Any]:
        """Give the body's values for these keys, without missing ones."""
        return {name: self.body[name] for name in names if name in self.body}

    def text(self, name: str) -> str | None:
        """Give a parameter of the query; several values are joined like a JavaScript array."""
        return ",".join(self.query.get(name, ())) or None


@dataclass(frozen=True, slots=True)
class Later:
    """A pending answer of an endpoint: ``ready(now)`` gives it once it is there, and None before."""

    ready: Callable[[float], object]


@dataclass(frozen=True, slots=True)
class ActedBy:
    """An answer of an endpoint, and the phone that it has picked."""

    phone: int
    value: object


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object: the schema of each key, the required keys, and the keys with at least one required."""

    keys: Mapping[str, Schema]
    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The whole body as JSON Schema. Unknown keys pass, as in Express."""
        schema: Schema = {"type": "object", "properties": dict(self.keys)}
        if self.needed:
            schema["required"] = list(self.needed)
        if self.one_of:
            schema["anyOf"] = [{"required": [name]} for name in self.one_of]
        return schema


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``gives`` is the schema of its answer, None for an empty one.

    ``newest`` endpoints refuse in the newest envelope: no ``name``, and dotted fields like ``body.chat_id``.
    """

    method: str
    path: str
    work: Callable[[Call], object]
    gives: Schema | None = None
    phone: PhoneRule = "unread"
    query: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    body: Body | None = None
    status: int = 200
    newest: bool = False


class Router:
    """Finds the route of a request as Express does: without regard to case or to a slash at the end."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        # Plain segments go before `{name}` ones, so that /chats/messages is no chat.
        ordered = sorted(routes, key=lambda route: [part.startswith("{") for part in route.path.split("/")])
        self._by_length: dict[int, list[tuple[list[str], Route]]] = {}
        for route in ordered:
            parts = route.path.split("/")[1:]
            self._by_length.setdefault(len(parts), []).append((parts, route))

    def find(self, path: str) -> dict[str, tuple[Route, dict[str, str]]]:
        """Give the routes of a path by method, each with the still escaped values of its ``{name}`` segments."""
        parts = path.rstrip("/").split("/")[1:]
        found: dict[str, tuple[Route, dict[str, str]]] = {}
        for pattern, route in self._by_length.get(len(parts), ()):
            values: dict[str, str] = {}
            for wanted, part in zip(pattern, parts, strict=True):
                if wanted.startswith("{") and part:
                    values[wanted[1:-1]] = part
                elif wanted != part.lower():
                    break
            else:
                found.setdefault(route.method, (route, values))
        return found


def check_query(route: Route, call: Call) -> None:
    """Check enums and required parameters; numbers and times are read at their use. Raises :class:`Refused`."""
    for name, schema in route.query.items():
        text = call.text(name)
        message = f"{name} is missing" if text is None and schema.get("required") else None
        if name in call.query and "enum" in schema and text not in schema["enum"]:
            message = f"{name} should be one of {', '.join(schema['enum'])}"
        if message:
            raise Refused(422, message, {name: {"message": message, **({} if text is None else {"value": text})}})


def read_body(body: Body, sent: object, *, newest: bool) -> Mapping[str, Any]:
    """Check a decoded body. Raises :class:`Refused` with the documented 422."""
    prefix = "body." if newest else ""
    if not isinstance(sent, dict):
        raise Refused(422, "Invalid body. It should be an object", {"body": {"message": "body should be an object"}})
    given = cast("dict[str, Any]", sent)
    missing = [name for name in body.needed if given.get(name) is None]
    none_of = body.one_of if not any(name in given for name in body.one_of) else ()
    if missing or none_of:
        headline = (
            f"Invalid body. All of the following keys are required: {', '.join(body.needed)}"
            if missing
            else f"Invalid body. At least one of the following keys are required: {', '.join(body.one_of)}"
        )
        fields = {f"{prefix}{name}": {"message": f"{name} is missing"} for name in missing or none_of}
        raise Refused(422, "Request validation failed" if newest else headline, fields)
    wrong = {
        f"{prefix}{name}": {"message": f"{name} should be {complaint}", "value": str(given[name])[:200]}
        for name, schema in body.keys.items()
        if name in given and (complaint := problem(given[name], schema))
    }
    if wrong:
        first = next(iter(wrong.values()))["message"]
        raise Refused(422, "Request validation failed" if newest else first, wrong)
    return given


_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def problem(value: object, schema: Schema) -> str | None:  # noqa: PLR0911 - one return for each kind of value
    """Say what a value should be, or None if it is right. Knows the words of JSON Schema in the routes."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"of type {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"one of {', '.join(map(str, schema['enum']))}"
    choices = [problem(value, one) for one in schema.get("anyOf", ())]
    if choices and all(choices):
        return " or ".join(dict.fromkeys(map(str, choices)))
    match value:
        case str():
            return _problem_of_text(value, schema)
        case int() | float():
            low, high = schema.get("minimum", value), schema.get("maximum", value)
            return None if low <= value <= high else f"from {low} to {high}"
        case list():
            listed = cast("list[object]", value)
            if len(listed) < schema.get("minItems", 0):
                return f"at least {schema['minItems']} long"
            items = schema.get("items", {})
            return next((f"a list of items {said}" for item in listed if (said := problem(item, items))), None)
        case dict():
            return _problem_of_object(cast("dict[str, object]", value), schema)
        case _:
            return None


def _problem_of_object(value: Mapping[str, object], schema: Schema) -> str | None:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return f"an object with {', '.join(missing)}"
    others = schema.get("additionalProperties", {})
    known: Mapping[str, Schema] = schema.get("properties", {})
    said = ((name, problem(item, known.get(name, others))) for name, item in value.items())
    return next((f"an object whose {name} is {words}" for name, words in said if words), None)


def _is(value: object, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _problem_of_text(text: str, schema: Schema) -> str | None:
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return f"of {schema.get('minLength', 0)} to {schema.get('maxLength', 'any number of')} characters"
    if "pattern" in schema and not re.search(schema["pattern"], text):
        return f"like {schema['pattern']}"
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return "an ISO 8601 time like 2025-02-06T11:21:00Z"
    return None
