"""What a gateway or a cut has done to an answer is asked for again, in every call that reads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from periskope_async import (
    BodyError,
    ClosedError,
    DecodeError,
    PageCache,
    RetryPolicy,
    ServerError,
    Timeout,
    TimeoutError_,
)
from periskope_async.export import export_chats
from tests.flow.raw_server import RawServer, compressed, head, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from periskope_async import PeriskopeClient

pytestmark = [pytest.mark.usefixtures("nothing_left_over")]

# Not a whole number of pages: a walk need not look whether more follow.
COUNT = 290
AT_ONCE = RetryPolicy(tries=4, base=0.0)
ROWS = [b'{"chat_id":"%d@g.us","org_phone":"1@c.us","text":"\xc3\xa9 %s"}' % (n, b"y" * 80) for n in range(COUNT)]
IDS = [f"{n}@g.us" for n in range(COUNT)]
LENT_OR_OWN = pytest.mark.parametrize("is_lent", [False, True])


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def cut(encoding: str, framing: str, share: float = 0.6) -> Callable[[bytes], bytes]:
    """Give what cuts a page to a share of its bytes, while HTTP's framing is in order."""

    def odd(body: bytes) -> bytes:
        packed = compressed(encoding, body)
        packed = packed[: int(len(packed) * share)]
        lines = [f"Content-Encoding: {encoding}"] if encoding != "identity" else []
        match framing:
            case "chunked":
                return head(b"", *lines, "Transfer-Encoding: chunked") + chunked(packed)
            case "length":
                return head(b"", *lines, f"Content-Length: {len(packed)}") + packed
            case _:
                return head(b"", *lines, "Connection: close") + packed

    return odd


def says(status: str, body: bytes = b"", *lines: str, content_type: str = "text/html") -> Callable[[bytes], bytes]:
    said = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *lines, "", ""))
    return lambda _: said.encode() + body


def with_length(
    status: str, body: bytes = b"", *lines: str, content_type: str = "text/html"
) -> Callable[[bytes], bytes]:
    return says(status, body, f"Content-Length: {len(body)}", *lines, content_type=content_type)


CUTS: dict[str, Callable[[bytes], bytes]] = {
    **{f"{encoding}, chunked": cut(encoding, "chunked") for encoding in ("identity", "gzip", "deflate", "br", "zstd")},
    **{f"{encoding}, close": cut(encoding, "close") for encoding in ("identity", "gzip", "br", "zstd")},
    **{f"{encoding}, length": cut(encoding, "length") for encoding in ("gzip", "deflate", "br", "zstd")},
    "nothing, chunked": cut("identity", "chunked", 0),
    "nothing, close": cut("identity", "close", 0),
    "one byte, chunked": cut("identity", "chunked", 0.0001),
    "length of more": lambda body: head(body) + body[: len(body) // 2],
}
FOREIGN: dict[str, Callable[[bytes], bytes]] = {
    "html": with_length("200 OK", b"<html>login</html>"),
    "html in chunks": says("200 OK", chunked(b"<html>login</html>"), "Transfer-Encoding: chunked"),
    "html called JSON": with_length("200 OK", b"<!doctype html>", content_type="application/json"),
    "text called JSON": with_length("200 OK", b"upstream request timeout", content_type="application/json"),
    "text": with_length("200 OK", b"upstream connect error", content_type="text/plain"),
    "nothing": with_length("200 OK"),
    "blanks": with_length("200 OK", b" \r\n", content_type="application/json"),
    "202": with_length("202 Accepted", b"", "Retry-After: 0"),
    "202 with JSON": with_length("202 Accepted", b'{"status":"queued"}', content_type="application/json"),
    "203": with_length("203 Non-Authoritative Information", b"<html>"),
    "204": says("204 No Content"),
    "206": with_length("206 Partial Content", b'{"chats":[]}', content_type="application/json"),
    **{str(status): with_length(f"{status} x", b"<html>down</html>") for status in (425, 520, 522, 524, 530)},
}


def serving_chats(
    odd: dict[int, Callable[[bytes], bytes]], *, is_etag: bool = False, **client: Any
) -> AbstractAsyncContextManager[tuple[RawServer, PeriskopeClient]]:
    """Serve a list of chats; ``odd`` makes something else of the answers to the requests of these numbers."""
    targets: list[str] = []

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        body = ROWS[0]
        if (asked := urlsplit(targets[-1])).path == "/v1/chats":
            query = parse_qs(asked.query)
            offset, limit = int(query["offset"][0]), int(query["limit"][0])
            rows = ROWS[offset : offset + limit]
            body = b'{"from":%d,"to":%d,"count":%d,"chats":[%s]}' % (
                offset + 1,
                offset + len(rows),
                COUNT,
                b",".join(rows),
            )
        if number in odd:
            writer.write(odd[number](body))
            # Some of them end so, and the others get a new connection.
            writer.close()
        else:
            writer.write(head(body, f"Content-Length: {len(body)}", *(('ETag: "1"',) if is_etag else ())) + body)

    settings: dict[str, Any] = {"retry": AT_ONCE, **client}
    return raw_server(answer, targets=targets, **settings)


@pytest.mark.parametrize("odd", [*CUTS, *FOREIGN])
@pytest.mark.parametrize("is_raw", [False, True])
async def test_an_odd_answer_in_a_walk(odd: str, *, is_raw: bool) -> None:
    """The page is asked for again within the same tries, and no row is lost."""
    async with serving_chats({2: (CUTS | FOREIGN)[odd]}) as (server, client):
        pager = client.iter_chats(page_size=100, consistency="none", prefetch=1)
        if is_raw:
            assert await pager.raw().collect() == ROWS
        else:
            assert [chat.chat_id async for chat in pager] == IDS
            assert pager.report.requests == 4
    offsets = [parse_qs(urlsplit(target).query)["offset"][0] for target in server.targets]
    assert offsets == ["0", "100", "100", "200"]


KINDS = ["list", "get", "walk", "raw", "count", "export", "first"]


async def call(kind: str, client: PeriskopeClient, path: Path, cache: PageCache | None = None) -> object:
    pager = client.iter_chats(page_size=300, prefetch=1, consistency="none", cache=cache)
    result: object
    match kind:
        case "list":
            result = len(await client.list_chats(limit=300, cache=cache))
        case "get":
            result = (await client.get_chat("0@g.us")).chat_id
        case "walk":
            result = len(await pager.collect())
        case "raw":
            result = len(await pager.raw().collect())
        case "count":
            result = await pager.count()
        case "first":
            result = getattr(await pager.first(), "chat_id", None)
        case _:
            result = (await export_chats(pager, path / "out.jsonl")).rows
    return result


async def asked(server: RawServer, times: int) -> None:
    """Wait until the server was asked so often."""
    while len(server.targets) < times:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.001)


@LENT_OR_OWN
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ["gzip, chunked", "zstd, chunked", "identity, close", "html", "nothing", "202", "522"])
async def test_an_odd_answer_to_any_call(odd: str, kind: str, tmp_path: Path, *, is_lent: bool) -> None:
    async with serving_chats({1: (CUTS | FOREIGN)[odd]}, is_lent=is_lent) as (server, client):
        result = await call(kind, client, tmp_path)
    assert result == ("0@g.us" if kind in {"get", "first"} else COUNT)
    assert len(server.targets) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_always_cut_says_after_how_many_bytes(kind: str, tmp_path: Path) -> None:
    odd = dict.fromkeys(range(1, 5), cut("gzip", "chunked"))
    async with serving_chats(odd) as (server, client):
        with pytest.raises(BodyError, match=r"200: the body was cut off after [1-9]\d* bytes") as caught:
            await call(kind, client, tmp_path)
    assert len(server.targets) == caught.value.attempts == 4
    assert "given up after 4 tries" in caught.value.__notes__
    assert caught.value.meta is not None


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_always_foreign_is_a_decode_error(kind: str, tmp_path: Path) -> None:
    async with serving_chats(dict.fromkeys(range(1, 5), FOREIGN["html"])) as (server, client):
        with pytest.raises(DecodeError, match=r"found no JSON at \$ \(text/html\).*<html>login") as caught:
            await call(kind, client, tmp_path)
    assert len(server.targets) == 4
    assert caught.value.body_start == "<html>login</html>"
    assert "given up after 4 tries" in caught.value.__notes__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"[]", b'"ok"', b'{"error":"no"}', b'{"chats":'])
async def test_a_fault_of_the_server_is_final(body: bytes, kind: str, tmp_path: Path) -> None:
    """It comes whole, and would come again."""
    odd = {1: with_length("200 OK", body, content_type="application/json")}
    async with serving_chats(odd) as (server, client):
        with pytest.raises(DecodeError) as caught:
            await call(kind, client, tmp_path)
    assert len(server.targets) == 1
    assert not caught.value.retryable


@pytest.mark.parametrize("odd", ["gzip, chunked", "identity, close", "html", "202", "522"])
@pytest.mark.parametrize("kind", ["list", "walk", "raw", "export"])
async def test_an_odd_answer_is_not_kept_in_a_cache(kind: str, odd: str, tmp_path: Path) -> None:
    """A page that was cut off comes whole at the next try, and that one is kept."""
    cache = PageCache()
    async with serving_chats({1: (CUTS | FOREIGN)[odd], 3: FOREIGN["html"]}, is_etag=True) as (server, client):
        for _ in range(2):
            assert await call(kind, client, tmp_path, cache) == COUNT
    assert len(server.targets) == 4
    assert cache.pages == 1


async def test_an_odd_answer_leaves_the_rest_of_the_tries() -> None:
    """Cuts that are seen in reading, foreign answers and refusals are tries of one call."""
    odd = {
        1: cut("gzip", "chunked"),
        2: FOREIGN["html"],
        3: cut("identity", "close"),
        4: with_length("503 Service Unavailable"),
    }
    async with serving_chats(odd) as (server, client):
        with pytest.raises(ServerError) as caught:
            await client.list_chats(limit=10)
        assert "given up after 4 tries" in caught.value.__notes__
        page = await client.list_chats(limit=10)
    assert (len(server.targets), page.meta.attempts) == (5, 1)


async def test_a_retry_after_is_obeyed_whoever_says_it() -> None:
    odd = {1: with_length("202 Accepted", b"", "Retry-After: 60")}
    async with serving_chats(odd, retry=RetryPolicy(max_elapsed=5.0)) as (server, client):
        with pytest.raises(DecodeError):
            await client.list_chats(limit=10)
    assert len(server.targets) == 1


async def test_the_total_bounds_the_tries_after_a_cut() -> None:
    odd = dict.fromkeys(range(1, 200), cut("gzip", "chunked"))
    policy = RetryPolicy(tries=200, base=0.02, ceiling=0.02)
    async with serving_chats(odd, retry=policy, timeout=Timeout(total=0.2)) as (server, client):
        pager = client.iter_chats(page_size=300, prefetch=1, consistency="none")
        with pytest.raises(TimeoutError_, match=r"timeout\.total") as caught:
            await pager.collect()
    assert caught.value.phase == "total"
    # The last one may not have come to the server.
    assert 1 < len(server.targets) <= caught.value.attempts <= len(server.targets) + 1


async def test_closing_ends_the_tries_after_a_cut() -> None:
    odd = dict.fromkeys(range(1, 9), cut("gzip", "chunked"))
    async with serving_chats(odd, retry=RetryPolicy(base=30.0, ceiling=30.0)) as (server, client):
        walk = asyncio.create_task(client.iter_chats(page_size=300, prefetch=1).collect())
        await asked(server, 1)
        await asyncio.sleep(0.02)
        await client.close()
        with pytest.raises(ClosedError):
            await walk
    assert len(server.targets) == 1


@pytest.mark.parametrize("turns", [0, 1, 3, 10])
async def test_a_cancel_after_a_cut_loses_no_row(turns: int) -> None:
    """The walk goes on where it was."""
    async with serving_chats({2: cut("gzip", "chunked")}, retry=RetryPolicy(base=0.02)) as (server, client):
        pager = client.iter_chats(page_size=100, prefetch=1, consistency="none")
        pages = pager.pages()
        rows = [chat.chat_id for chat in (await anext(pages)).items]
        waiting = asyncio.ensure_future(anext(pages))
        await asked(server, 2)
        for _ in range(turns):
            await asyncio.sleep(0)
        if waiting.cancel():
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            rows += [chat.chat_id for chat in (await waiting).items]
        async for page in pages:
            rows += [chat.chat_id for chat in page.items]
    assert rows == IDS


async def test_time_in_the_queue_is_no_time_of_the_call() -> None:
    """A page that waited to be read has as much patience left as when it came."""
    policy = RetryPolicy(base=0.0, max_elapsed=0.1)
    async with serving_chats({2: cut("gzip", "chunked")}, retry=policy, timeout=Timeout(total=0.2)) as (server, client):
        pages = client.iter_chats(page_size=100, prefetch=3, consistency="none").pages()
        rows = len((await anext(pages)).items)
        await asked(server, 3)
        await asyncio.sleep(0.25)
        async for page in pages:
            rows += len(page.items)
    assert rows == COUNT
