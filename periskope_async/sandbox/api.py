"""Takes a request to its endpoint and back: the route, the key, the phone, the body, the errors. No socket here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import msgspec

from periskope_async.sandbox.cast import ORG_ID
from periskope_async.sandbox.express import Answer, cannot, error_page, etag_of, json_answer
from periskope_async.sandbox.resources import Resources
from periskope_async.sandbox.routes import ActedBy, Call, Later, Refused, Router, check_query, read_body
from periskope_async.sandbox.validation import BadQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from periskope_async.sandbox.chats import OneChat
    from periskope_async.sandbox.org import Org
    from periskope_async.sandbox.routes import Route

__all__ = ["Api", "Asked", "Waiting", "bearer_of", "error_answer"]

_CODES = {
    400: ("VALIDATION_ERROR", "Bad request"),
    401: ("UNAUTHORIZED_ERROR", "Invalid bearer auth token"),
    403: ("FORBIDDEN_ERROR", "Forbidden"),
    404: ("NOT_FOUND_ERROR", "Chat not found"),
    422: ("VALIDATION_ERROR", "Request validation failed"),
    429: ("RATE_LIMIT_ERROR", "Too many requests"),
    500: ("UNKNOWN_ERROR", "Internal server error"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the endpoints see it. Names of ``headers`` ignore case."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending answer: :meth:`Api.resume` gives it once it is there."""

    later: Later
    route: Route
    headers: tuple[tuple[str, str], ...] = field(default=())


def error_answer(status: int, message: str | None = None, *, code: str | None = None) -> Answer:
    """Answer with the documented envelope of an error: code, message, status."""
    known_code, known_message = _CODES.get(status, _CODES[500])
    return json_answer(status, {"code": code or known_code, "message": message or known_message, "status": status})


def bearer_of(headers: Mapping[str, str]) -> str:
    """Give the API key of a request, or an empty text."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class Api:
    """The endpoints of one organisation."""

    def __init__(self, org: Org, *, api_key: str | None, one_chat: OneChat) -> None:
        self._org = org
        self._api_key = api_key
        self.resources = Resources(org, one_chat=one_chat)
        self.router = Router(self.resources.routes)

    def respond(self, asked: Asked) -> Answer | Waiting:
        """Route as Express does: HEAD like GET, OPTIONS with the known methods, any other method a 404."""
        root, _, path = asked.path[1:].partition("/")
        routes = self.router.find(f"/{path}") if root.lower() == "v1" else {}
        method = "GET" if asked.method == "HEAD" else asked.method
        if routes and method == "OPTIONS":
            return _options(routes)
        if method not in routes:
            return cannot(asked.method, asked.path)
        key = bearer_of(asked.headers)
        if not key or self._api_key not in {None, key}:
            return error_answer(401)
        return self._routed(asked, *routes[method])

    def _routed(self, asked: Asked, route: Route, escaped: Mapping[str, str]) -> Answer | Waiting:
        try:
            values = {name: unquote_to_bytes(text).decode() for name, text in escaped.items()}
        except UnicodeDecodeError:
            return error_page(400, "Bad Request")
        with self._org.world.lock:
            self._org.agenda.run(self._org.now)
            try:
                return self._call(asked, route, values)
            except BadQuery as error:
                fields = {name: {"message": message, "value": value} for name, (message, value) in error.fields.items()}
                return _refusal(Refused(422, error.message, fields), route)
            except Refused as error:
                return _refusal(error, route)

    def tick(self) -> float | None:
        """Do all due work. Returns the time of the next work, in the server's Unix seconds, or None."""
        with self._org.world.lock:
            self._org.agenda.run(self._org.now)
            return self._org.agenda.next_at

    def resume(self, waiting: Waiting) -> Answer | None:
        """Give the pending answer, or None while it is not there."""
        with self._org.world.lock:
            now = self._org.now
            self._org.agenda.run(now)
            value = waiting.later.ready(now)
        return None if value is None else json_answer(waiting.route.status, value, headers=waiting.headers)

    def _call(self, asked: Asked, route: Route, values: Mapping[str, str]) -> Answer | Waiting:
        phone = self._phone(asked, route)
        body: Mapping[str, object] = {}
        if route.body is not None:
            try:
                body = read_body(route.body, _decoded(asked), newest=route.newest)
            except msgspec.DecodeError as error:
                return error_page(400, f"SyntaxError: {error}")
        call = Call(asked.query, values, body, phone, self._org.now)
        check_query(route, call)
        value = route.work(call)
        if isinstance(value, ActedBy):
            phone, value = value.phone, value.value
        headers = self._resolved(phone)
        if isinstance(value, Later):
            return Waiting(value, route, headers)
        if isinstance(value, Answer):
            return Answer(value.status, (*headers, *value.headers), value.body)
        if route.status == 204:  # noqa: PLR2004 - HTTP
            return Answer(204, headers)
        return json_answer(route.status, value, headers=headers)

    def _phone(self, asked: Asked, route: Route) -> int | None:
        # The official client made with ``phone: ""`` sends an empty header; JavaScript takes that for none.
        header = asked.headers.get("x-phone", "").strip()
        if route.phone == "unread":
            return None
        if not header:
            if route.phone == "needed":
                message = "Missing Header: {x-phone}"
                raise Refused(422, message, {"x-phone": {"message": message}})
            return None
        number = self._org.phone_number(header)
        if number is None:
            raise Refused(401, "The phone in x-phone is not in the scope of this token")
        return number

    def _resolved(self, phone: int | None) -> tuple[tuple[str, str], ...]:
        """Give the headers with the organisation and the phone of the request."""
        named = (("x-periskope-org-id", ORG_ID),)
        return named if phone is None else (*named, ("x-periskope-phone-id", self._org.phone_id(phone)))


def _decoded(asked: Asked) -> object:
    """Decode a JSON body. One of another type, or none, is an empty object, as in Express.

    Raises msgspec.DecodeError, also for a bare word or number, which Express's parser refuses.
    """
    kind = asked.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not asked.body or kind != "application/json":
        return {}
    return msgspec.json.decode(asked.body, type=dict[str, Any] | list[Any])


def _options(routes: Mapping[str, tuple[Route, Mapping[str, str]]]) -> Answer:
    methods = ",".join("GET,HEAD" if method == "GET" else method for method in routes).encode()
    own = (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(methods))))
    return Answer(200, (("Allow", methods.decode()), *own, ("ETag", etag_of(methods))), methods)


def _refusal(error: Refused, route: Route) -> Answer:
    if error.status != 422:  # noqa: PLR2004 - HTTP
        return error_answer(error.status, error.message)
    # The recorded refusal has the recorded ETag in this key order, byte for byte. The newest endpoints have no name.
    body = {
        **({} if route.newest else {"name": "Validation Error"}),
        "code": "VALIDATION_ERROR",
        "fields": error.fields or {},
        "message": error.message,
        "status": 422,
    }
    return json_answer(422, body, headers=(("org_id", ORG_ID),))
