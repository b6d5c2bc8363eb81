r"""Mends JSON bodies with a blemish accepted by other readers.

JavaScript cuts texts between the halves of a UTF-16 pair, an emoji, writes the remaining half as a lone
``\ud83d``, and reads it back without complaint. msgspec refuses it, and with it the whole page. This module reads
bodies as browsers do: a broken character becomes U+FFFD, and a byte order mark is no part of the text.
"""

import codecs
import re
from collections.abc import Iterator
from io import BytesIO
from typing import TypeAlias

from msgspec import MsgspecError, Raw

__all__ = ["LARGE", "UNREAD", "Text", "as_sent", "has_surrogate", "is_dense", "mend", "mend_escapes", "without_mark"]

# What decoding raises. A UnicodeDecodeError is a ValueError; msgspec's own errors are ValueErrors since 0.22 only.
UNREAD = (MsgspecError, ValueError, RecursionError)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PIECE = 1 << 14

# Answers of the API have 20 bytes and more for each comma and bracket. A value, even an empty one, takes 60 or so.
LARGE = 64 * 1024
_BYTES_A_MARK = 15
_MARKS = (b",", b"[", b"{")
# A prime: the lengths of rows and values rarely fall in with it.
_BYTES_A_SAMPLE = 127

# Patterns behind a backslash: half a pair, and a sound escape, either a whole pair or another one. Texts in no Latin
# script have long runs of escapes, so each match takes a run. (It begins with a plain character: re finds it fastest.)
_LONE = rb"u[dD](?:[c-fC-F]XX|[89abAB]XX(?!\\u[dD][c-fC-F]XX))"
_SOUND = rb"(?:[^u]|u[dD][89abAB]XX\\u[dD][c-fC-F]XX|u(?![dD][89a-fA-F])XXXX)"
_ESCAPES = (
    rb"\\(?:SOUND(?:\\SOUND){0,63}|(LONE(?:\\LONE){0,63}))".replace(b"SOUND", _SOUND)
    .replace(b"LONE", _LONE)
    .replace(b"X", b"[0-9a-fA-F]")
)

_SURROGATE = re.compile(rb"\\u[dD]")
_SURROGATES = (b"ud", b"uD")
# Where more than one byte of so many is a backslash, the search for three bytes is faster.
_BYTES_AN_ESCAPE = 512

Text: TypeAlias = bytes | Raw
"""JSON as received: a whole body, or a part of one."""


def mend(body: Text) -> Text:
    """Give the JSON without its blemishes; a sound one as it is."""
    body = without_mark(body)
    try:
        for _ in _recoded(body, "strict"):
            pass
    except UnicodeDecodeError:
        # BytesIO gathers without a second copy: each byte of broken UTF-8 becomes three.
        mended = BytesIO()
        mended.writelines(_recoded(body, "replace"))
        body = mended.getvalue()
    return mend_escapes(body)


def _recoded(body: Text, errors: str) -> Iterator[bytes]:
    """Decode and encode UTF-8 piece by piece: a whole body as a str takes five times its size if it has one emoji."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    view = memoryview(body)
    for start in range(0, len(view), _PIECE):
        yield decoder.decode(view[start : start + _PIECE]).encode()
    yield decoder.decode(b"", final=True).encode()


def mend_escapes(body: Text) -> Text:
    """Replace lone surrogates by escapes of the same length, so that every byte stays at its place."""
    mended: bytearray | None = None
    # It works in place: a list of the texts between them would take twenty times the body's size.
    for found in re.finditer(_ESCAPES, body):
        if lone := found[1]:
            mended = bytearray(body) if mended is None else mended
            mended[found.start() : found.end()] = rb"\ufffd" * ((len(lone) + 1) // 6)
    return body if mended is None else bytes(mended)


def as_sent(sent: bytes, mended: bytes, part: Raw) -> bytes:
    """Give a part of a body as it was before its escapes were mended."""
    # Where its text is there twice, both were the same but for which half of a pair was cut.
    start = mended.index(part)
    return sent[start : start + len(memoryview(part))]


def has_surrogate(text: bytes) -> bool:
    """Whether JSON may hold the escape of a surrogate, half of a pair or both."""
    # Most texts have few backslashes, and the search for one byte is twenty times as fast as that for three.
    at = -2
    for _ in range(len(text) // _BYTES_AN_ESCAPE):
        at = text.find(b"\\", at + 2)
        if at < 0:
            return False
        if text[at + 1 : at + 3] in _SURROGATES:
            return True
    return _SURROGATE.search(text, at + 2) is not None


def is_dense(text: Text) -> bool:
    """Whether large JSON has so many small values that they would take many times its memory."""
    if len(memoryview(text)) <= LARGE:
        return False
    body = bytes(text)
    # To count all marks takes nearly as long as to decode a plain page. A sample comes first.
    return _has_many_marks(body[::_BYTES_A_SAMPLE]) and _has_many_marks(body)


def _has_many_marks(text: bytes) -> bool:
    return sum(map(text.count, _MARKS)) * _BYTES_A_MARK > len(text)


def without_mark(body: Text) -> Text:
    """Drop a leading byte order mark. Some proxies add one."""
    return bytes(body)[3:] if bytes(memoryview(body)[:3]) == _BYTE_ORDER_MARK else body
