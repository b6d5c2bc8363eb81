"""An answer opened, and its rows not read yet (pure)."""

import functools
from collections.abc import Callable, Generator
from types import GenericAlias
from typing import Any, TypeAlias, TypeVar

from msgspec import MsgspecError, Raw, Struct, ValidationError, defstruct, json

from periskope_async.decoding.body import UNREAD, Text, is_dense
from periskope_async.decoding.repair import Unreadable
from periskope_async.models.unset import UNSET, UnsetType
from periskope_async.wire.listing import Listing

__all__ = ["Numbers", "Steps", "ends_early", "open_body"]

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Reads something step by step, and returns it."""


class Numbers(Struct, rename={"from_": "from"}):
    """A page's own numbers."""

    from_: int | None = None
    to: int | None = None
    count: int | None = None


class _RawNumbers(Struct, rename={"from_": "from"}):
    from_: Raw | UnsetType = UNSET
    to: Raw | UnsetType = UNSET
    count: Raw | UnsetType = UNSET


_NUMBER = json.Decoder(int | None, strict=False)


def open_body(
    listing: Listing[Any], body: bytes, mender: Callable[[Text], Text]
) -> tuple[bytes, list[Raw] | None, Numbers]:
    """Open a page as it is, else as mended. Gives the opened body, its rows (None: it is one bare row), its numbers.

    Raises Unreadable.
    """
    try:
        return body, *_open_whole(listing, body)
    except Unreadable:
        mended = bytes(mender(body))
        if mended == body:
            raise
    return mended, *_open_whole(listing, mended)


@functools.cache
def _decoder(listing: Listing[Any], row: Any) -> json.Decoder[Any]:
    """Read any possible answer: a list of ``row`` under any of its keys, or one row."""
    names = {f"rows{number}": key for number, key in enumerate((listing.key, *listing.other_keys))}
    fields = [(name, GenericAlias(list, (row,)) | UnsetType | None, UNSET) for name in names]
    envelope = defstruct(
        "Envelope",
        [*fields, ("identity", Raw | UnsetType, UNSET)],
        bases=(_RawNumbers,),
        rename={**names, "identity": listing.identity[0]},
    )
    return json.Decoder(envelope)


@functools.cache
def _shape(listing: Listing[Any]) -> Any:
    return defstruct("Row", [("identity", Raw)], rename={"identity": listing.identity[0]}, gc=False)


def _open_whole(listing: Listing[Any], body: bytes) -> tuple[list[Raw] | None, Numbers]:
    try:
        if is_dense(body):
            # The first value that is no row ends this. A list of such values, each Raw, would take much memory.
            _decoder(listing, _shape(listing)).decode(body)
        opened = _decoder(listing, Raw).decode(body)
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise Unreadable(path.strip("`") or "$", reason[:1].lower() + reason[1:]) from error
    except (MsgspecError, ValueError) as error:
        raise Unreadable("$", f"broken JSON ({error})", is_cut=ends_early(str(error), body)) from error
    except RecursionError as error:
        raise Unreadable("$", "this is nested too deeply to be read") from error
    numbers = Numbers(from_=_number(opened.from_), to=_number(opened.to), count=_number(opened.count))
    lists = [getattr(opened, f"rows{number}") for number in range(1 + len(listing.other_keys))]
    rows: list[Raw] | UnsetType | None = next((found for found in lists if found is not UNSET), UNSET)
    if isinstance(rows, list):
        return rows, numbers
    if opened.identity is not UNSET:
        return None, numbers
    if rows is UNSET:
        raise Unreadable("$", f"found neither a list `{listing.key}` nor a `{listing.identity[0]}`")
    # PostgreSQL's json_agg gives null for no rows.
    if numbers.count:
        raise Unreadable(f"$.{listing.key}", "expected `array`, got `null`")
    return [], numbers


def _number(raw: Raw | UnsetType) -> int | None:
    try:
        return None if raw is UNSET else _NUMBER.decode(raw)
    except UNREAD:
        return None


def ends_early(said: str, body: bytes) -> bool:
    """Whether the body ended before its JSON did, by msgspec's word. A number may also break off, and be none."""
    return "truncated" in said or ("trailing" not in said and said.endswith(f"(byte {len(body)})"))
