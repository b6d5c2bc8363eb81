"""An export is of one organisation: the key of another one replaces none of its files, and goes on with none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from periskope_async import AuthenticationError
from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.manifest import read_manifest
from periskope_async.export.parts import sum_up
from periskope_async.export.spool import Spool
from periskope_async.sandbox import HeaderChange, Pass, Status
from tests.export.test_formats import needs
from tests.export.test_replacing import bytes_in
from tests.export.test_runner import connected, stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_over")


@pytest.fixture
def take_key_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the server name another organisation from now on."""
    return lambda name: monkeypatch.setattr("periskope_async.sandbox.api.ORG_ID", name)


def owner_of(path: Path) -> str | None:
    manifest = read_manifest(path)
    assert manifest is not None
    return manifest.org_id


@pytest.mark.parametrize("chats", [0, 20])
@pytest.mark.parametrize("if_exists", ["replace", "update", "sweep"])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "sqlite"])
async def test_an_export_of_another_one_is_refused(
    tmp_path: Path, take_key_of: Callable[[str], None], ending: str, if_exists: Any, chats: int
) -> None:
    """Also where the other organisation has no rows."""
    needs(ending)
    out = tmp_path / f"out.{ending}"
    take_key_of("org-ours")
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), out)
    older = bytes_in(tmp_path)
    take_key_of("org-others")
    async with connected(chats=chats) as (sandbox, client):
        with pytest.raises(ExportError) as raised:
            await export(client.iter_chats(page_size=5, prefetch=1), out, if_exists=if_exists)
        said = str(raised.value)
        assert f"out.{ending}' is an export of the organisation org-ours, and this key is of org-others" in said
        assert "Nothing was changed" in said
        assert "--overwrite" in said
        assert bytes_in(tmp_path) == older
        assert len(sandbox.requests) <= 2
        await export(client.iter_chats(), out, if_exists="overwrite")
    assert owner_of(out) == ("org-others" if chats else None)


async def test_it_is_told_at_the_first_page(tmp_path: Path, take_key_of: Callable[[str], None]) -> None:
    async with connected(chats=100) as (sandbox, client):
        await export(client.iter_chats(), tmp_path / "out.jsonl")
        take_key_of("org-others")
        before = len(sandbox.requests)
        with pytest.raises(ExportError, match="this key is of org-others"):
            await export(client.iter_chats(page_size=5, prefetch=1), tmp_path / "out.jsonl")
        assert len(sandbox.requests) == before + 1


@pytest.mark.parametrize("who", ["there", "asking"])
async def test_one_that_the_server_does_not_name_is_no_other(tmp_path: Path, who: str) -> None:
    nameless = [HeaderChange(drop=("x-periskope-org-id",))] * 3
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(*(nameless if who == "there" else []))
        await export(client.iter_chats(), tmp_path / "out.jsonl")
        sandbox.script(*(nameless if who == "asking" else []))
        new = sandbox.insert()
        await export(client.iter_chats(), tmp_path / "out.jsonl")
    assert new in (tmp_path / "out.jsonl").read_text()


async def test_an_empty_list_keeps_the_known_owner(tmp_path: Path, take_key_of: Callable[[str], None]) -> None:
    take_key_of("org-ours")
    async with connected(chats=1) as (sandbox, client):
        await export(client.iter_chats(), tmp_path / "out.jsonl")
        sandbox.remove(0)
        await export(client.iter_chats(), tmp_path / "out.jsonl")
    assert owner_of(tmp_path / "out.jsonl") == "org-ours"


@pytest.mark.parametrize("has_more", [True, False])
async def test_a_spool_of_another_one_is_refused(
    tmp_path: Path, take_key_of: Callable[[str], None], *, has_more: bool
) -> None:
    take_key_of("org-ours")
    async with connected(chats=20) as (sandbox, client):
        sandbox.script(Pass(), Pass(), Status(401))
        with pytest.raises(AuthenticationError):
            await export(client.iter_chats(page_size=5, prefetch=1), tmp_path / "out.jsonl")
    older = bytes_in(tmp_path)
    take_key_of("org-others")
    async with connected(chats=20 if has_more else 0) as (_, client):
        with pytest.raises(ExportError, match=r"out\.jsonl\.partial' is of the organisation org-ours.*--restart"):
            await export(client.iter_chats(page_size=5, prefetch=1), tmp_path / "out.jsonl")
        assert bytes_in(tmp_path) == older
        await export(client.iter_chats(), tmp_path / "out.jsonl", restart=True)


async def test_a_spool_does_not_replace_a_file_of_another_one(
    tmp_path: Path, take_key_of: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows were fetched to overwrite it, and a plain export follows: no answer tells the organisation."""
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (sandbox, client):
        take_key_of("org-ours")
        await export(client.iter_chats(), out)
        take_key_of("org-others")
        with monkeypatch.context() as patched:
            patched.setattr(Spool, "make", stop)
            with pytest.raises(ZeroDivisionError):
                await export(client.iter_chats(), out, if_exists="overwrite")
        older, before = bytes_in(tmp_path), len(sandbox.requests)
        with pytest.raises(ExportError, match=r"organisation org-ours, and '.*out\.jsonl\.partial' is of org-others"):
            await export(client.iter_chats(), out)
        assert (bytes_in(tmp_path), len(sandbox.requests)) == (older, before)
        assert (await export(client.iter_chats(), out, if_exists="overwrite")).resumed_rows == 20
    assert owner_of(out) == "org-others"


async def test_parts_of_two_are_no_export(tmp_path: Path, take_key_of: Callable[[str], None]) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    async with connected(chats=20) as (_, client):
        for path, name in zip(paths, ("org-ours", "org-others"), strict=True):
            take_key_of(name)
            await export(client.iter_chats(), path)
    with pytest.raises(ExportError, match="parts are of several organisations, org-others and org-ours"):
        sum_up(tmp_path, paths)
    assert not (tmp_path / "manifest.json").exists()
