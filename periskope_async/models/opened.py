"""An answer opened, and its rows not read yet: what pages of any kind are read from."""

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from msgspec import MsgspecError, Raw, Struct, ValidationError, json

from periskope_async.models.body import Text
from periskope_async.models.repair import Unreadable
from periskope_async.models.unset import UNSET, UnsetType

__all__ = [
    "ROWS_A_STEP",
    "UNREAD",
    "Body",
    "Numbered",
    "Opened",
    "Steps",
    "at_once",
    "ends_early",
    "numbers_of",
    "open_body",
]

T = TypeVar("T")

Body: TypeAlias = bytes | bytearray | memoryview
Steps: TypeAlias = Generator[None, None, T]
"""Reads something step by step, and returns it."""

# A row that has to be read the slow way takes up to a tenth of a millisecond.
ROWS_A_STEP = 50

# A UnicodeDecodeError is a ValueError; msgspec's own errors are that since 0.22 only.
UNREAD = (MsgspecError, ValueError, RecursionError)


class Numbered(Struct, rename={"from_": "from"}):
    """What a page says of itself."""

    from_: int | None = None
    to: int | None = None
    count: int | None = None


class Opened(Struct, rename={"from_": "from"}):
    """Whatever could be an answer: a list of any rows, or one chat."""

    chats: list[Raw] | UnsetType | None = UNSET
    chat_id: Raw | UnsetType = UNSET
    from_: Raw | UnsetType = UNSET
    to: Raw | UnsetType = UNSET
    count: Raw | UnsetType = UNSET


_OPENED = json.Decoder(Opened)
_NUMBER = json.Decoder(int | None, strict=False)


def at_once(steps: Steps[T]) -> T:
    """Take all steps in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


def open_body(body: bytes, mender: Callable[[Text], Text]) -> tuple[bytes, Opened]:
    """Open the page as it is, else as mended; give what was opened too. Raises Unreadable."""
    try:
        return body, _open_whole(body)
    except Unreadable:
        mended = bytes(mender(body))
        if mended == body:
            raise
    return mended, _open_whole(mended)


def numbers_of(opened: Opened) -> Numbered:
    """Read the page's numbers, each that can be read."""

    def number(raw: Raw | UnsetType) -> int | None:
        try:
            return None if raw is UNSET else _NUMBER.decode(raw)
        except UNREAD:
            return None

    return Numbered(from_=number(opened.from_), to=number(opened.to), count=number(opened.count))


def _open_whole(body: bytes) -> Opened:
    try:
        opened = _OPENED.decode(body)
    except ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise Unreadable(path.strip("`") or "$", reason[:1].lower() + reason[1:]) from error
    except (MsgspecError, ValueError) as error:
        raise Unreadable("$", f"broken JSON ({error})", is_cut=ends_early(str(error), body)) from error
    except RecursionError as error:
        raise Unreadable("$", "this is nested too deeply to be read") from error
    if opened.chats is UNSET and opened.chat_id is UNSET:
        raise Unreadable("$", "found neither a list `chats` nor a `chat_id`")
    if opened.chats is None:
        opened.chats = _null_list(opened)
    return opened


def _null_list(opened: Opened) -> list[Raw] | UnsetType:
    """Read what PostgreSQL's ``json_agg`` gives for no rows. Raises Unreadable where rows were counted."""
    if opened.chat_id is not UNSET:
        return UNSET
    if numbers_of(opened).count:
        raise Unreadable("$.chats", "expected `array`, got `null`")
    return []


def ends_early(said: str, body: bytes) -> bool:
    """Whether msgspec came to the body's end before that of its JSON. A number may break off, too, and be none."""
    return "truncated" in said or ("trailing" not in said and said.endswith(f"(byte {len(body)})"))
