"""One mirror writes to a file at a time, whatever name it has, and the next one may as soon as it ends."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from periskope_async import MirrorError, PeriskopeClient
from periskope_async.mirror import Mirror
from periskope_async.mirror.database import SQLite
from periskope_async.mirror.file_lock import FileLock
from periskope_async.mirror.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there, and nothing forks")


def test_a_link_is_another_name_of_the_same_file(tmp_path: Path) -> None:
    path, link = tmp_path / "2026.sqlite", tmp_path / "current.sqlite"
    link.symlink_to(path.name)
    for first, second in ((path, link), (link, path)):
        with closing(Store(SQLite(first))) as store:
            store.open([])
            with pytest.raises(MirrorError, match="another mirror writes to"):
                Store(SQLite(second)).open([])


def test_a_child_of_a_fork_does_not_hold_the_lock(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "mirror.sqlite"), FileLock(tmp_path / "mirror.sqlite")
    first.take()
    first.keep()
    # A fork, too, gives the child another descriptor of the same open file.
    of_child = os.dup(first._fd)
    first.release()
    second.take()
    second.release()
    os.close(of_child)


async def test_a_second_open_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sqlite"
    async with PeriskopeClient("pk-1") as client, Mirror(client, path) as mirror:
        with pytest.raises(MirrorError, match=r"mirror\.sqlite is open already; open it once, or close it before"):
            await mirror.open()
        with pytest.raises(MirrorError, match="another mirror writes to"):
            await Mirror(client, path).open()
        await mirror.close()
        await mirror.open()
