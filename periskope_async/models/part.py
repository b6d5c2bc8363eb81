"""What every object of the wire has in common: it is frozen, and it keeps what it could not read."""

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
        """A read-only mapping: one empty instance is shared by all objects that were read whole."""

        __slots__ = ()

        def _refuse(self, *_: object, **__: object) -> NoReturn:
            raise TypeError("what was read is frozen: copy it with dict(...) to change it")

        __setitem__ = __delitem__ = __ior__ = _refuse
        clear = pop = popitem = setdefault = update = _refuse

        def __hash__(self) -> int:
            # The values are JSON and may be lists; equal mappings have equal keys, which is all that a hash owes.
            return hash(frozenset(self))

        def __reduce__(self) -> tuple[object, ...]:
            return keep_undecoded, (dict(self),)


NOTHING: Undecoded = Undecoded() if not TYPE_CHECKING else {}


def keep_undecoded(values: dict[str, Any]) -> Undecoded:
    """Freeze raw values by their wire names; nothing kept is always the one :data:`NOTHING`."""
    if TYPE_CHECKING:
        return values
    return Undecoded(values) if values else NOTHING


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True, gc=False):
    """An object of the wire.

    Unknown fields are ignored (raw rows keep them, see ``Pager.raw``). Encoding an object with
    ``msgspec.json.encode`` gives the wire's names with normalised values: absent fields stay out, null stays null,
    and what was kept raw stands apart, under ``undecoded``.

    The garbage collector does not look at these objects, since nothing that was decoded refers back to what holds it;
    that saves a quarter of decoding. (A chat that is put into one of its own dicts is kept for ever.) JSON lists are
    read as tuples, which it lets go of as soon as it has seen that they hold strings alone: that saves a tenth more.
    """

    other_spellings: ClassVar[dict[str, str]] = {}
    """By field, the name that some sources give to it instead."""

    undecoded: Undecoded = NOTHING
    """By wire name, the raw values of fields whose value could not be read as their type; such a field is UNSET.
    A list, object or number of more than 64 KiB is kept as its JSON text, which takes less memory.
    Empty as long as the server keeps to its documents. Never read from the wire, whatever it may hold."""

    if TYPE_CHECKING:
        # True of every object that does not say otherwise; but a checker must be told, or `part and part.field` could
        # be a `part` for all it knows.
        def __bool__(self) -> Literal[True]: ...


def read_custom(kind: type, value: object) -> object:
    """Read the two types that msgspec does not know: the ``dec_hook`` of every decoder of this package."""
    if kind is FlexTime:
        return read_time(value)
    if kind is Undecoded:
        return NOTHING
    # What msgspec asks of a hook that is given a type it does not read: a mistake in a model, not in an answer.
    raise NotImplementedError(kind)
