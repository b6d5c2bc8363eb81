"""The slow way to read an object: field by field, in every dialect that is known, losing nothing.

A decoder reads a page in one call and stops at the first value that is not of its type. Only then is the row that
holds it read here: each field by msgspec first, then in the dialects of its type; what still cannot be read is kept
raw in ``undecoded`` of the object that holds it. A field is thus either whole in its place or whole in ``undecoded``.
"""

from functools import cache, reduce
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin

import msgspec

from periskope_async.models.dialects import SCALARS, load_json, read_comma_separated, read_epoch_ms
from periskope_async.models.message import MessageId
from periskope_async.models.part import Part, keep_undecoded, read_custom
from periskope_async.models.unset import UNSET, UnsetType

__all__ = ["Unreadable", "kind_of", "repair", "repair_json"]

P = TypeVar("P", bound=Part)

# Other names that sources give to the same field; the first is the struct's own.
_SPELLINGS: dict[type[Part], dict[str, str]] = {MessageId: {"serialized": "_serialized", "from_me": "fromMe"}}

# msgspec's errors are ValueErrors since 0.22 only; until then, it meets an integer beyond every float with SystemError.
_UNFIT = (ValueError, msgspec.MsgspecError, SystemError)


class Unreadable(ValueError):  # noqa: N818 - a statement about a body; wire.answer makes the user's error of it
    """A body, or a part of it, of which nothing sensible can be kept."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{reason} at {path}")
        self.path = path
        """Where, as a JSON path such as ``$.chats[3].chat_id``."""
        self.reason = reason
        """What was wrong there, to be read before "at <path>"."""


class _Plan(NamedTuple):
    """How one field of an object is read."""

    name: str
    keys: tuple[str, ...]
    target: Any
    is_identity: bool


def repair_json(kind: type[P], row: bytes, path: str) -> P:
    """Read one object from its JSON. Raises Unreadable where it is none, or has lost its identity."""
    try:
        value = load_json(row)
    except (ValueError, RecursionError) as error:
        raise Unreadable(path, f"cannot be read ({error})") from error
    return repair(kind, value, path)


def repair(kind: type[P], value: object, path: str) -> P:
    """Read one object from its decoded JSON. Raises Unreadable where it is none, or has lost its identity."""
    if not isinstance(value, dict):
        raise Unreadable(path, f"expected an object, not {kind_of(value)}")
    wire = cast("dict[str, Any]", value)
    read: dict[str, Any] = {}
    unread: dict[str, Any] = {}
    for name, keys, target, is_identity in _plans(kind):
        read[name] = UNSET
        for key in keys:
            if key not in wire:
                continue
            try:
                read[name] = _fit(wire[key], target)
                break
            except (*_UNFIT, RecursionError):
                unread[key] = wire[key]
        if is_identity and read[name] is UNSET:
            found = wire.get(keys[0], UNSET)
            reason = "is missing" if found is UNSET else f"expected a string, not {kind_of(found)}"
            raise Unreadable(f"{path}.{keys[0]}", reason)
    return kind(**read, undecoded=keep_undecoded(unread))


def kind_of(value: object) -> str:
    """Name the JSON kind of a decoded value, for an error's text."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return "a number"


@cache
def _plans(kind: type[Part]) -> tuple[_Plan, ...]:
    def plan(field: msgspec.structs.FieldInfo) -> _Plan:
        other = _SPELLINGS.get(kind, {}).get(field.name)
        keys = (field.encode_name,) if other is None else (field.encode_name, other)
        options = _options(field.type)
        target = reduce(lambda one, other: one | other, (option for option in options if option is not UnsetType))
        return _Plan(field.name, keys, target, field.required and UnsetType not in options)

    return tuple(plan(field) for field in msgspec.structs.fields(kind) if field.name != "undecoded")


@cache
def _options(target: Any) -> tuple[Any, ...]:
    return get_args(target) if get_origin(target) in {Union, UnionType} else (target,)


def _fit(value: Any, target: Any) -> Any:
    """Read ``value`` as ``target``, as the fast path would, else in a dialect. Raises one of ``_UNFIT``."""
    # Most values are of their plain type already, and a look is cheaper than a call.
    if type(value) in _options(target):
        return value
    try:
        return msgspec.convert(value, target, strict=False, dec_hook=read_custom)
    except _UNFIT:
        options = _options(target)
        for option in options:
            try:
                return _fit_dialect(value, option)
            except _UNFIT:
                continue
        if value == {} and type(None) in options:
            # The server's other way to write null; where an object may be empty, it has been read as one by now.
            return None
        raise


def _fit_dialect(value: Any, target: Any) -> Any:
    marks: dict[str, Any] = {}
    if get_origin(target) is Annotated:
        target, meta = get_args(target)
        marks = meta.extra or {}
    if "epoch_ms" in marks:
        return read_epoch_ms(value)
    if target in SCALARS:
        return SCALARS[target](value)
    return _fit_container(value, target, marks)


def _fit_container(value: Any, target: Any, marks: dict[str, Any]) -> Any:
    origin = get_origin(target) or target
    is_part = issubclass(origin, Part)
    if isinstance(value, str) and (is_part or origin in {tuple, dict}):
        if "comma_separated" in marks and not value.lstrip().startswith("["):
            return read_comma_separated(value)
        # A JSON column that went through one encoder too many: "[]" for [].
        return _fit(load_json(value), target)
    if is_part:
        return repair(origin, value, "$")
    if origin is tuple and isinstance(value, list):
        of, _ = get_args(target)
        return tuple(_fit(item, of) for item in cast("list[object]", value))
    if origin is dict and isinstance(value, dict):
        _, of = get_args(target)
        return {key: _fit(item, of) for key, item in cast("dict[str, object]", value).items()}
    raise ValueError(f"{kind_of(value)} is no {target}")
