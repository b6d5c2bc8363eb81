"""The base of every object of the wire: it is frozen, and it keeps unread values."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeAlias

from msgspec import Struct

from periskope_async.models.times import FlexTime, read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NOTHING", "Part", "Undecoded", "keep_undecoded", "read_custom"]

if TYPE_CHECKING:
    Undecoded: TypeAlias = Mapping[str, Any]
else:

    class Undecoded(dict):
        """A read-only mapping: all objects read whole share one empty instance."""

        __slots__ = ()

        def _refuse(self, *_: object, **__: object) -> NoReturn:
            raise TypeError("what was read is frozen: copy it with dict(...) to change it")

        __setitem__ = __delitem__ = __ior__ = _refuse
        clear = pop = popitem = setdefault = update = _refuse

        def __hash__(self) -> int:
            # The values are JSON and may be lists; equal mappings have equal keys, and a hash needs no more.
            return hash(frozenset(self))

        def __reduce__(self) -> tuple[object, ...]:
            return keep_undecoded, (dict(self),)


NOTHING: Undecoded = Undecoded() if not TYPE_CHECKING else {}


def keep_undecoded(values: dict[str, Any]) -> Undecoded:
    """Freeze raw values by their wire names; an empty mapping is always the one :data:`NOTHING`."""
    if TYPE_CHECKING:
        return values
    return Undecoded(values) if values else NOTHING


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True, gc=False):
    """An object of the wire.

    Unknown fields are ignored (raw rows keep them, see ``Pager.raw``). Encoding an object with
    ``msgspec.json.encode`` gives the wire's names with normalised values: absent fields stay out, null stays null,
    and raw values stand apart, under ``undecoded``. :func:`periskope_async.decode` reads that again.

    The garbage collector does not look at these objects, since no decoded value refers back to its holder; this saves
    a quarter of decoding. (A chat put into one of its own dicts is kept for ever.) JSON lists are read as tuples: the
    collector drops tuples of strings alone at its first look, and this saves a tenth more.
    """

    other_spellings: ClassVar[dict[str, str]] = {}
    """Field to its other name in some sources."""

    undecoded: Undecoded = NOTHING
    """Wire name to raw value, for values unreadable as their field's type; such a field is UNSET.
    A list, object or number of more than 64 KiB is kept as its JSON text: this takes less memory.
    Empty as long as the server keeps to its documents. A field of this name on the wire is never read."""

    if TYPE_CHECKING:
        # This is Python's default. But a type checker must be told, or `part and part.field` could be a `part` for all
        # it knows.
        def __bool__(self) -> Literal[True]: ...


def read_custom(kind: type, value: object) -> object:
    """Read the two types unknown to msgspec: the ``dec_hook`` of every decoder of this package."""
    if kind is FlexTime:
        return read_time(value)
    if kind is Undecoded:
        return NOTHING
    # msgspec asks its hook for this error at an unknown type: the mistake is in a model, not in an answer.
    raise NotImplementedError(kind)
