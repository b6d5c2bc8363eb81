"""Types with only some fields of another, to decode only the wanted fields of a row (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union, get_args

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["narrowed"]


def narrowed(kind: type[Struct], paths: Iterable[str]) -> type[Any]:
    """Give a type with these fields of ``kind``; ``latest_message.timestamp`` keeps one field of an inner object."""
    wanted: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        wanted.setdefault(name, []).extend([rest] if rest else [])
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    chosen: list[Any] = []
    for name, inner in wanted.items():
        field = fields[name]
        target = _narrowed_options(field.type, inner) if inner else field.type
        chosen.append((name, target) if field.required else (name, target, field.default))
    return msgspec.defstruct(
        kind.__name__, chosen, rename={name: fields[name].encode_name for name in wanted}, gc=False
    )


def _narrowed_options(target: Any, paths: list[str]) -> Any:
    """Narrow the object among the types of a field; the others, such as null, stay."""
    options = get_args(target) or (target,)
    return Union[tuple([narrowed(one, paths) if issubclass(one, Struct) else one for one in options])]  # noqa: UP007 - of options that are only known here
