"""``periskope export all``: every list into a folder, and one manifest of them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from periskope_async.cli.console import say
from periskope_async.cli.options import Exit, Server, open_client
from periskope_async.client.lists import LISTS
from periskope_async.errors import AuthenticationError, PeriskopeError
from periskope_async.export import ExportPlan, run_plan
from periskope_async.export.files import beside, open_private, put_in_place, remove, sync, write_all

if TYPE_CHECKING:
    from periskope_async.export import Manifest

__all__ = ["export_all"]

# The server answers 422 where it is asked for these without a phone.
_OF_A_PHONE = {"notes", "notifications", "reactions", "scheduled_messages"}


async def export_all(
    folder: Path,
    /,
    *,
    server: Server = Server(),  # noqa: B008 - frozen
    ending: Annotated[str, Parameter(name="--format")] = "jsonl",
    quiet: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write every list to a file of its own in FOLDER, and manifest.json with what came of each.

    Parameters
    ----------
    folder
        The folder; it is made where there is none.
    ending
        The format of every file: jsonl, jsonl.gz, jsonl.zst, csv, parquet, sqlite or duckdb.
    quiet
        No summary.
    """
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    done: dict[str, Manifest | str] = {}
    is_partial = False
    async with open_client(server, is_quiet=quiet) as client:
        phones = sorted(phone.phone_id for phone in await client.list_phones() if phone.org_phone)
        # Occurrences are a list of one scheduled message, and no list of the organisation.
        for name in sorted(LISTS.keys() - {"occurrences"}):
            begin = getattr(client, f"iter_{name}")
            is_split = name in _OF_A_PHONE and bool(phones)
            sources = {f"phone={phone}": begin(phone=phone) for phone in phones} if is_split else begin()
            plan = ExportPlan(sources=sources, listing=LISTS[name], format=ending)
            try:
                result = await run_plan(plan, folder / f"{name}.{ending}")
            except AuthenticationError:
                raise
            except PeriskopeError as error:
                is_partial = True
                done[name] = f"{type(error).__name__}: {error}"
                say("✗", f"{name}: {error}; run the same command again to fetch it (it reads every list anew)")
                continue
            done[name] = result.manifest
            is_partial = is_partial or result.manifest.state == "partial"
            if not quiet:
                say("✓", f"{result.rows:,} {name.replace('_', ' ')} → {result.path}")
    _write(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n")
    return Exit.PARTIAL if is_partial else Exit.OK


def _write(path: Path, content: bytes) -> None:
    new = beside(path, ".new")
    remove(new)
    fd = open_private(new, is_new=True)
    try:
        write_all(fd, content)
        sync(fd)
    finally:
        os.close(fd)
    put_in_place(new, path)
