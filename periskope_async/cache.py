"""Pages kept from earlier answers, so that an unchanged one need not be sent again (pure).

The server is Express: it gives each answer an ETag, and answers 304 without a body to a request with that ETag in
If-None-Match (https://docs.periskope.app/api-reference/chat/list-all-chats shows the ETags of recorded answers). A page
is taken from here only after the server has just confirmed it.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from periskope_async.errors import ConfigError
from periskope_async.typed import is_whole

if TYPE_CHECKING:
    from periskope_async.meta import ResponseMeta
    from periskope_async.secret import Secret

__all__ = ["CacheSlot", "PageCache", "StoredPage", "checked_cache"]

_OK = 200
_NOT_MODIFIED = 304

# An entity-tag (RFC 9110, 8.8.3) in ASCII. Anything else has no defined comparison, and a bare * would match anything.
# A longer one could make a request's headers too large for servers.
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,1000}"', re.ASCII)


class StoredPage(Struct, frozen=True):
    """A page as received."""

    etag: str
    body: bytes
    """Decoded bytes."""
    content_type: str | None


class PageCache:
    """Pages of lists, kept in memory for the next walk: pass it as ``cache=``.

    A request for a kept page asks whether it has changed. If not, the server answers 304 without a body, and the rows
    are read from the kept page. Such a request costs as much of the limit as any other.

    ``max_bytes`` bounds the decoded bodies (64 MiB); the least recently used pages go first, and a page larger than the
    bound is not kept. A list larger than the bound saves nothing: each page is gone before it is read again.

    One cache serves any number of walks, clients, phones and keys, in any thread, and never gives the answer for one
    of them to another. It holds no API key. Raises ConfigError.
    """

    def __init__(self, *, max_bytes: int = 64 * 1024 * 1024) -> None:
        if not is_whole(max_bytes, least=1):
            raise ConfigError(
                f"max_bytes is {max_bytes!r:.100}; give a whole number of bytes from 1 up", parameter="max_bytes"
            )
        self._max_bytes = max_bytes
        self._pages: OrderedDict[bytes, StoredPage] = OrderedDict()
        self._bytes = 0
        self._hits = 0
        self._lock = Lock()

    @property
    def max_bytes(self) -> int:
        """Max bytes of the kept bodies."""
        return self._max_bytes

    @property
    def pages(self) -> int:
        """Number of kept pages."""
        return len(self._pages)

    @property
    def bytes_kept(self) -> int:
        """Bytes of the kept bodies."""
        return self._bytes

    @property
    def hits(self) -> int:
        """Number of 304 answers so far."""
        return self._hits

    def clear(self) -> None:
        """Forget all pages. Requests on their way still take a 304 for their page."""
        with self._lock:
            self._pages.clear()
            self._bytes = 0

    def slot(self, url: str, *, phone: str | None, api_key: Secret, max_body: int) -> CacheSlot:
        """Give one page's slot for one request, with its kept page unless that is above ``max_body``."""
        key = hashlib.blake2b(repr((api_key.reveal(), phone, url)).encode(), digest_size=32).digest()
        with self._lock:
            stored = self._pages.get(key)
            if stored is not None:
                self._pages.move_to_end(key)
        return CacheSlot(self, key, stored if stored is not None and len(stored.body) <= max_body else None)

    def put(self, key: bytes, page: StoredPage | None) -> None:
        """Keep a page in place of the old one, within the bound; None keeps nothing there."""
        with self._lock:
            if (before := self._pages.pop(key, None)) is not None:
                self._bytes -= len(before.body)
            if page is None or len(page.body) > self._max_bytes:
                return
            self._pages[key] = page
            self._bytes += len(page.body)
            while self._bytes > self._max_bytes:
                _, oldest = self._pages.popitem(last=False)
                self._bytes -= len(oldest.body)

    def count_hit(self) -> None:
        """Count one more 304 answer."""
        with self._lock:
            self._hits += 1

    def __repr__(self) -> str:
        return f"<PageCache {len(self._pages)} pages, {self._bytes} of {self._max_bytes} bytes, {self._hits} hits>"


class CacheSlot:
    """One page's slot in a cache, for the time of one request.

    It holds on to the page kept at its start, so that a 304 can be read even after an eviction.
    """

    __slots__ = ("_cache", "_key", "_stored")

    def __init__(self, cache: PageCache, key: bytes, stored: StoredPage | None) -> None:
        self._cache = cache
        self._key = key
        self._stored = stored

    @property
    def etag(self) -> str | None:
        """The value for If-None-Match; None if nothing is kept."""
        return self._stored.etag if self._stored is not None else None

    def page_for(self, status: int) -> StoredPage | None:
        """Give the kept page if the status confirms it (304); None for any other status."""
        if status != _NOT_MODIFIED or self._stored is None:
            return None
        self._cache.count_hit()
        return self._stored

    def keep(self, meta: ResponseMeta, body: bytes, *, is_no_store: bool) -> None:
        """Keep a good answer; keep nothing if its server gave no ETag or forbids it."""
        if is_no_store:
            self.forget()
        elif meta.status == _NOT_MODIFIED:
            # Put again: it is the latest used, and may have been evicted meanwhile.
            self._cache.put(self._key, self._stored)
        elif meta.status == _OK and meta.etag is not None and _ENTITY_TAG.fullmatch(meta.etag):
            self._cache.put(self._key, StoredPage(meta.etag, body, meta.content_type))
        else:
            self.forget()

    def forget(self) -> None:
        """Keep nothing here: the next request asks for the whole page."""
        self._cache.put(self._key, None)


def checked_cache(cache: PageCache | None) -> PageCache | None:
    """Refuse anything but a cache, before anything is sent. Raises ConfigError."""
    if cache is not None and not isinstance(cache, PageCache):  # pyright: ignore[reportUnnecessaryIsInstance] - see PageCache
        raise ConfigError(f"cache is {cache!r:.100}; make a PageCache(), or leave it out", parameter="cache")
    return cache
