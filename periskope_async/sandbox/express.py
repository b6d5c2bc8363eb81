"""How Express 4 answers: ETags, 304, its HTML error pages, the order of its headers, and compressed bodies.

Pure. Each rule was compared byte for byte with express 4 and express-rate-limit 8 on node 20.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
import zlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "HTML",
    "JSON",
    "Answer",
    "cannot",
    "compressed",
    "error_page",
    "etag_of",
    "fresh",
    "json_answer",
    "not_modified",
    "reason_of",
]

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

# The compression middleware leaves bodies below this size alone.
_WORTH_COMPRESSING = 1_024
_NO_CACHE = re.compile(r"(?:^|,)\s*?no-cache\s*?(?:,|$)")
# encodeurl keeps these, besides letters, digits and "%" before two hex digits.
_URL_SAFE = "!#$&'()*+,-./:;=?@[\\]^_|~"
# node 20 keeps the older names; newer Pythons have some of RFC 9110's.
_REASONS = {
    413: "Payload Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a Teapot",
    422: "Unprocessable Entity",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the status, its own headers in order, and the body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def etag_of(body: bytes) -> str:
    """Make the weak ETag of a body: its length in hex, and 27 characters of its SHA-1 in base64."""
    digest = hashlib.sha1(body, usedforsecurity=False).digest()
    return f'W/"{len(body):x}-{base64.b64encode(digest).decode()[:27]}"'


def json_answer(status: int, value: object, *, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Answer with JSON as ``res.json`` does: compact, keys in their order, non-ASCII letters as they are."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    own = (("Content-Type", JSON), ("Content-Length", str(len(body))), ("ETag", etag_of(body)))
    return Answer(status, (*headers, *own), body)


def error_page(status: int, text: str) -> Answer:
    """Answer with the page of Express's last handler; it has no ETag."""
    body = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{html.escape(text).replace('&#x27;', '&#39;')}</pre>\n</body>\n</html>\n"
    ).encode()
    headers = (
        ("Content-Security-Policy", "default-src 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Type", HTML),
        ("Content-Length", str(len(body))),
    )
    return Answer(status, headers, body)


def cannot(method: str, path: str) -> Answer:
    """Answer for a method and path without a route."""
    kept = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", path)
    return error_page(404, f"Cannot {method} {quote(kept, safe=_URL_SAFE + '%')}")


def fresh(request: Mapping[str, str], answer: Answer) -> bool:
    """Whether the client has this body already, and a 304 is enough. Names in ``request`` ignore case."""
    none_match = request.get("If-None-Match")
    if not none_match or answer.status != HTTPStatus.OK or request.get("If-Modified-Since"):
        return False
    if _NO_CACHE.search(request.get("Cache-Control", "")):
        return False
    if none_match == "*":
        return True
    etag = dict(answer.headers).get("ETag", "")
    tags = [tag.strip(" ") for tag in none_match.split(",")]
    return bool(etag) and any(etag in {tag, f"W/{tag}"} for tag in tags)


def not_modified(answer: Answer) -> Answer:
    """Turn a 200 into the 304 of the same headers, without those about a body."""
    kept = tuple(pair for pair in answer.headers if pair[0] not in {"Content-Type", "Content-Length"})
    return Answer(304, kept)


def reason_of(status: int) -> str:
    """Give the reason phrase of a status, in node's spelling."""
    if status in _REASONS:
        return _REASONS[status]
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"


def compressed(answer: Answer, accept_encoding: str) -> Answer:
    """Compress the body the first way of zstd, br, gzip, deflate known to both the client and this machine."""
    if len(answer.body) < _WORTH_COMPRESSING:
        return answer
    headers = [*answer.headers, ("Vary", "Accept-Encoding")]
    accepted = _accepted(accept_encoding)
    for coding, encode in _encoders().items():
        if coding in accepted:
            body = encode(answer.body)
            headers = [pair for pair in headers if pair[0] != "Content-Length"]
            headers += [("Content-Encoding", coding), ("Content-Length", str(len(body)))]
            return Answer(answer.status, tuple(headers), body)
    return replace(answer, headers=tuple(headers))


def _accepted(accept_encoding: str) -> set[str]:
    """Give the codings with a weight above zero."""
    found: set[str] = set()
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight):
            found.add(name.strip())
    return found


def _encoders() -> dict[str, Callable[[bytes], bytes]]:
    """Give the codings known to this machine, the dense ones first."""
    known: dict[str, Callable[[bytes], bytes]] = {}
    for coding, modules in {"zstd": ("compression.zstd", "backports.zstd"), "br": ("brotli", "brotlicffi")}.items():
        for module in modules:
            try:
                known.setdefault(coding, import_module(module).compress)
            except ImportError:
                continue
    known["gzip"] = lambda body: gzip.compress(body, compresslevel=6, mtime=0)
    known["deflate"] = zlib.compress
    return known
