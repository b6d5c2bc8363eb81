"""The slow way to read an object: field by field, in every known dialect, without loss.

A decoder reads a page in one call and stops at the first value of a wrong type. Only then is that value's row read
here: each field by msgspec first, then in the dialects of its type. A value still unread is kept raw in ``undecoded``
of its object. A field is thus either whole in its place or whole in ``undecoded``.

Each value stays JSON text until a reader for it is found. A useless value, or one of an unknown field, thus takes no
more memory than its text. A row has a number of tries for its odd values: what comes behind the last one is kept raw.
"""

import re
from collections.abc import Iterator
from functools import cache, reduce
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Raw, json

from periskope_async.decoding.body import UNREAD, Text, is_dense, mend, mend_escapes
from periskope_async.decoding.dialects import SCALARS, load_json, read_comma_separated, read_epoch_ms
from periskope_async.models.part import Part, keep_undecoded, read_custom
from periskope_async.models.times import FlexTime
from periskope_async.models.unset import UNSET, UnsetType

__all__ = ["Unreadable", "decoder_of", "first_of", "read_part", "repair", "unpacked"]

P = TypeVar("P", bound=Part)

# Longer than any spelling of a number or a time. Readers of single values take time, not all in proportion to them.
_LONGEST_SCALAR = 100
# A list of empty lists takes twenty times the memory of its text, so a large useless one is kept as the text.
_MOST_UNPACKED = 64 * 1024

# All members of the largest group (1,024), each with an odd field or two. A try takes some 20 microseconds.
_MOST_TRIES = 4000

_EMPTY = re.compile(rb"\s*\{\s*\}\s*")
_OBJECT = json.Decoder(dict[str, Raw])
_LIST = json.Decoder(list[Raw])
_STRING = json.Decoder(str)


class Unreadable(ValueError):  # noqa: N818 - a statement about a body; wire.answer makes the user's error of it
    """An unreadable body, or a part of it: nothing sensible can be kept."""

    def __init__(self, path: str, reason: str, *, is_cut: bool = False) -> None:
        super().__init__(f"{reason} at {path}")
        self.is_cut = is_cut
        """Whether the body ends before its JSON does."""
        self.path = path
        """The JSON path of the fault, such as ``$.chats[3].chat_id``."""
        self.reason = reason
        """The fault, to be read before "at <path>"."""


class _Plan(NamedTuple):
    """How one field of an object is read."""

    name: str
    keys: tuple[str, ...]
    target: Any
    is_identity: bool


def read_part(kind: type[P], text: Text, path: str) -> P:
    """Read one object: in one go, or as :func:`repair` does. Raises Unreadable."""
    if not is_dense(text):
        try:
            return cast("P", decoder_of(kind).decode(text))
        except UNREAD:
            pass  # The failure holds its input, so reading goes on only after it is dropped.
    return repair(kind, mend(text), path)


def repair(kind: type[P], text: Text, path: str, tries: Iterator[int] | None = None) -> P:
    """Read one object from its JSON. Raises Unreadable if it is none, or has lost its identity.

    ``tries`` are those left to the object that holds it.
    """
    tries = iter(range(_MOST_TRIES)) if tries is None else tries
    try:
        wire = _wire_decoder(kind).decode(text)
    except msgspec.ValidationError as error:
        raise Unreadable(path, f"expected an object, not {_kind_of(text)}") from error
    except UNREAD as error:
        raise Unreadable(path, f"cannot be read ({error})") from error
    read: dict[str, Any] = {}
    unread: dict[str, Any] = {}
    for name, keys, target, is_identity in _plans(kind):
        read[name] = UNSET
        for key in keys:
            if (found := getattr(wire, key)) is UNSET:
                continue
            try:
                read[name] = _fit(found, target, tries)
                break
            except UNREAD:
                if is_identity:
                    reason = f"expected a string, not {_kind_of(found)}"
                    raise Unreadable(f"{path}.{key}", reason) from None
                unread[key] = unpacked(found)
        if is_identity and read[name] is UNSET:
            raise Unreadable(f"{path}.{keys[0]}", "is missing")
    return kind(**read, undecoded=keep_undecoded(unread))


def first_of(text: Text) -> bytes:
    """Give the first character of a JSON value: it tells the type."""
    return bytes(memoryview(text)[:64]).lstrip()[:1]


def _kind_of(text: Text) -> str:
    kinds = {b"n": "null", b"t": "a boolean", b"f": "a boolean", b'"': "a string", b"{": "an object", b"[": "a list"}
    return kinds.get(first_of(text), "a number")


def unpacked(text: Text) -> Any:
    """Give a value decoded, or as its text if it is large and no string."""
    if first_of(text) == b'"':
        return _STRING.decode(text)
    try:
        if len(memoryview(text)) <= _MOST_UNPACKED:
            return load_json(bytes(text))
    except RecursionError:
        pass
    return str(text, "utf-8")


@cache
def _plans(kind: type[Part]) -> tuple[_Plan, ...]:
    def plan(field: msgspec.structs.FieldInfo) -> _Plan:
        other = kind.other_spellings.get(field.name)
        keys = (field.encode_name,) if other is None else (field.encode_name, other)
        options = _options(field.type)
        target = reduce(lambda one, other: one | other, (option for option in options if option is not UnsetType))
        return _Plan(field.name, keys, target, field.required and UnsetType not in options)

    return tuple(plan(field) for field in msgspec.structs.fields(kind) if field.name != "undecoded")


@cache
def _wire_decoder(kind: type[Part]) -> json.Decoder[Any]:
    """Read an object into the JSON of its known fields, by their wire names; unknown ones are skipped."""
    keys = [key for plan in _plans(kind) for key in plan.keys]
    return json.Decoder(msgspec.defstruct(f"{kind.__name__}Wire", [(key, Raw | UnsetType, UNSET) for key in keys]))


@cache
def _options(target: Any) -> tuple[Any, ...]:
    return get_args(target) if get_origin(target) in {Union, UnionType} else (target,)


@cache
def decoder_of(target: Any) -> json.Decoder[Any]:
    """Make the decoder of a type when it is first used: working types out takes long."""
    # strict=False takes '4' for an int and 'false' for a bool: the wire has ack and member_add_mode like that.
    return json.Decoder(target, strict=False, dec_hook=read_custom)


@cache
def _has_hook(target: Any) -> bool:
    """Whether a type holds one of ours: msgspec decodes all of a value for it before it asks :func:`read_custom`."""
    is_ours = isinstance(target, type) and issubclass(target, (FlexTime, Part))
    return is_ours or any(map(_has_hook, get_args(target)))


def _fit(text: Text, target: Any, tries: Iterator[int]) -> Any:
    """Read a value as ``target``, as the fast path would, else in a dialect. Raises one of ``UNREAD``."""
    if not (_has_hook(target) and is_dense(text)):
        try:
            return decoder_of(target).decode(text)
        except UNREAD:
            pass
    if next(tries, None) is None:
        raise ValueError("no tries are left")
    options = _options(target)
    for option in options:
        try:
            return _fit_dialect(text, option, tries)
        except UNREAD:
            continue
    if type(None) in options and _EMPTY.fullmatch(text):
        # This is the server's other way to write null. A field of a possibly empty object has been read by now.
        return None
    raise ValueError(f"{_kind_of(text)} is no {target}")


def _fit_dialect(text: Text, target: Any, tries: Iterator[int]) -> Any:
    marks: dict[str, Any] = {}
    if get_origin(target) is Annotated:
        target, meta = get_args(target)
        marks = meta.extra or {}
    if target is Any:
        # Only a number too large for msgspec is no JSON to it.
        return unpacked(text)
    reader = read_epoch_ms if "epoch_ms" in marks else SCALARS.get(target)
    if reader is None:
        return _fit_container(text, target, marks, tries)
    if first_of(text) in {b"[", b"{"} or len(memoryview(text)) > _LONGEST_SCALAR:
        raise ValueError(f"{_kind_of(text)} is no {target}")
    return reader(load_json(bytes(text)))


def _fit_container(text: Text, target: Any, marks: dict[str, Any], tries: Iterator[int]) -> Any:
    origin = get_origin(target) or target
    is_part = issubclass(origin, Part)
    first = first_of(text)
    if first == b'"' and (is_part or origin in {tuple, dict}):
        inner = _STRING.decode(text).strip()
        if "comma_separated" in marks and not inner.startswith("["):
            return read_comma_separated(inner)
        if inner.startswith(("[", "{")):
            # This JSON column went through one encoder too many: "[]" for [].
            return _fit(mend_escapes(inner.encode()), target, tries)
    if is_part:
        return repair(origin, text, "$", tries)
    if is_dense(text):
        raise ValueError("too many small values")
    if origin is tuple and first == b"[" and (of := get_args(target)[0]) is not str:
        # A text has no dialects: if msgspec has refused a list of texts, it is none.
        return tuple([_fit(item, of, tries) for item in _LIST.decode(text)])
    if origin is dict and first == b"{":
        _, of = get_args(target)
        return {key: _fit(item, of, tries) for key, item in _OBJECT.decode(text).items()}
    raise ValueError(f"{_kind_of(text)} is no {target}")
