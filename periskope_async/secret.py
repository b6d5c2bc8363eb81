r"""A secret that never shows itself, and is removed from others' quotes of it (pure).

A gateway likes to quote the key it refuses, in an encoding of its own: PHP writes ``\/`` for a slash, .NET ``\u002b``
for a plus, HTML ``&#43;``, a redirect ``%2B``, and some show the whole header in base64. Each character is looked
for in every spelling of it, even with one encoding wrapped in another. A quote may be cut off, and base64 broken into
lines. A text with very many quotes is not shown to its end.
"""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Secret"]

_SHOWN = b"***"
# A shorter text is part of many words, and no real key.
_LEAST_CHARACTERS = 4
_START_CHARACTERS = 12
_LEAST_BASE64 = 8
# Each one costs as much as thousands of other bytes.
_MOST_QUOTES = 50
# MIME breaks base64 into lines of 76 characters, PEM into lines of so many.
_LINE = 64
_LINE_BREAK = rb"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)?"
_FOR_URLS = {"+": "-", "/": "_"}
# HTML's names of ASCII characters.
_ENTITIES = {
    "!": "excl", '"': "quot", "#": "num", "$": "dollar", "%": "percnt", "&": "amp", "'": "apos", "(": "lpar",
    ")": "rpar", "*": "ast", "+": "plus", ",": "comma", ".": "period", "/": "sol", ":": "colon", ";": "semi",
    "<": "lt", "=": "equals", ">": "gt", "?": "quest", "@": "commat", "[": "lsqb", "\\": "bsol", "]": "rsqb",
    "^": "Hat", "_": "lowbar", "`": "grave", "{": "lcub", "|": "verbar", "}": "rcub",
}  # fmt: skip


class Secret:
    """A string that never shows itself: not in a repr, a log, a traceback's locals or a pickle."""

    __slots__ = ("_redact", "_value")

    def __init__(self, value: str) -> None:
        # In a closure: crash reports show the attributes of objects too.
        self._value: Callable[[], str] = lambda: value
        self._redact: Callable[[bytes], bytes] | None = None

    def reveal(self) -> str:
        """Give the string, for the one place that sends it."""
        return self._value()

    def redact(self, body: bytes) -> bytes:
        """Put stars in the string's place in somebody else's text, in any encoding of it."""
        if self._redact is None:
            self._redact = _redactor(self._value())
        return self._redact(body)

    def redact_text(self, text: str) -> str:
        """Do the same in a text; the text may hold lone surrogates."""
        return self.redact(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled."""
        raise TypeError("a secret is not pickled; read it from the environment where it is needed")


def _redactor(secret: str) -> Callable[[bytes], bytes]:
    """Give a function that redacts a secret of visible ASCII in a body."""
    # Compiling the pattern of a JSON Web Token takes a tenth of a second: only a text with its start is worth that.
    least = max(_LEAST_CHARACTERS, min(_START_CHARACTERS, len(secret) * 3 // 4))
    start = re.compile(_pattern(secret[:least]) if len(secret) >= _LEAST_CHARACTERS else b"(?!)")
    encoded = _base64_forms(secret.encode())
    lines = [form[:_LINE] for form in encoded]
    parts = [_unescaped(line) for line in lines]
    # One line's end breaks one half of a line at the most.
    halves = [_unescaped(half) for line in lines for half in (line[: len(line) // 2], line[len(line) // 2 :])]

    def redact(body: bytes) -> bytes:
        # The re module keeps the compiled patterns.
        is_quoted = any(part in body for part in parts)
        if is_quoted or ((b"\n" in body or b"\\" in body) and any(half in body for half in halves)):
            body = re.sub(b"|".join(map(_base64_pattern, encoded)), _SHOWN, body)
        if not start.search(body):
            return body
        body = re.sub(_pattern(secret), _SHOWN, body, count=_MOST_QUOTES)
        # What is left was cut off, or comes behind very many others.
        shown, end = list[bytes](), 0
        while (begun := start.search(body, end)) is not None:
            shown += body[end : begun.start()], _SHOWN
            if len(shown) > 2 * _MOST_QUOTES:
                # The rest is not shown either.
                return b"".join(shown)
            end = _end_of_quote(body, begun.end(), secret[least:])
        return b"".join([*shown, body[end:]])

    return redact


def _end_of_quote(body: bytes, at: int, rest: str) -> int:
    """Give where a cut quote of a secret ends, if ``rest`` may follow ``at``."""
    for character in rest:
        found = _compiled(character).match(body, at)
        if found is None:
            break
        at = found.end()
    return at


@functools.cache
def _compiled(character: str) -> re.Pattern[bytes]:
    return re.compile(_spellings(character))


def _pattern(text: str) -> bytes:
    return b"".join(map(_spellings, text))


def _spellings(character: str) -> bytes:
    """Give the pattern of one character: as it is, or escaped as in JSON, a URL or HTML, once or several times over."""
    code = ord(character)
    plain = re.escape(character)
    two_digits = "".join(f"[{digit}{digit.upper()}]" for digit in f"{code:02x}")
    named = f"#0{{0,6}}{code}|#[xX]0{{0,6}}{two_digits}"
    if character in _ENTITIES:
        named += f"|{_ENTITIES[character]}"
    once = "" if character == "\\" else "+"
    spellings = [
        plain,
        # All repeats are bounded, and matched in one pass: else a body of backslashes alone would take for ever.
        rf"\\\\{{0,8}}{once}(?:{plain}|[uU]00{two_digits}|x{two_digits})",
        rf"%(?:25){{0,3}}{two_digits}",
        rf"&(?:amp;){{0,3}}(?:{named});?",
    ]
    if character == "+":
        spellings.append(" ")  # what a form makes of it
    return f"(?:{'|'.join(spellings)})".encode()


def _base64_forms(secret: bytes) -> list[str]:
    """Give the secret's visible forms in base64, for each of its three possible offsets within three bytes."""
    forms: list[str] = []
    for shift in range(3):
        encoded = b64encode(bytes(shift) + secret).decode()
        # The first characters mix with the text before, the last one with the text after.
        forms.append(encoded[-(-8 * shift // 6) : 8 * (shift + len(secret)) // 6])
    return [form for form in forms if len(form) >= _LEAST_BASE64]


def _unescaped(text: str) -> bytes:
    """Give the longest part of base64 that no encoder escapes. A search for it costs less than one for the pattern."""
    return max(re.split("[+/]", text), key=len).encode()


def _base64_pattern(form: str) -> bytes:
    return _LINE_BREAK.join(
        b"(?:%b|%b)" % (_spellings(character), _spellings(_FOR_URLS[character]))
        if character in _FOR_URLS
        else character.encode()
        for character in form
    )
