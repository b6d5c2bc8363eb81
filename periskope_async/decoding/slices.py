"""A large page in slices, so that decoding it never holds the event loop for long (pure).

Rows begin alike: ``{"`` and the name of their first field. A search thus finds the boundaries of rows, in next to no
time beside decoding. The end proves them: each slice is a JSON list, and the rest is a JSON object with an empty list
in their place. The whole can then only have been these rows. Otherwise it is read in one piece.
"""

from collections.abc import Iterator

__all__ = ["cut_lines", "cut_rows"]


def cut_rows(body: bytes, key: str, *, slice_bytes: int, min_bytes: int) -> tuple[bytes, Iterator[bytes]] | None:
    """Give a page without its rows under ``key``, and the rows as JSON lists of at least ``slice_bytes``.

    Gives None if its rows have less than ``min_bytes``, or cannot be cut. A part may prove to be no JSON: then the page
    was no page of plain rows.
    """
    found = _find_rows(body, key, min_bytes)
    if found is None:
        return None
    envelope, start, end, boundary = found
    parts = _slices(body, start, end, boundary, slice_bytes)
    return envelope, (b"".join((b"[", part, b"]")) for part in parts)


def cut_lines(body: bytes, key: str, *, slice_bytes: int, min_bytes: int) -> tuple[bytes, Iterator[bytes]] | None:
    """Give the same with the rows as JSON lines: where each line is a JSON object, the lines are the rows.

    Rows that have line breaks of their own raise ValueError.
    """
    found = _find_rows(body, key, min_bytes)
    if found is None:
        return None
    envelope, start, end, boundary = found
    return envelope, (_lines(part, boundary) for part in _slices(body, start, end, boundary, slice_bytes))


def _lines(part: memoryview, boundary: bytes) -> bytes:
    """Put line breaks in the place of the commas between rows."""
    rows = b"".join((part, b"\n"))
    if b"\r" in rows or rows.index(b"\n") < len(part):
        raise ValueError("a row has line breaks of its own")
    return rows.replace(boundary, boundary.replace(b",", b"\n", 1))


def _find_rows(body: bytes, key: str, min_bytes: int) -> tuple[bytes, int, int, bytes] | None:
    """Give a page without its rows, where the rows begin and end, and what lies between two of them."""
    if len(body) < min_bytes:
        return None
    opening = b'"%s":[' % key.encode()
    start = body.find(opening) + len(opening)
    end = body.rfind(b"}]") + 1
    first_field = body[start : body.find(b":", start) + 1]
    is_top_level = body.count(b"{", 0, start) == 1 and body.find(opening, end) < 0
    if end - start < min_bytes or not first_field.startswith(b'{"') or not is_top_level:
        return None
    return body[:start] + body[end:], start, end, b"}," + first_field


def _slices(body: bytes, start: int, end: int, boundary: bytes, min_bytes: int) -> Iterator[memoryview]:
    whole = memoryview(body)
    while start < end:
        found = body.find(boundary, start + min_bytes, end)
        stop = end if found < 0 else found + 1
        yield whole[start:stop]
        start = stop + 1
