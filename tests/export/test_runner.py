"""An export from a pager to a file, also where it is cancelled or fails on the way."""

from __future__ import annotations

import asyncio
import errno
import threading
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from periskope_async.errors import ExportError
from periskope_async.export import export_chats
from periskope_async.export.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path
    from typing import Self

    from periskope_async.models.chat import Chat
    from periskope_async.paging.pager import Pager

pytestmark = pytest.mark.usefixtures("nothing_left_over")


class Raw:
    """As much of a raw pager as an export uses."""

    report = cast("Any", None)

    def __init__(self, pages: list[list[bytes] | Exception]) -> None:
        self._pages = pages
        self.asked = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None: ...

    async def pages(self) -> AsyncIterator[SimpleNamespace]:
        for page in self._pages:
            self.asked += 1
            if isinstance(page, Exception):
                raise page
            yield SimpleNamespace(items=page)


def failing(_fd: int, _data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def pager_of(raw: Raw) -> Pager[Chat]:
    return cast("Pager[Chat]", SimpleNamespace(raw=lambda: raw))


@asynccontextmanager
async def held(monkeypatch: pytest.MonkeyPatch, method: str) -> AsyncGenerator[tuple[threading.Event, threading.Event]]:
    """Hold a method of the file in its thread: give what says that it began, and what lets it go on."""
    began, may_go_on = threading.Event(), threading.Event()
    at_once = getattr(WholeFile, method)

    def slowly(*arguments: Any) -> Any:
        began.set()
        assert may_go_on.wait(20)
        return at_once(*arguments)

    monkeypatch.setattr(WholeFile, method, slowly)
    yield began, may_go_on
    may_go_on.set()


async def test_every_row_is_in_the_file(tmp_path: Path) -> None:
    raw = Raw([[b'{"a":1}', b'{\n"b":2}'], [], [b'{"c":3}']])
    result = await export_chats(pager_of(raw), str(tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").read_bytes() == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    assert (result.rows, result.bytes, result.path) == (3, 24, tmp_path / "out.jsonl")


@pytest.mark.parametrize("name", ["", "no/such/folder", "circle"])
async def test_a_bad_target_costs_no_request(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    raw = Raw([[b"{}"]])
    with pytest.raises(ExportError):
        await export_chats(pager_of(raw), tmp_path / name)
    assert raw.asked == 0


@pytest.mark.parametrize("name", ["", ".", "new/", "new/.", "old/", "old//"])
async def test_a_name_of_a_folder_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    old = tmp_path / "old"
    old.write_text("old")
    raw = Raw([[b"{}"]])
    with pytest.raises(ExportError, match="names a folder"):
        await export_chats(pager_of(raw), name)
    assert raw.asked == 0
    assert list(tmp_path.iterdir()) == [old]  # noqa: ASYNC240 - nothing else runs
    assert old.read_text() == "old"


async def test_a_walk_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await export_chats(pager_of(Raw([[b"{}"], ZeroDivisionError()])), tmp_path / "out.jsonl")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("method", ["__init__", "write"])
@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancel_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, cancels: int
) -> None:
    """It waits for the thread that has the file, however often it comes."""
    async with held(monkeypatch, method) as (began, may_go_on):
        export = asyncio.ensure_future(export_chats(pager_of(Raw([[b"{}"]])), tmp_path / "out.jsonl"))
        await asyncio.to_thread(began.wait, 20)
        for _ in range(cancels):
            export.cancel()
            await asyncio.sleep(0)
        assert not export.done()
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await export
    assert names_in(tmp_path) == []


async def test_a_cancel_at_the_end_leaves_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with held(monkeypatch, "commit") as (began, may_go_on):
        export = asyncio.ensure_future(export_chats(pager_of(Raw([[b"{}"]])), tmp_path / "out.jsonl"))
        await asyncio.to_thread(began.wait, 20)
        export.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await export
    assert names_in(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_bytes() == b"{}\n"


async def test_an_error_of_the_disk_outdoes_no_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with held(monkeypatch, "write") as (began, may_go_on):
        monkeypatch.setattr("os.write", failing)
        export = asyncio.ensure_future(export_chats(pager_of(Raw([[b"{}"]])), tmp_path / "out.jsonl"))
        await asyncio.to_thread(began.wait, 20)
        export.cancel()
        await asyncio.sleep(0)
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await export
    assert names_in(tmp_path) == []
