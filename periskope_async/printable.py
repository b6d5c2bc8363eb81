"""Text of strangers, made fit for one line of a log, an error or a terminal (pure).

Text of a server or a proxy may hold line breaks, escape codes of terminals, marks that reverse the direction of the
text, and bytes that cannot be encoded again. Shown as it is, it forges log lines and breaks the log's handler.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "one_line"]

_SPACES = "[ \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+"
_UNFIT = (
    "["
    "\x00-\x1f\x7f-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of direction
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # half a character, or (dc80 to dcff) a byte that is no UTF-8
    "]"
)


def one_line(text: str, *, limit: int = 1000) -> str:
    r"""Give ``text`` on one line of up to ``limit`` characters, and twice as many bytes; every terminal can show it.

    A run of whitespace becomes one space. A control, a mark of direction or a lone surrogate becomes an escape:
    ``\x1b``, ``\u202e``, and ``\xff`` for a byte decoded with ``surrogateescape``. A shortened text ends in ``…``.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and " " not in text:
        # Most ids are one line already, and come with every answer.
        return text
    # Text further behind is not worth its time: a body has megabytes.
    start = text[: 4 * limit]
    line = re.sub(_UNFIT, _escape, re.sub(_SPACES, " ", start)).strip(" ")
    most_bytes = 2 * limit
    if len(line) <= limit and len(start) == len(text) and len(line.encode()) <= most_bytes:
        return line
    # Most scripts take three bytes a character, and emoji four.
    line = line[: limit - 1].encode()[: most_bytes - len("…".encode())].decode(errors="ignore")
    return f"{line.rstrip(' ')}…"


def escaped(text: str) -> str:
    """Give ``text`` with the same escapes, and all its blanks: the name of a file is another one without them."""
    return re.sub(_UNFIT, _escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - where surrogateescape keeps the bytes 80 to ff
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
