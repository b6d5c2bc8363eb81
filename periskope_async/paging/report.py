"""What a walk did, and whether what it gave was all there was."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["WalkReport"]


class WalkReport(Struct, kw_only=True):
    """The account of one walk, as it stood when ``pager.report`` was read; ``complete`` is None until it has ended."""

    requests: int = 0
    """Requests sent, retries included."""
    pages: int = 0
    """Answers read."""
    rows_received: int = 0
    rows_placed: int = 0
    """Rows given to the caller, or ready to be: each chat once, except under ``consistency="none"``."""
    duplicates: int = 0
    """Rows met again in the main pass, and not placed again, beyond the few that pages overlap by on purpose."""
    inserted: int = 0
    """Places by which known rows had sunk: rows came in or woke up above."""
    removed: int = 0
    """Places by which known rows had risen: rows above went away."""
    steps_back: int = 0
    """Pages that did not join what was placed, so that what lies between was asked for."""
    caught_up: int = 0
    """Rows placed after the main pass: they had jumped behind the reader or come in there, or tied rows had changed
    places."""
    passes: int = 1
    """1, and one more for each time the list was gone over again."""
    count_at_start: int | None = None
    """The server's count on the first page."""
    count_at_end: int | None = None
    """The server's count on the last page read."""
    bytes: int = 0
    """Decoded body bytes of the pages that were read."""
    bytes_saved: int = 0
    """Decoded body bytes that were not sent again, since the page in the cache had not changed."""
    not_modified: int = 0
    """Pages that the server found unchanged (304), so that the cache's were read."""
    seconds: float = 0.0
    """From the first request to the end of the last page, by the loop's clock."""
    seconds_waited: float = 0.0
    """Summed over all requests: for the limit, and between tries. With pages at once it can exceed ``seconds``."""
    complete: bool | None = None
    """True: every row that was there during the whole walk was placed. False: some are known to be missing.
    None: it cannot be known. True rests on the server's count, which is documented as the number of all rows. It also
    rests on ``updated_at`` being set when a row comes."""
    why: str = "the walk has not ended"
    """The reason for ``complete``, in a few words."""
