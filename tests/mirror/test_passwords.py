"""No error of a mirror shows the password of its database: not in its text, and not in its frames."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from periskope_async import ConfigError, MirrorError, PeriskopeClient
from periskope_async.mirror import Mirror
from periskope_async.mirror.database import database_for
from periskope_async.mirror.lists import CHATS
from periskope_async.mirror.store import Store
from tests.flow.crash_report import crash_report

if TYPE_CHECKING:
    from pathlib import Path

SLIPS = [
    "postgresql:/u:hidden@h/x",
    "postgresql:u:hidden@h/x",
    "postgres:/u:hidden@h/x",
    "postgresql+asyncpg://u:hidden@h/x",
    "POSTGRESQL://u:hidden@h/x",
    "mysql://u:hidden@h/x",
    "host=h user=u password=hidden",
    "postgresql://u:hid/hidden@h/x",
    "postgresql://u:1/hidden@h/x",
    "postgresql://u:1?hidden@h/x",
    "postgresql://u:1#hidden@h/x",
    "postgresql://u:p@hidden@h/x",
    "postgresql://u:%zzhidden@h/x",
    "postgresql://u:hidden@h:port/x",
    "postgresql://u:hidden",
    "postgresql://u:hidden@[h/x",
    "postgresql://u:hidden@h/x?no=such",
]


@pytest.mark.parametrize("target", SLIPS)
def test_a_mistyped_url_is_refused_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="postgresql://") as caught:
        Mirror(PeriskopeClient("pk-1"), target)
    assert "hidden" not in crash_report(caught.value)
    assert not list(tmp_path.iterdir())


async def test_a_server_that_is_away_is_told_without_the_password() -> None:
    async with PeriskopeClient("pk-1") as client:
        mirror = Mirror(client, "postgresql://me:hidden@127.0.0.1:9/chats")
        with pytest.raises(MirrorError, match=r"cannot write to postgresql://.*/chats") as caught:
            await mirror.open()
    assert "hidden" not in crash_report(caught.value)


def test_an_error_of_a_statement_does_not_show_the_password(postgres_database: str) -> None:
    url = f"{postgres_database}&password=hidden"
    with closing(Store(database_for(url))) as store:
        store.open([CHATS])
        store._database.execute("DROP TABLE chats")
        with pytest.raises(MirrorError) as caught:
            store.count(CHATS)
    assert "hidden" not in crash_report(caught.value)


@pytest.mark.parametrize("name", ["chats:2026.sqlite", "a=b.sqlite", "password.duckdb"])
def test_other_names_are_of_files(tmp_path: Path, name: str) -> None:
    assert database_for(tmp_path / name).name == str(tmp_path / name)
