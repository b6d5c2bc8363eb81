"""A large page in slices, so that decoding it never holds the event loop for long (pure).

Rows begin alike: ``{"`` and the name of their first field. A search thus finds the boundaries of rows, in next to no
time beside decoding. The end proves them: each slice is a JSON list, and the rest is a JSON object with an empty list
in their place. The whole can then only have been these rows. Otherwise it is read in one piece.
"""

from collections.abc import Iterator

__all__ = ["cut_rows"]


def cut_rows(body: bytes, key: str, *, slice_bytes: int, min_bytes: int) -> tuple[bytes, Iterator[bytes]] | None:
    """Give a page without its rows under ``key``, and the rows as JSON lists of at least ``slice_bytes``.

    Gives None if its rows have less than ``min_bytes``, or cannot be cut. A part may prove to be no JSON: then the page
    was no page of plain rows.
    """
    if len(body) < min_bytes:
        return None
    opening = b'"%s":[' % key.encode()
    start = body.find(opening) + len(opening)
    end = body.rfind(b"}]") + 1
    first_field = body[start : body.find(b":", start) + 1]
    is_top_level = body.count(b"{", 0, start) == 1 and body.find(opening, end) < 0
    if end - start < min_bytes or not first_field.startswith(b'{"') or not is_top_level:
        return None
    return body[:start] + body[end:], _slices(body, start, end, b"}," + first_field, slice_bytes)


def _slices(body: bytes, start: int, end: int, boundary: bytes, min_bytes: int) -> Iterator[bytes]:
    whole = memoryview(body)
    while start < end:
        found = body.find(boundary, start + min_bytes, end)
        stop = end if found < 0 else found + 1
        yield b"".join((b"[", whole[start:stop], b"]"))
        start = stop + 1
