r"""Bodies that are JSON but for a blemish that others read over.

JavaScript cuts texts between the halves of a UTF-16 pair, an emoji, writes the half that is left as a lone
``\ud83d``, and reads it back without complaint. msgspec refuses it, and with it the whole page. So it is read as
browsers read a response: what is no character becomes U+FFFD, and a byte order mark is no part of the text.
"""

import re

__all__ = ["mend", "mend_escapes", "without_mark"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# The group is what is sound: other escapes, and whole pairs. What is left is half a pair.
_ESCAPE = re.compile(
    rb"\\(?:([^u]|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"
    rb"|u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def mend(body: bytes) -> bytes:
    """Give the body without its blemishes; a sound one as it is."""
    body = without_mark(body)
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    return mend_escapes(body)


def mend_escapes(body: bytes) -> bytes:
    """Replace lone surrogates by escapes of the same length, so that every byte stays at its place."""
    return _ESCAPE.sub(lambda found: found[0] if found[1] else rb"\ufffd", body)


def without_mark(body: bytes) -> bytes:
    """Drop the byte order mark that some proxies put first."""
    return body.removeprefix(_BYTE_ORDER_MARK)
