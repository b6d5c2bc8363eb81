"""A large page in slices: so that nobody who shares the event loop waits for the whole of it to be decoded (pure).

Rows begin alike: ``{"`` and the name of their first field. Where one row ends and the next begins is thus found by
searching, which takes next to no time beside decoding. What is found is no guess in the end: where each slice is a
JSON list, and what is left is a JSON object with an empty list in their place, then the whole can only have been these
rows. Where any of them is not, the page is read without slices.
"""

from collections.abc import Iterator

__all__ = ["cut_rows"]

# A slice is some 250 chats: how long decoding it holds the event loop is told by ``python -m benchmarks walk``.
_SLICE_BYTES = 512 * 1024
_LEAST_BYTES = 1024 * 1024


def cut_rows(
    body: bytes, key: str, *, slice_bytes: int | None = None, least_bytes: int | None = None
) -> tuple[bytes, Iterator[bytes]] | None:
    """Give a page without its rows under ``key``, and those as JSON lists; None where it is small, or not to be cut.

    Each of the parts may prove to be no JSON: then the page was not what it looked like. ``slice_bytes`` is how long
    they are at the least, and ``least_bytes`` how many bytes of rows are not small.
    """
    if len(body) < (least_bytes or _LEAST_BYTES):
        return None
    rows = b'"%s":[' % key.encode()
    start = body.find(rows) + len(rows)
    end = body.rfind(b"}]") + 1
    first_field = body[start : body.find(b":", start) + 1]
    is_top_level = body.count(b"{", 0, start) == 1 and body.find(rows, end) < 0
    if end - start < (least_bytes or _LEAST_BYTES) or not first_field.startswith(b'{"') or not is_top_level:
        return None
    return body[:start] + body[end:], _slices(body, start, end, b"}," + first_field, slice_bytes or _SLICE_BYTES)


def _slices(body: bytes, start: int, end: int, seam: bytes, least: int) -> Iterator[bytes]:
    whole = memoryview(body)
    while start < end:
        found = body.find(seam, start + least, end)
        stop = end if found < 0 else found + 1
        yield b"".join((b"[", whole[start:stop], b"]"))
        start = stop + 1
