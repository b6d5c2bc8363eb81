"""Files that can be no mirror: they are refused in words, and nothing new is left beside them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from periskope_async import ConfigError, MirrorError
from tests.export.test_formats import needs
from tests.export.test_survival import room_for
from tests.mirror.test_others import opened

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, modes and limits are those of POSIX")


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
@pytest.mark.parametrize("room", [0, 4_096, 8_192])
def test_a_first_open_that_fails_is_done_again(tmp_path: Path, ending: str, room: int) -> None:
    needs(ending)
    path = tmp_path / f"mirror.{ending}"
    with room_for(room), pytest.raises(MirrorError, match="cannot write to"):
        opened(path)
    assert all(left.stat().st_mode & 0o777 == 0o600 for left in tmp_path.iterdir())
    opened(path)


def test_half_a_database_is_removed_and_a_link_to_it_stays(tmp_path: Path) -> None:
    needs("duckdb")
    link = tmp_path / "current.duckdb"
    link.symlink_to("2026.duckdb")
    with room_for(4_096), pytest.raises(MirrorError):
        opened(link)
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_a_mirror_is_closed_to_others_until_its_owner_opens_it(tmp_path: Path, ending: str) -> None:
    needs(ending)
    path = tmp_path / f"mirror.{ending}"
    opened(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    opened(path)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("ending", ["sqlite", "duckdb"])
def test_a_pipe_is_refused(tmp_path: Path, ending: str) -> None:
    needs(ending)
    path = tmp_path / f"pipe.{ending}"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"pipe\.\w+' is no plain file"):
        opened(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("length", [250, 300])
def test_a_name_too_long_leaves_nothing(tmp_path: Path, length: int) -> None:
    with pytest.raises(MirrorError, match="cannot write to"):
        opened(tmp_path / ("a" * length))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a?b.duckdb", "a?b/mirror.duckdb", "\udcc3.duckdb", "\udcc3/mirror.duckdb"])
def test_a_path_that_duckdb_misreads_is_refused(tmp_path: Path, name: str) -> None:
    needs("duckdb")
    with pytest.raises(ConfigError, match="DuckDB takes no path"):
        opened(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
