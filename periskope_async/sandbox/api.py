"""What the endpoints answer: the key, the phone, the list, one chat, the errors. No socket, no limiter, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes

from periskope_async.sandbox.cast import ORG_ID, PHONES, phone_of
from periskope_async.sandbox.express import Answer, cannot, error_page, etag_of, json_answer
from periskope_async.sandbox.validation import BadQuery, Filters, list_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from periskope_async.sandbox.validation import ListQuery
    from periskope_async.sandbox.world import World

__all__ = ["Api", "Asked", "OneChat", "bearer_of", "error_answer"]

OneChat = Literal["chat", "list"]

_MESSAGES = {
    401: ("UNAUTHORIZED_ERROR", "Invalid bearer auth token"),
    403: ("FORBIDDEN_ERROR", "Forbidden"),
    404: ("NOT_FOUND_ERROR", "Chat not found"),
    429: ("RATE_LIMIT_ERROR", "Too many requests"),
    500: ("UNKNOWN_ERROR", "Internal server error"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the endpoints see it. ``headers`` are read without regard to case."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]


def error_answer(status: int, message: str | None = None, *, code: str | None = None) -> Answer:
    """Answer with the documented envelope of an error: code, message, status."""
    known_code, known_message = _MESSAGES.get(status, _MESSAGES[500])
    return json_answer(status, {"code": code or known_code, "message": message or known_message, "status": status})


def bearer_of(headers: Mapping[str, str]) -> str:
    """Give the API key of a request, or an empty text."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class Api:
    """The endpoints over one world of chats."""

    def __init__(self, world: World, *, api_key: str | None, max_limit: int, one_chat: OneChat) -> None:
        self._world = world
        self._api_key = api_key
        self._max_limit = max_limit
        self._one_chat: OneChat = one_chat

    def respond(self, asked: Asked) -> Answer:
        """Route as Express does: paths without regard to case or to a slash at their end, HEAD like GET."""
        root, *chat = asked.path.rstrip("/").split("/")[2:] or [""]
        known = asked.path.lower().startswith("/v1/") and root.lower() == "chats" and len(chat) <= 1
        if not known or asked.method not in {"GET", "HEAD", "OPTIONS"}:
            return cannot(asked.method, asked.path)
        if asked.method == "OPTIONS":
            methods = b"GET,HEAD"
            own = (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(methods))))
            return Answer(200, (("Allow", methods.decode()), *own, ("ETag", etag_of(methods))), methods)
        key = bearer_of(asked.headers)
        if not key or self._api_key not in {None, key}:
            return error_answer(401)
        phone = None
        # The official client made with ``phone: ""`` sends the header empty, which JavaScript takes for none.
        if header := asked.headers.get("x-phone", "").strip():
            found = phone_of(header)
            if found is None:
                return error_answer(401, "The phone in x-phone is not in the scope of this token")
            phone = PHONES.index(found)
        return self._chat(chat[0], phone) if chat else self._list(asked, phone)

    def _list(self, asked: Asked, phone: int | None) -> Answer:
        try:
            query = list_query(asked.query, phone=phone, max_limit=self._max_limit)
        except BadQuery as error:
            fields = {name: {"message": message, "value": value} for name, (message, value) in error.fields.items()}
            # In this key order the recorded refusal has the recorded ETag, byte for byte.
            body = {
                "name": "Validation Error",
                "code": "VALIDATION_ERROR",
                "fields": fields,
                "message": error.message,
                "status": 422,
            }
            return json_answer(422, body, headers=(("org_id", ORG_ID),))
        if query.chat_id is not None:
            return self._by_query(query, query.chat_id, phone)
        return json_answer(200, self._world.page(query), headers=_resolved(phone))

    def _by_query(self, query: ListQuery, chat_id: str, phone: int | None) -> Answer:
        """Answer for ``?chat_id=``: the bare chat "the same way the Get Chat By ID endpoint does", or a list of one."""
        if self._one_chat == "chat":
            return self._chat_answer(self._world.one_chat(chat_id, query.filters, whole=True), phone)
        row = self._world.one_chat(chat_id, query.filters, whole=False)
        is_on_page = row is not None and query.offset == 0
        tail = f'],"count":{int(row is not None)},"from":{query.offset + 1},"to":{query.offset + int(is_on_page)}}}'
        body = b'{"chats":[' + (row if row is not None and is_on_page else b"") + tail.encode()
        return json_answer(200, body, headers=_resolved(phone))

    def _chat(self, escaped: str, phone: int | None) -> Answer:
        try:
            chat_id = unquote_to_bytes(escaped).decode()
        except UnicodeDecodeError:
            return error_page(400, "Bad Request")
        return self._chat_answer(self._world.one_chat(chat_id, Filters(phone=phone), whole=True), phone)

    @staticmethod
    def _chat_answer(chat: bytes | None, phone: int | None) -> Answer:
        return error_answer(404) if chat is None else json_answer(200, chat, headers=_resolved(phone))


def _resolved(phone: int | None) -> tuple[tuple[str, str], ...]:
    """Give the headers that name the organisation, and the phone that the request was resolved to."""
    named = (("x-periskope-org-id", ORG_ID),)
    return named if phone is None else (*named, ("x-periskope-phone-id", PHONES[phone].phone_id))
