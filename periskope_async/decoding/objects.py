"""Answers other than a page of a list: one object, an array, a map, an image, or nothing (pure).

The sources disagree on forms, and each reader takes all: an object may come inside ``data``, and an array of one as the
bare object. An unreadable value is kept raw in ``undecoded``, as in pages. Raises Unreadable for a body of no JSON or
of another shape, and for an object without its identity.
"""

import base64
import functools
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Raw, Struct, json

from periskope_async.decoding.body import Text, is_dense, mend
from periskope_async.decoding.envelope import UNREAD, Body, Steps, ends_early
from periskope_async.decoding.repair import Unreadable, repair, unpacked
from periskope_async.meta import ResponseMeta
from periskope_async.models.outcome import Confirmation, ParticipantResult, ParticipantResults
from periskope_async.models.part import Part, keep_undecoded, read_custom
from periskope_async.models.unset import UNSET, UnsetType

__all__ = [
    "is_cut_image",
    "many_of",
    "one_of",
    "read_confirmation",
    "read_image",
    "read_invite_link",
    "read_nothing",
    "read_participants",
    "with_meta",
]

T = TypeVar("T")
P = TypeVar("P", bound=Part)

# As for the rows of a page.
_OBJECTS_A_STEP = 50

# How images begin and end. Some programs write a little behind the end.
_ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8": b"\xff\xd9", b"GIF8": b";", b"<": b"</svg>"}
_TAIL_BYTES = 64


class _Wrapped(Struct):
    data: Raw | UnsetType = UNSET


class _InviteLink(Struct):
    invite_link: str


class _Buffer(Struct):
    """Express's JSON form of a Node.js buffer."""

    data: list[Annotated[int, Meta(ge=0, le=255)]]


def one_of(kind: type[P]) -> Callable[[Body, ResponseMeta], Steps[P]]:
    """Make a reader of one object: bare, in ``{success, message, data: object}``, or as the only one of an array."""

    def read(body: Body, _: ResponseMeta) -> Steps[P]:
        yield from ()
        rows = _rows(body)
        if len(rows) != 1:
            raise Unreadable("$", f"found {len(rows)} objects instead of one")
        return _read(kind, *rows[0])

    return read


def many_of(kind: type[P]) -> Callable[[Body, ResponseMeta], Steps[list[P]]]:
    """Make a reader of an array; one bare object is an array of one, and ``{data: …}`` may stand around either."""

    def read(body: Body, _: ResponseMeta) -> Steps[list[P]]:
        return (yield from _read_all(kind, _rows(body)))

    return read


def with_meta(
    reader: Callable[[Body, ResponseMeta], Steps[T]],
) -> Callable[[Body, ResponseMeta], Steps[tuple[T, ResponseMeta]]]:
    """Make a reader that gives the facts of the answer beside its content."""

    def read(body: Body, meta: ResponseMeta) -> Steps[tuple[T, ResponseMeta]]:
        return (yield from reader(body, meta)), meta

    return read


def read_participants(body: Body, _: ResponseMeta) -> Steps[ParticipantResults]:
    """Read a map from participant id to outcome. One that is no object is no word of success, and spoils no other."""
    text, path = _without_wrapper(_open(Raw, body))
    results: dict[str, ParticipantResult] = {}
    for name, outcome in _split(dict[str, Raw], text).items():
        is_odd = name.partition("@")[0].isdigit() and _first(outcome) != b"{"
        results[name] = _odd_result(name, outcome) if is_odd else _read(ParticipantResult, outcome, f"{path}.{name}")
        if len(results) % _OBJECTS_A_STEP == 0:
            yield
    if not results:
        raise Unreadable(path, "found no participant")
    return ParticipantResults(results=results)


def read_invite_link(body: Body, _: ResponseMeta) -> Steps[str]:
    """Read ``{invite_link}``."""
    yield from ()
    return _open(_InviteLink, body).invite_link


def read_nothing(body: Body, _: ResponseMeta) -> Steps[None]:
    """Read an answer by its status alone: it may have any body, or none."""
    yield from ()
    del body


def read_confirmation(body: Body, _: ResponseMeta) -> Steps[Confirmation]:
    """Read ``{success, message}``; no body, or another one, confirms too."""
    yield from ()
    try:
        return _read(Confirmation, _open(Raw, body), "$")
    except Unreadable:
        return Confirmation()


def read_image(body: Body, _: ResponseMeta) -> Steps[bytes]:
    """Read an image: its bytes, a data URL, or the JSON form of a Node.js buffer."""
    yield from ()
    return _image(bytes(body))


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
    message = raw if isinstance(raw, str) and _first(outcome) == b'"' else UNSET
    return ParticipantResult(message=message, undecoded=keep_undecoded({name: raw}))


def _without_wrapper(text: Raw) -> tuple[Raw, str]:
    """Take an object or a list out of ``{success, message, data}``; give it with its JSON path."""
    if _first(text) == b"{" and (data := _open(_Wrapped, text).data) is not UNSET and _first(data) in {b"{", b"["}:
        return data, "$.data"
    return text, "$"


def _rows(body: Body) -> list[tuple[Text, str]]:
    """Give each object's text and its JSON path."""
    text, path = _without_wrapper(_open(Raw, body))
    if _first(text) != b"[":
        return [(text, path)]
    return [(row, f"{path}[{index}]") for index, row in enumerate(_split(list[Raw], text))]


def _read_all(kind: type[P], objects: Iterable[tuple[Text, str]]) -> Steps[list[P]]:
    read: list[P] = []
    for text, path in objects:
        read.append(_read(kind, text, path))
        if len(read) % _OBJECTS_A_STEP == 0:
            yield
    return read


def _read(kind: type[P], text: Text, path: str) -> P:
    try:
        read: P = _typed(kind).decode(text)
    except UNREAD:
        pass  # The failure holds its input, so reading goes on only after it is dropped.
    else:
        return read
    return repair(kind, mend(text), path)


# Made when first used: working types out takes long.
@functools.cache
def _typed(kind: Any) -> json.Decoder[Any]:
    return json.Decoder(kind, strict=False, dec_hook=read_custom)


@functools.cache
def _shallow(kind: Any) -> json.Decoder[Any]:
    return json.Decoder(kind)


def _open(kind: Callable[..., T], body: Body | Raw) -> T:
    """Decode a body as it is, else as mended. Raises Unreadable."""
    decoder = _shallow(kind)
    text: Text = body if isinstance(body, Raw) else bytes(body)
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


def _split(kind: Callable[..., T], body: Body | Raw) -> T:
    """Open a list or a map. Each Raw takes 60 bytes, so too many are refused."""
    if is_dense(body if isinstance(body, Raw) else bytes(body)):
        raise Unreadable("$", "found too many small values")
    return _open(kind, body)


def _first(text: Text) -> bytes:
    return bytes(memoryview(text)[:64]).lstrip()[:1]
