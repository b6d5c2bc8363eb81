"""Checks the arguments of writes, and writes them in the form of the wire (pure). Each check raises ConfigError."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, cast

import msgspec

from periskope_async.config import normal_phone
from periskope_async.errors import ConfigError
from periskope_async.typed import is_number, is_whole, numpy_hint, pasted
from periskope_async.wire.chats import no_text, normal_chat_id, normal_label, one_of
from periskope_async.wire.period import Moment, end_point, moment, point

__all__ = [
    "NULL",
    "Moment",
    "Words",
    "at_least_one",
    "chat_ids",
    "digits",
    "email",
    "emails",
    "end_point",
    "flag",
    "group_id",
    "instance",
    "json_body",
    "label_names",
    "labels_text",
    "many_digits",
    "mapping",
    "moment",
    "new_email",
    "new_point",
    "one_of",
    "optional_flag",
    "optional_labels_text",
    "optional_point",
    "optional_text",
    "path_id",
    "path_name",
    "point",
    "priority",
    "seconds",
    "text",
    "text_map",
    "texts",
    "url",
]


Words: TypeAlias = Sequence[str] | Iterable[str]

NULL = msgspec.Raw(b"null")
"""A null in a body; None leaves a key out."""

_MOST_ID = 500
_NO_ID = r"[\s\x00-\x1f\x7f]"
_EMAIL = r"[^@\s,]{1,128}@[^@\s,]{1,255}"
_URL = r"(?i)https?://[^\s/]+\S*"


def json_body(values: Mapping[str, Any]) -> bytes:
    """Write a body; a key whose value is None is left out. Raises ConfigError for a value with no form in JSON."""
    values = {name: value for name, value in values.items() if value is not None}
    try:
        _check_lossless(values)
        return msgspec.json.encode(values, enc_hook=_plain)
    except (TypeError, RecursionError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"what was given cannot be written as JSON: {error}") from None


def text(name: str, value: str, *, most: int | None = None) -> str:
    """Take a text with something in it, as a plain str: an enum's member would be written as its name."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no type checker
        raise no_text(name, value)
    if not value.strip():
        raise ConfigError(f"{name} is empty; give a text", parameter=name)
    if most is not None and len(value) > most:
        raise ConfigError(f"{name} has {len(value)} characters; {most} is the most", parameter=name)
    return str.__str__(value)


def optional_text(name: str, value: str | None) -> str | None:
    """Take a text, or None. An empty text is allowed: it clears the old one."""
    if value is not None and not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - as in text
        raise no_text(name, value)
    return value


def path_id(name: str, value: str) -> str:
    """Take an id for a path."""
    given = pasted(text(name, value))
    # A dot or two would lead to another path.
    if re.search(_NO_ID, given) or len(given) > _MOST_ID or given in {".", ".."}:
        raise ConfigError(f"{name} {value!r:.100} is not an id: those hold no spaces", parameter=name)
    return given


def path_name(name: str, value: str) -> str:
    """Take an id or a name for a path; a name may hold spaces."""
    given = text(name, value).strip()
    # A dot or two would lead to another path.
    if given in {".", ".."} or len(given) > _MOST_ID:
        raise ConfigError(f"{name} {value!r:.100} fits no path; give the id", parameter=name)
    return given


def group_id(chat_id: str) -> str:
    """Take a group's id."""
    given = normal_chat_id(chat_id)
    if not given.endswith("@g.us"):
        raise ConfigError(
            f"chat_id {chat_id!r:.100} is not a group's; those look like 120363392071406466@g.us", parameter="chat_id"
        )
    return given


def texts(name: str, values: Iterable[str], *, least: int = 1) -> list[str]:
    """Take several texts. One text alone is a slip: it would be taken letter by letter."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - as in text
        raise ConfigError(f"{name} is {values!r:.100}; give a list of texts", parameter=name)
    given = [text(name, value) for value in values]
    if len(given) < least:
        held = f"holds {len(given)}" if given else "is empty"
        raise ConfigError(f"{name} {held}; give at least {least}", parameter=name)
    return given


def chat_ids(values: Iterable[str]) -> list[str]:
    """Take several chats' ids, each once."""
    return list(dict.fromkeys(normal_chat_id(value) for value in texts("chat_ids", values)))


def digits(name: str, value: str) -> str:
    """Take a phone number with its country code, or a contact's id, as digits."""
    number = ""
    given = text(name, value)
    # The words of this error offer a phone's id too.
    with suppress(ConfigError):
        number = normal_phone(given)
    if not number.isdigit():
        raise ConfigError(
            f"{name}: {value!r:.100} is no number with its country code; those look like +91 85271 84400",
            parameter=name,
        )
    return number


def many_digits(name: str, values: Iterable[str], *, least: int = 1) -> list[str]:
    """Take several phone numbers, each once."""
    return list(dict.fromkeys(digits(name, value) for value in texts(name, values, least=least)))


def label_names(name: str, values: Iterable[str], *, least: int = 0) -> list[str]:
    """Take names of labels. A name holds no comma: the wire puts commas between names."""
    given = [normal_label(value, name=name) for value in texts(name, values, least=least)]
    for value in given:
        if "," in value:
            raise ConfigError(
                f"{name} holds {value!r:.100}; a label's name is one line without a comma", parameter=name
            )
    return given


def labels_text(name: str, values: Iterable[str]) -> str:
    """Write names of labels with commas between them; no name at all removes all labels."""
    return ",".join(label_names(name, values))


def optional_labels_text(name: str, values: Iterable[str] | None) -> str | None:
    """Write names of labels as :func:`labels_text` does, or None."""
    return None if values is None else labels_text(name, values)


def optional_point(name: str, value: Moment | None) -> str | None:
    """Take a point in time as :func:`point` does, or None."""
    return None if value is None else point(name, value)


def email(name: str, value: str) -> str:
    """Take an e-mail address; only its form is checked."""
    given = pasted(text(name, value))
    if not re.fullmatch(_EMAIL, given):
        raise ConfigError(f"{name} is {value!r:.100}; give an e-mail address, such as a@example.com", parameter=name)
    return given


def new_email(name: str, value: str | None) -> str | None:
    """Take an e-mail address, an empty text, which clears the old one, or None."""
    given = optional_text(name, value)
    return email(name, given) if given else given


def new_point(name: str, value: Moment | None) -> str | msgspec.Raw | None:
    """Take a point in time as :func:`point` does, an empty text, which clears the old one, or None."""
    return NULL if isinstance(value, str) and not value else optional_point(name, value)


def emails(name: str, values: Iterable[str]) -> list[str]:
    """Take several e-mail addresses."""
    return [email(name, value) for value in texts(name, values)]


def instance(name: str, value: object, kind: type, what: str) -> None:
    """Refuse anything but an object of a kind; ``what`` says what to do instead."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} is {value!r:.100}; {what}", parameter=name)


def mapping(name: str, values: Mapping[str, Any], *, of: str = "") -> dict[str, Any]:
    """Take a mapping by texts. ``of`` says whose it is."""
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - as in text
        raise ConfigError(f"{name}{of} is {values!r:.100}; give a dict", parameter=name)
    for key in values:
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] - as in text
            raise ConfigError(f"{name}{of} has the key {key!r:.100}; give it as a str", parameter=name)
    return dict(values)


def text_map(name: str, values: Mapping[str, str], *, of: str = "") -> dict[str, str]:
    """Take a mapping from texts to texts, empty ones too."""
    given = mapping(name, values, of=of)
    for key, value in given.items():
        if not isinstance(value, str):
            raise ConfigError(
                f"{name}{of} holds {value!r:.100} as {key!r:.100}, a {type(value).__name__}; give it as a str",
                parameter=name,
            )
    return given


def flag(name: str, value: bool) -> bool:  # noqa: FBT001 - the value that is checked
    """Take true or false."""
    if not isinstance(value, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - as in text
        raise ConfigError(f"{name} is {value!r:.100}; it takes True or False{numpy_hint(value)}", parameter=name)
    return value


def optional_flag(name: str, value: bool | None) -> bool | None:  # noqa: FBT001 - the value that is checked
    """Take true, false or None."""
    return None if value is None else flag(name, value)


def priority(value: int | None, *, most: int) -> int | None:
    """Take a priority from 1 up. A member of an enum becomes its number."""
    if value is None:
        return None
    if not is_whole(value, least=1) or value > most:
        raise ConfigError(
            f"priority is {value!r:.100}; it is a whole number from 1 to {most}{numpy_hint(value)}",
            parameter="priority",
        )
    return int(value)


def seconds(name: str, value: float | None) -> float | None:
    """Take a number of seconds, or None."""
    if value is not None and not (is_number(value) and 0 <= value < float("inf")):
        raise ConfigError(f"{name} is {value!r:.100}; give 0 or more seconds{numpy_hint(value)}", parameter=name)
    return value


def url(name: str, value: str) -> str:
    """Take a web address."""
    given = pasted(text(name, value))
    if re.search(r"\s", given):
        raise ConfigError(f"{name} {value!r:.100} holds a space; write it as %20", parameter=name)
    if not re.fullmatch(_URL, given):
        raise ConfigError(f"{name} is {value!r:.100}; give a URL that begins with https://", parameter=name)
    return given


def at_least_one(**values: object) -> None:
    """Refuse a change without any value."""
    if all(value is None for value in values.values()):
        raise ConfigError(f"nothing to change: give at least one of {', '.join(values)}", parameter=next(iter(values)))


def _check_lossless(value: object) -> None:
    """Refuse what the encoder would change in silence: NaN and infinities to null, bytes to base64."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {float(value)}, which is no number there")
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("it holds bytes; decode them to a str")
    if isinstance(value, Mapping):
        value = cast("Mapping[object, object]", value).values()
    elif not isinstance(value, list | tuple | set | frozenset):
        return
    for item in cast("Iterable[object]", value):
        _check_lossless(item)


def _plain(value: object) -> object:
    """Give what the encoder takes: it refuses a template's SafeString, a float64 of NumPy, and mappings but dicts."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise TypeError(f"it holds a {type(value).__name__}{numpy_hint(value)}")
