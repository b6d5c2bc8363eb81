"""The account of a walk, and whether its rows were complete."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["WalkReport"]


class WalkReport(Struct, kw_only=True):
    """The account of one walk at one read of ``pager.report``; ``complete`` is None until the walk has ended."""

    requests: int = 0
    """Requests sent, retries included."""
    pages: int = 0
    """Answers read."""
    rows_received: int = 0
    rows_placed: int = 0
    """Rows given to the caller, or ready to be: each chat once, except under ``consistency="none"``."""
    duplicates: int = 0
    """Rows met again in the main pass, and not placed again. The overlap of pages does not count."""
    inserted: int = 0
    """How far known rows sank, in rows: rows came in or changed above."""
    removed: int = 0
    """How far known rows rose, in rows: rows above went away."""
    steps_back: int = 0
    """Pages without a join to the placed rows. The walk then asked for the gap."""
    caught_up: int = 0
    """Rows placed after the main pass: they moved or came in behind the reader, or tied rows changed places."""
    passes: int = 1
    """1, and one more for each further pass over the list."""
    count_at_start: int | None = None
    """The server's count on the first page."""
    count_at_end: int | None = None
    """The server's count on the last page read."""
    bytes: int = 0
    """Decoded body bytes of the read pages."""
    bytes_saved: int = 0
    """Decoded body bytes not sent again, since the page in the cache had not changed."""
    not_modified: int = 0
    """Unchanged pages (304), read from the cache."""
    seconds: float = 0.0
    """From the first request to the end of the last page, by the loop's clock."""
    seconds_waited: float = 0.0
    """Summed over all requests: for the limit, and between tries. Concurrent pages can make it exceed ``seconds``."""
    complete: bool | None = None
    """True: every row present during the whole walk was placed. False: some are known to be missing.
    None: it cannot be known. True rests on the server's count, documented as the number of all rows. It also
    rests on ``updated_at`` being set when a row comes."""
    why: str = "the walk has not ended"
    """The reason for ``complete``, in a few words."""
