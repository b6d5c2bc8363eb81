"""``periskope export all``: every list into a folder, and one manifest of them."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from periskope_async.cli.console import check_stdout, say, write_out
from periskope_async.cli.existing import Existing, FileFormat, read_patience
from periskope_async.cli.options import Exit, Server, Switch, open_client
from periskope_async.cli.progress import ExportProgress
from periskope_async.cli.summary import summarise, telling_what_is_kept
from periskope_async.cli.wording import amount, in_options, rows_of
from periskope_async.client.lists import LISTS
from periskope_async.errors import AuthenticationError, ExportBusyError, ExportError, PeriskopeError
from periskope_async.events import ResponseReceived
from periskope_async.export import ExportPlan, IfExists, Manifest, run_plan
from periskope_async.export.files import checked_target, not_opened, reason, refuse_foreign, remove, write_json
from periskope_async.export.formats import format_of
from periskope_async.export.manifest import read_manifest
from periskope_async.export.older import OVERWRITE, manifest_at, whole_one
from periskope_async.export.spool import refuse_foreign_spool
from periskope_async.export.threads import in_thread
from periskope_async.locked_file import close_locked, open_locked, remove_locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

    from periskope_async.client import PeriskopeClient

__all__ = ["NAMES", "export_all"]

# The documents do not say that these may be asked for without a phone.
_OF_A_PHONE = {"notifications", "reactions", "scheduled_messages"}
# Occurrences are a list of one scheduled message, and no list of the organisation.
NAMES = sorted(LISTS.keys() - {"occurrences"})
# Less than the time between two nightly runs: where a list fails each night, the others are read all the same.
_LONGEST_ENDED = timedelta(hours=12)
# Many nights: each may be too short for all lists.
_LONGEST_BROKEN_OFF = timedelta(days=7)
_ACCOUNT = msgspec.defstruct("Account", [(name, Manifest | str) for name in NAMES], forbid_unknown_fields=True)
"""The content of ``manifest.json``."""


class _Round(Struct, kw_only=True):
    """A run with lists left to read, as ``manifest.json.partial`` keeps it."""

    format: str
    if_exists: IfExists
    begun: datetime
    org_id: str | None = None
    """The organisation of the key, if the server named it."""
    phone: str | None = None
    """The only phone whose rows are asked for."""
    done: dict[str, str] = {}
    """The lists with a finished file, and the files' checksums."""
    has_ended: bool = False
    """Whether every list was asked for: those that are left have failed."""


class _Places(Struct, frozen=True):
    """The files of a run, behind all links."""

    account: Path
    round: Path
    outs: dict[str, Path]


class _Shown:
    """Shows the progress of the present list, and learns the organisation of the key. It is the client's hook."""

    now: ExportProgress | None = None
    org_id: str | None = None

    def __call__(self, event: Any, /) -> None:
        if isinstance(event, ResponseReceived):
            self.org_id = event.meta.org_id or self.org_id
        if self.now is not None:
            self.now(event)


def _folder(_type: type, tokens: Sequence[Token]) -> Path:
    """Refuse an empty text: pathlib takes it for the present folder."""
    if not tokens[0].value:
        raise ValueError("FOLDER is an empty name; give the name of a folder, or . for this one")
    return Path(tokens[0].value)


async def export_all(
    folder: Annotated[Path, Parameter(converter=_folder)],
    /,
    *,
    server: Server = Server(),  # noqa: B008 - frozen
    existing: Existing = Existing(),  # noqa: B008
    ending: Annotated[FileFormat, Parameter(name="--format")] = "jsonl",
    patience: str = "5m",
    restart: Switch = False,
    quiet: Switch = False,
    json: Switch = False,
) -> int:
    """Write every list to a file of its own in FOLDER, and manifest.json with what came of each.

    The same command goes on with the lists that are not finished: for 12 hours where a list failed, and for a week
    where the run was broken off. An update asks every list, only for what is new where the list has an order. Where
    PERISKOPE_PHONE is set, it takes that phone's rows alone, but for contacts, tickets, tasks and the knowledge base.

    Parameters
    ----------
    folder
        The folder; it is made where there is none.
    ending
        The format of every file.
    patience
        How long to wait for a server that is gone in mid-run, such as 1h.
    restart
        Read every list anew, also those that an earlier run finished.
    quiet
        No progress and no summary.
    json
        Print manifest.json, too.
    """
    seconds, if_exists, is_quiet = read_patience(patience), existing.if_exists, quiet or json
    if json:
        check_stdout()
    await in_thread(format_of("", ending).check, folder)
    shown = _Shown()
    async with open_client(server, hooks=(shown,), is_quiet=quiet) as client:
        with await in_thread(_made_and_locked, folder):
            places = await in_thread(_places_in, folder, ending)
            asked = _Round(format=ending, if_exists=if_exists, begun=datetime.now(UTC), phone=client.phone)
            current = (None if restart else await in_thread(_read_round, places.round, asked)) or asked
            owners = await in_thread(_owners, current, places, restart=restart)
            if current.done and not is_quiet:
                say(
                    None, f"going on with the run of {current.begun:%Y-%m-%d %H:%M} UTC; --restart reads all lists anew"
                )
            async with telling_what_is_kept(lambda: _kept(current, shown), is_quiet=is_quiet):
                phones = sorted(phone.phone_id for phone in await client.list_phones() if phone.org_phone)
                _check_owner(shown.org_id, current, places, owners)
                current.org_id = shown.org_id or current.org_id
                plans = {
                    name: ExportPlan(
                        sources=_sources(client, name, phones),
                        format=ending,
                        patience=seconds,
                        restart=restart,
                        if_exists=if_exists,
                    )
                    for name in NAMES
                }
                accounts = await _export_lists(plans, places, current, shown, is_quiet=is_quiet)
            await in_thread(write_json, places.account, accounts)
            if client.phone is not None and not is_quiet:
                say(None, f"only rows of the phone {client.phone} (PERISKOPE_PHONE), where a list is kept by phone")
            is_finished = current.done.keys() >= accounts.keys()
            if is_finished and if_exists != "update":
                await in_thread(remove, places.round)
            # The reader may be gone, but the run is over.
            if json:
                write_out(msgspec.json.encode(accounts) + b"\n")
            return Exit.OK if is_finished else Exit.PARTIAL


async def _export_lists(
    plans: dict[str, ExportPlan], places: _Places, current: _Round, shown: _Shown, *, is_quiet: bool
) -> dict[str, Manifest | str]:
    """Export the lists that are not finished; give the manifest of each, or the reason for having none."""
    accounts: dict[str, Manifest | str] = {}
    for name, plan in plans.items():
        out = places.outs[name]
        if (finished := await in_thread(_finished, current, name, out)) is not None:
            accounts[name] = finished
            continue
        account = accounts[name] = await _export(plan, out, name, shown, is_quiet=is_quiet)
        if isinstance(account, Manifest) and account.state != "partial":
            current.done[name] = account.sha256
        await in_thread(_keep, current, places)
    current.has_ended = True
    await in_thread(_keep, current, places)
    return accounts


async def _export(plan: ExportPlan, out: Path, name: str, shown: _Shown, *, is_quiet: bool) -> Manifest | str:
    """Export one list; give its manifest, or the reason for having none. Raises AuthenticationError."""
    what = rows_of(name)
    shown.now = progress = ExportProgress(what, is_quiet=is_quiet)
    progress.sources = 0 if plan.if_exists == "update" else len(plan.pagers)
    try:
        with progress:
            result = await run_plan(plan, out, progress=progress)
    except AuthenticationError:
        # The other lists would be refused as well.
        raise
    except PeriskopeError as error:
        # The text of an ExportError says what to do.
        advice = "" if isinstance(error, ExportError) else "; run the same command again to fetch it"
        say("✗", f"{what}: {in_options(error, phone='set PERISKOPE_PHONE')}{advice}")
        return f"{type(error).__name__}: {error}"
    if not is_quiet:
        summarise(result, what)
    shown.now = None
    return result.manifest


def _keep(current: _Round, places: _Places) -> None:
    """Keep what the next run goes on with. An update goes on with nothing: it always asks every list."""
    if current.if_exists != "update":
        write_json(places.round, current)


def _kept(current: _Round, shown: _Shown) -> str:
    finished = amount(len(current.done), "finished lists") if current.done else ""
    rows = shown.now.said_rows() if shown.now is not None else ""
    return ", ".join(filter(None, (finished, rows)))


def _sources(client: PeriskopeClient, name: str, phones: list[str]) -> Any:
    begin = getattr(client, f"iter_{name}")
    if name in _OF_A_PHONE and phones and client.phone is None:
        return {f"phone={phone}": begin(phone=phone) for phone in phones}
    return begin()


def _made_and_locked(folder: Path) -> ExitStack:
    """Make the folder, and keep other runs out of it. Raises ExportError.

    Two runs would take turns with the lists, and each would say that the other's had failed.
    """
    stack = ExitStack()
    path = folder / "manifest.json.lock"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{str(folder)!r} cannot be the folder of an export: {reason(error)}") from error
    try:
        fd, is_new = open_locked(path)
    except BlockingIOError:
        raise ExportBusyError(f"another run of `export all` to {str(folder)!r} is going on; wait for its end") from None
    except OSError as error:
        raise not_opened(path, error) from error
    if is_new:
        stack.callback(remove_locked, fd, path)
    else:
        stack.callback(close_locked, fd)
    return stack


def _places_in(folder: Path, ending: str) -> _Places:
    """Name the files of a run. Raises ExportError if one of them cannot be, or if the manifest is somebody else's."""
    names = {name: f"{name}.{ending}" for name in NAMES}
    account, round_ = (checked_target(folder / name) for name in ("manifest.json", "manifest.json.partial"))
    refuse_foreign(account, msgspec.json.Decoder(_ACCOUNT), "the manifest of all lists")
    return _Places(account, round_, {name: checked_target(folder / out) for name, out in names.items()})


def _owners(current: _Round, places: _Places, *, restart: bool) -> dict[Path, str]:
    """Give the organisations of the older exports that are to be replaced or updated, as far as they are known.

    Raises ExportError if a file is of no export: the other lists would be fetched before that is found.
    """
    owners: dict[Path, str] = {}
    for name, out in places.outs.items():
        if _finished(current, name, out) is not None:
            continue
        refuse_foreign_spool(out)
        # A whole new file of an earlier run may be in place, with an older manifest beside it.
        there = manifest_at(out, current.if_exists) if restart or whole_one(out) is None else None
        if there is not None and there.org_id:
            owners[out] = there.org_id
    return owners


def _check_owner(org_id: str | None, current: _Round, places: _Places, owners: dict[Path, str]) -> None:
    """Raise ExportError if files are of another organisation than the key."""
    if org_id is None:
        return
    if current.org_id not in {None, org_id}:
        raise ExportError(
            f"{str(places.round)!r} is of a run for the organisation {current.org_id}, and this key is of {org_id}. "
            "Use its key again, or add --restart to read every list anew"
        )
    for out, owner in owners.items():
        if owner != org_id:
            raise ExportError(
                f"{str(out)!r} is an export of the organisation {owner}, and this key is of {org_id}. {OVERWRITE}"
            )


def _finished(current: _Round, name: str, out: Path) -> Manifest | None:
    """Give the manifest of a file finished by this run before; None if it has to be read."""
    if name not in current.done or not out.exists():
        return None
    manifest = read_manifest(out)
    return manifest if manifest is not None and manifest.sha256 == current.done[name] else None


def _read_round(path: Path, asked: _Round) -> _Round | None:
    """Read the finished lists of an earlier run of the same kind; None if there is none to go on with."""
    if asked.if_exists == "update":
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Round)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ExportError(
            f"{str(path)!r} is damaged: {error}. Add --restart to throw it away and read every list anew"
        ) from error
    is_same = (found.format, found.if_exists, found.phone) == (asked.format, asked.if_exists, asked.phone)
    longest = _LONGEST_ENDED if found.has_ended else _LONGEST_BROKEN_OFF
    return found if is_same and found.begun >= asked.begun - longest else None
