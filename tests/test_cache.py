"""The page cache by itself: its bound, its keys, and what it agrees to keep."""

from __future__ import annotations

import gc
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from periskope_async import ConfigError, DecodeError, PageCache, PeriskopeClient, ResponseMeta
from periskope_async.config import Secret
from periskope_async.transport import Answer
from tests.reading import chat_page_steps

if TYPE_CHECKING:
    from periskope_async.cache import CacheSlot

KEY = Secret("sk-periskope-0123456789")
URL = "https://api.periskope.app/v1/chats?offset=0&limit=10"


def slot_of(
    cache: PageCache, url: str = URL, *, phone: str | None = None, api_key: Secret = KEY, max_body: int = 1 << 20
) -> CacheSlot:
    return cache.slot(url, phone=phone, api_key=api_key, max_body=max_body)


def keep(cache: PageCache, url: str, body: bytes, etag: str | None = '"1"') -> None:
    slot_of(cache, url).keep(ResponseMeta(status=200, etag=etag), body, is_no_store=False)


@given(
    max_bytes=st.integers(1, 40),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(1, 50))), max_size=60),
)
def test_the_least_recently_used_pages_go_first_and_the_bound_holds(
    max_bytes: int, steps: list[tuple[str, int | None]]
) -> None:
    cache = PageCache(max_bytes=max_bytes)
    expected: dict[str, int] = {}  # from the least to the most recently used
    for url, size in steps:
        if size is None:
            slot = slot_of(cache, url)
            assert (slot.etag is not None) == (url in expected)
            if url in expected:
                expected[url] = expected.pop(url)
            continue
        keep(cache, url, b"x" * size)
        expected.pop(url, None)
        if size <= max_bytes:
            expected[url] = size
        while sum(expected.values()) > max_bytes:
            del expected[next(iter(expected))]
        assert (cache.pages, cache.bytes_kept) == (len(expected), sum(expected.values()))
    assert {url for url in "abcdef" if slot_of(cache, url).etag} == set(expected)


def test_threads_that_share_a_cache_keep_its_books_right() -> None:
    cache = PageCache(max_bytes=200)
    urls = [str(number) for number in range(20)]

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(2_000):
            keep(cache, rng.choice(urls), b"x" * rng.randrange(1, 60))
            if rng.random() < 0.01:
                cache.clear()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert 0 < cache.bytes_kept <= 200
    for url in urls:
        slot_of(cache, url).forget()
    assert (cache.pages, cache.bytes_kept) == (0, 0)


def test_url_phone_and_key_each_have_their_own_pages() -> None:
    cache = PageCache()
    keep(cache, URL, b"{}")
    assert slot_of(cache).etag == '"1"'
    assert slot_of(cache, URL.replace("app", "dev")).etag is None
    assert slot_of(cache, URL + "0").etag is None
    assert slot_of(cache, phone="919971844008").etag is None
    assert slot_of(cache, api_key=Secret("another")).etag is None


def test_no_key_and_no_phone_can_be_read_from_a_cache() -> None:
    cache = PageCache()
    slot = slot_of(cache, phone="919971844008")
    slot.keep(ResponseMeta(status=200, etag='"1"'), b"{}", is_no_store=False)
    pending: list[object] = [cache, slot]
    seen: set[int] = set()
    shown = ""
    while pending:
        item = pending.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        shown += repr(item)
        pending += gc.get_referents(item)
    assert "PageCache" in shown
    assert "0123456789" not in shown
    assert "919971844008" not in shown


@pytest.mark.parametrize("etag", ['"a"', 'W/"a"', '""', '"a,b"', r'"a\b"', '"1f-Xa/+9\'{}~!"', '"' + "a" * 1000 + '"'])
def test_an_entity_tag_is_kept_as_it_was_sent(etag: str) -> None:
    cache = PageCache()
    keep(cache, URL, b"{}", etag)
    assert slot_of(cache).etag == etag


@pytest.mark.parametrize(
    "etag",
    [
        *(None, "", "*", "abc", '"a', 'a"', 'w/"a"', '"a" ', '"a b"', '"a","b"'),
        *('"a\r\nX: y"', '"ä"', '"\udce4"', '"\x7f"', f'"{"a" * 1001}"'),
    ],
)
def test_what_is_no_entity_tag_is_not_kept_and_ends_what_was(etag: str | None) -> None:
    cache = PageCache()
    keep(cache, URL, b"{}")
    keep(cache, URL, b"{}", etag)
    assert slot_of(cache).etag is None
    assert cache.bytes_kept == 0


@pytest.mark.parametrize(("status", "is_no_store"), [(203, False), (206, False), (200, True)])
def test_only_a_200_that_may_be_kept_is(status: int, is_no_store: bool) -> None:  # noqa: FBT001 - parametrised
    cache = PageCache()
    slot_of(cache).keep(ResponseMeta(status=status, etag='"1"'), b"{}", is_no_store=is_no_store)
    assert cache.pages == 0


def test_a_slot_holds_its_page_whatever_happens_to_the_cache_and_puts_it_back() -> None:
    cache = PageCache(max_bytes=10)
    keep(cache, URL, b"old")
    slot = slot_of(cache)
    cache.clear()
    assert (cache.pages, cache.bytes_kept) == (0, 0)
    page = slot.page_for(304)
    assert page is not None
    assert (page.body, cache.hits) == (b"old", 1)
    slot.keep(ResponseMeta(status=304), page.body, is_no_store=False)
    assert slot_of(cache).etag == '"1"'
    slot.keep(ResponseMeta(status=304), page.body, is_no_store=True)
    assert slot_of(cache).etag is None


def test_only_a_304_for_what_is_kept_gives_a_page() -> None:
    cache = PageCache()
    assert slot_of(cache).page_for(304) is None
    keep(cache, URL, b"{}")
    assert slot_of(cache).page_for(200) is None
    assert cache.hits == 0


def test_a_page_above_the_callers_max_body_is_not_asked_about() -> None:
    cache = PageCache()
    keep(cache, URL, b"12345")
    assert slot_of(cache, max_body=5).etag == '"1"'
    assert slot_of(cache, max_body=4).etag is None


async def test_a_page_that_cannot_be_read_is_forgotten() -> None:
    cache = PageCache()
    keep(cache, URL, b"{")
    slot = slot_of(cache)
    with pytest.raises(DecodeError):
        await Answer(ResponseMeta(status=304), b"{", None, slot=slot).read(chat_page_steps)
    assert slot_of(cache).etag is None


def test_the_repr_tells_pages_bytes_and_hits() -> None:
    cache = PageCache(max_bytes=1000)
    keep(cache, URL, b"123")
    slot_of(cache).page_for(304)
    assert repr(cache) == "<PageCache 1 pages, 3 of 1000 bytes, 1 hits>"
    assert cache.max_bytes == 1000


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "64", True, None])
def test_a_wrong_bound_is_told(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="max_bytes"):
        PageCache(max_bytes=wrong)


@pytest.mark.parametrize("wrong", [True, {}, PageCache, "memory"])
async def test_what_is_no_cache_is_told_before_anything_is_sent(wrong: Any) -> None:
    client = PeriskopeClient("key")
    with pytest.raises(ConfigError, match="cache"):
        client.iter_chats(cache=wrong)
    with pytest.raises(ConfigError, match="cache"):
        await client.list_chats(cache=wrong)
