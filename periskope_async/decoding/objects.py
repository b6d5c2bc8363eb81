"""Answers other than a page of a list: one object, an array, a map, an image, or nothing (pure).

The sources disagree on forms, and each reader takes all: an object may come inside ``data``, and an array of one as the
bare object. An unreadable value is kept raw in ``undecoded``, as in pages. Raises Unreadable for a body of no JSON or
of another shape, and for an object without its identity.
"""

import base64
import functools
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Raw, Struct, json

from periskope_async.decoding.body import UNREAD, Text, is_dense, mend
from periskope_async.decoding.opened import Steps, ends_early
from periskope_async.decoding.repair import Unreadable, first_of, read_part, unpacked
from periskope_async.meta import ResponseMeta
from periskope_async.models.outcome import Confirmation, ParticipantResult, ParticipantResults
from periskope_async.models.part import Part, keep_undecoded
from periskope_async.models.queue import SendReceipt
from periskope_async.models.unset import UNSET, UnsetType

__all__ = [
    "has_data",
    "is_cut_image",
    "many_of",
    "one_of",
    "one_or_none",
    "read_confirmation",
    "read_image",
    "read_invite_link",
    "read_nothing",
    "read_participants",
    "read_receipt",
    "with_meta",
]

T = TypeVar("T")
P = TypeVar("P", bound=Part)

# As for the rows of a page.
_OBJECTS_A_STEP = 50

# How images begin and end. Some programs write a little behind the end.
_ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8": b"\xff\xd9", b"GIF8": b";", b"<": b"</svg>"}
_TAIL_BYTES = 64


# Possessive: blanks before something else take no more than one look.
_NOTHING = re.compile(rb"\s*+(null|\{\s*+\}|\[\s*+\])?\s*+")


class _Wrapped(Struct):
    count: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


class _InviteLink(Struct):
    invite_link: str


class _Buffer(Struct):
    """Express's JSON form of a Node.js buffer."""

    data: list[Annotated[int, Meta(ge=0, le=255)]]


def one_of(kind: type[P], *, may_be_blank: bool = True) -> Callable[[bytes, ResponseMeta], Steps[P]]:
    """Make a reader of one object: bare, in ``{success, message, data: object}``, or as the only one of an array.

    A blank one has no field that is known: it is of another kind, or it tells nothing.
    """

    def read(body: bytes, _: ResponseMeta) -> Steps[P]:
        yield from ()
        rows = _rows(*_without_wrapper(_open(Raw, body)))
        if len(rows) != 1:
            raise Unreadable("$", f"found {len(rows)} objects instead of one")
        text, path = rows[0]
        found = read_part(kind, text, path)
        if not may_be_blank and found == kind():
            raise Unreadable(path, f"found nothing of a {kind.__name__}")
        return found

    return read


def one_or_none(kind: type[P]) -> Callable[[bytes, ResponseMeta], Steps[P | None]]:
    """Make a reader of one object, as :func:`one_of` does; None for an answer with nothing in it."""

    def read(body: bytes, meta: ResponseMeta) -> Steps[P | None]:
        return None if _NOTHING.fullmatch(body) else (yield from one_of(kind)(body, meta))

    return read


def many_of(kind: type[P]) -> Callable[[bytes, ResponseMeta], Steps[list[P]]]:
    """Make a reader of an array; one bare object is an array of one, and ``{data: …}`` may stand around either.

    It may also come as the newest documents have lists, ``{from, to, count, jobs: […]}``.
    """

    def read(body: bytes, _: ResponseMeta) -> Steps[list[P]]:
        text, path = _listed(*_without_wrapper(_open(Raw, body)))
        found = yield from _read_all(kind, _rows(text, path))
        if first_of(text) == b"{" and _is_unread(found[0]):
            raise Unreadable(path, f"found neither a list nor a {kind.__name__}")
        return found

    return read


def with_meta(
    reader: Callable[[bytes, ResponseMeta], Steps[T]],
) -> Callable[[bytes, ResponseMeta], Steps[tuple[T, ResponseMeta]]]:
    """Make a reader that gives the facts of the answer beside its content."""

    def read(body: bytes, meta: ResponseMeta) -> Steps[tuple[T, ResponseMeta]]:
        return (yield from reader(body, meta)), meta

    return read


def read_participants(body: bytes, _: ResponseMeta) -> Steps[ParticipantResults]:
    """Read a map from participant id to outcome. One that is no object is no word of success, and spoils no other."""
    text, path = _without_wrapper(_open(Raw, body))
    results: dict[str, ParticipantResult] = {}
    for name, outcome in _split(dict[str, Raw], text).items():
        is_odd = name.partition("@")[0].isdigit() and first_of(outcome) != b"{"
        at = f"{path}.{name}"
        results[name] = _odd_result(name, outcome) if is_odd else read_part(ParticipantResult, outcome, at)
        if len(results) % _OBJECTS_A_STEP == 0:
            yield
    if not results:
        raise Unreadable(path, "found no participant")
    return ParticipantResults(results=results)


def read_receipt(body: bytes, meta: ResponseMeta) -> Steps[SendReceipt]:
    """Read the answer to a message: it has an id. Old servers gave a map from the chat's id to the job's."""
    receipt = yield from one_of(SendReceipt)(body, meta)
    if receipt.queue_id or receipt.unique_id or receipt.message:
        return receipt
    try:
        jobs = _split(dict[str, str], body)
    except Unreadable:
        jobs = {}
    if len(jobs) == 1:
        ((chat_id, queue_id),) = jobs.items()
        if "@" in chat_id or chat_id.isdigit():
            return SendReceipt(queue_id=queue_id)
    raise Unreadable("$", "found no id of a message or of its job")


def read_invite_link(body: bytes, _: ResponseMeta) -> Steps[str]:
    """Read ``{invite_link}``."""
    yield from ()
    return _open(_InviteLink, body).invite_link


def read_nothing(body: bytes, _: ResponseMeta) -> Steps[None]:
    """Read an answer by its status alone: it may have any body, or none."""
    yield from ()
    del body


def read_confirmation(body: bytes, _: ResponseMeta) -> Steps[Confirmation]:
    """Read ``{success, message}``; no body, or another one, confirms too."""
    yield from ()
    try:
        return read_part(Confirmation, _open(Raw, body), "$")
    except Unreadable:
        return Confirmation()


def has_data(body: bytes, _: ResponseMeta) -> Steps[bool]:
    """Whether ``{success, message, data}`` holds an object or a list."""
    yield from ()
    return _without_wrapper(_open(Raw, body))[1] != "$"


def read_image(body: bytes, _: ResponseMeta) -> Steps[bytes]:
    """Read an image: its bytes, a data URL, or the JSON form of a Node.js buffer."""
    yield from ()
    return _image(body)


def is_cut_image(body: bytes) -> bool:
    """Whether an image has lost its end; False if its kind is not known."""
    try:
        image = _image(body)
    except Unreadable as error:
        return error.is_cut
    ends = [end for start, end in _ENDS.items() if image.startswith(start)]
    return bool(ends) and ends[0] not in image[-_TAIL_BYTES:]


def _image(body: bytes) -> bytes:
    if body[:1] == b"{":
        return bytes(_open(_Buffer, body).data)
    if body[:11] not in {b"data:image/", b'"data:image'}:
        return body
    data = body.strip(b'"').partition(b",")[2]
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        # Each four characters are three bytes.
        raise Unreadable("$", f"this is no image ({error})", is_cut=len(data) % 4 != 0) from None


def _odd_result(name: str, outcome: Raw) -> ParticipantResult:
    raw = unpacked(outcome)
    message = raw if isinstance(raw, str) and first_of(outcome) == b'"' else UNSET
    return ParticipantResult(message=message, undecoded=keep_undecoded({name: raw}))


def _without_wrapper(text: Raw) -> tuple[Raw, str]:
    """Take an object or a list out of ``{success, message, data}``; give it with its JSON path."""
    if first_of(text) == b"{" and (data := _open(_Wrapped, text).data) is not UNSET and first_of(data) in {b"{", b"["}:
        return data, "$.data"
    return text, "$"


def _listed(text: Raw, path: str) -> tuple[Raw, str]:
    """Take a list out of ``{from, to, count, jobs: […]}``; give it with its JSON path. Null as ``data`` is empty."""
    if first_of(text) != b"{":
        return text, path
    opened = _open(_Wrapped, text)
    if opened.data is not UNSET and first_of(opened.data) == b"n":
        return Raw(b"[]"), f"{path}.data"
    if opened.count is not UNSET:
        lists = [(found, name) for name, found in _split(dict[str, Raw], text).items() if first_of(found) == b"["]
        if len(lists) == 1:
            return lists[0][0], f"{path}.{lists[0][1]}"
    return text, path


def _is_unread(found: Part) -> bool:
    return all(getattr(found, name) is UNSET for name in found.__struct_fields__ if name != "undecoded")


def _rows(text: Text, path: str) -> list[tuple[Text, str]]:
    """Give each object's text and its JSON path."""
    if first_of(text) != b"[":
        return [(text, path)]
    return [(row, f"{path}[{index}]") for index, row in enumerate(_split(list[Raw], text))]


def _read_all(kind: type[P], objects: Iterable[tuple[Text, str]]) -> Steps[list[P]]:
    read: list[P] = []
    for text, path in objects:
        read.append(read_part(kind, text, path))
        if len(read) % _OBJECTS_A_STEP == 0:
            yield
    return read


@functools.cache
def _shallow(kind: Any) -> json.Decoder[Any]:
    return json.Decoder(kind)


def _open(kind: Callable[..., T], text: Text) -> T:
    """Decode a body as it is, else as mended. Raises Unreadable."""
    decoder = _shallow(kind)
    try:
        opened: T = decoder.decode(text)
    except UNREAD:
        text = mend(text)
        try:
            opened = decoder.decode(text)
        except UNREAD as error:
            is_cut = ends_early(str(error), bytes(text))
            raise Unreadable("$", f"cannot be read ({error})", is_cut=is_cut) from None
    return opened


def _split(kind: Callable[..., T], text: Text) -> T:
    """Open a list or a map. Each Raw takes 60 bytes, so too many are refused."""
    if is_dense(text):
        raise Unreadable("$", "found too many small values")
    return _open(kind, text)
