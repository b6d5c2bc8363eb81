"""``periskope export``: whole listings into files."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields, replace
from inspect import signature
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
from cyclopts import App, Parameter

from periskope_async.cli.console import check_stdout, say, write_out
from periskope_async.cli.durations import say_duration
from periskope_async.cli.existing import Existing, FileFormat, hinting_at_phones, read_patience
from periskope_async.cli.export_all import NAMES, export_all
from periskope_async.cli.options import Exit, Server, Switch, Walking, open_client
from periskope_async.cli.progress import ExportProgress
from periskope_async.cli.summary import say_walk, summarise, telling_what_is_kept
from periskope_async.cli.tables import print_rows
from periskope_async.cli.wording import amount, in_options, refused_filter, rows_of
from periskope_async.client import PeriskopeClient
from periskope_async.config import normal_phone
from periskope_async.errors import ConfigError, ExportError, PeriskopeError
from periskope_async.export import ExportPlan, run_plan
from periskope_async.paging.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from periskope_async.cli.console import Sign
    from periskope_async.export import ExportResult, IfExists
    from periskope_async.paging.pager import Pager
    from periskope_async.paging.report import WalkReport

__all__ = ["export_app"]

export_app = App(name="export", help="Write whole listings to files that one can trust, also after a crash.")

_Names = Annotated[tuple[str, ...], Parameter(consume_multiple=False, negative=())]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """Which rows. An option that is given several times makes several walks, side by side under one limit."""

    phone: _Names = ()
    "Only this phone's rows: a number with its country code, or a phone id; also PERISKOPE_PHONE."
    all_phones: Switch = False
    "A walk for each phone that the organisation has linked."
    chat_id: str | None = None
    "Only this chat's rows."
    since: str | None = None
    "Only from this time on: 2025-04-25 or 2025-04-25T00:00:00Z."
    until: str | None = None
    "Only up to this time; a bare date means its whole day."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PhoneNarrowing(Narrowing):
    """The options of a list that has filters by phone only. The others are read all the same, to be refused by name."""

    chat_id: Annotated[str | None, Parameter(show=False)] = None
    since: Annotated[str | None, Parameter(show=False)] = None
    until: Annotated[str | None, Parameter(show=False)] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class NoNarrowing(PhoneNarrowing):
    """The options of a list without filters."""

    phone: Annotated[_Names, Parameter(show=False)] = ()
    all_phones: Annotated[Switch, Parameter(show=False)] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sources(Narrowing):
    """Which chats. An option that is given several times makes several walks, side by side under one limit."""

    label: _Names = ()
    "Only chats with this label, by its name or id."
    chat_type: Annotated[
        tuple[Literal["user", "group", "business"], ...], Parameter(consume_multiple=False, negative=())
    ] = ()
    "Only chats of this type."
    sort_by: Literal["created_at", "latest_message_timestamp"] | None = None
    "What to sort by; the server's default is created_at."
    sort_order: Literal["asc", "desc"] | None = None
    "Oldest or newest first; the server's default is desc."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Showing:
    """What to tell about the export."""

    dry_run: Switch = False
    "Ask for one page of each walk, and say how many requests and how long the export would take."
    quiet: Switch = False
    "No progress and no summary."
    json: Switch = False
    "Print the account of the export as JSON."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Writing:
    """How to write the file."""

    format: FileFormat | None = None
    "The format, where the ending of OUT does not tell it."
    merge: Switch = False
    "Write a row that several walks meet once, instead of once for each."
    repair_text: Switch = False
    "Replace half an emoji by U+FFFD in JSON lines too."
    csv_escape: bool = True
    "Whether cells that a spreadsheet would run as formulas get a leading apostrophe."
    patience: str = "5m"
    "How long to wait for a server that is gone in mid-run, such as 1h."
    restart: Switch = False
    "Throw away what an earlier run left, instead of going on with it."


def _refuse_options(_type: type, out: str) -> None:
    """Take a lone dash for stdout; any other text with a leading dash is a slip in an option's name."""
    if out.startswith("-") and out != "-":
        raise ValueError(f"there is no such option; a file of this name is ./{out}")


_Out = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        validator=_refuse_options,
        help="The file to write: .jsonl, .jsonl.gz, .jsonl.zst, .csv, .parquet, .sqlite or .duckdb; - writes JSON "
        "lines to stdout.",
    ),
]


def _filters_of(name: str) -> Collection[str]:
    """Give the arguments of a list's iterator, its filters among them."""
    return signature(getattr(PeriskopeClient, f"iter_{name}")).parameters


def _narrowing_of(name: str) -> type[Narrowing]:
    """Give the options for the filters of a list."""
    if name == "chats":
        return Sources
    filters = _filters_of(name)
    return Narrowing if "chat_id" in filters else PhoneNarrowing if "phone" in filters else NoNarrowing


def _command(name: str) -> Callable[..., Awaitable[int]]:
    """Make the command of a list."""

    async def command(
        out: _Out,
        /,
        *,
        server: Server = Server(),  # noqa: B008 - frozen
        narrowing: Narrowing = Narrowing(),
        walking: Walking = Walking(),  # noqa: B008
        writing: Writing = Writing(),
        existing: Existing = Existing(),  # noqa: B008
        showing: Showing = Showing(),
    ) -> int:
        return await _export(name, out, server, narrowing, walking, writing, existing, showing)

    narrowing = _narrowing_of(name)
    command.__annotations__ = {**command.__annotations__, "narrowing": narrowing}
    # Where pydantic is loaded, cyclopts has it check the default too.
    command.__kwdefaults__ = {**(command.__kwdefaults__ or {}), "narrowing": narrowing()}
    command.__doc__ = (
        f"Write all {rows_of(name)} to OUT, whole or not at all. A run that was broken off goes on where it was."
    )
    return command


for _name in NAMES:
    export_app.command(_command(_name), name=_name.replace("_", "-"))

export_app.command(export_all, name="all")


async def _export(
    name: str,
    out: str,
    server: Server,
    sources: Narrowing,
    walking: Walking,
    writing: Writing,
    existing: Existing,
    showing: Showing,
) -> int:
    _refuse_filters(name, sources)
    is_to_stdout = out == "-"
    if_exists = existing.if_exists
    if is_to_stdout:
        _refuse_for_stdout(writing, if_exists, showing)
    if showing.dry_run and if_exists == "update":
        raise ConfigError("how much is new is not known before; leave out --dry-run or --update", parameter="dry_run")
    if is_to_stdout or showing.json:
        check_stdout()
    what = rows_of(name)
    is_drawn = not (showing.quiet or showing.json or showing.dry_run or (is_to_stdout and sys.stdout.isatty()))
    progress = ExportProgress(what, max_items=walking.max_items, is_quiet=not is_drawn)
    with hinting_at_phones():
        async with open_client(server, hooks=(progress,), is_quiet=showing.quiet) as client:
            if sources.all_phones:
                sources = replace(sources, phone=await _phones(client, sources))
            sources = replace(sources, phone=tuple(dict.fromkeys(map(normal_phone, sources.phone))))
            filters = _filters(sources)
            # The number of new rows is not known before.
            progress.sources = 0 if if_exists == "update" else len(filters)
            pagers = {source: _pager(client, name, sources, walking, chosen) for source, chosen in filters.items()}
            if showing.dry_run:
                return await _estimate(client, pagers, walking, what=what, is_json=showing.json)
            with progress:
                if is_to_stdout:
                    return await _print(pagers, what=what, is_quiet=showing.quiet)
                plan = ExportPlan(
                    sources=pagers,
                    format=writing.format,
                    merge=writing.merge,
                    repair_text=writing.repair_text,
                    csv_escape=writing.csv_escape,
                    patience=read_patience(writing.patience),
                    restart=writing.restart,
                    if_exists=if_exists,
                    query=_query(sources, walking),
                )
                async with telling_what_is_kept(progress.said_rows, is_quiet=showing.quiet):
                    result = await run_plan(plan, out, progress=progress)
    if showing.json:
        _print_account(result)
    elif not showing.quiet:
        summarise(result, what)
    return Exit.PARTIAL if result.manifest.state == "partial" else Exit.OK


def _refuse_filters(name: str, sources: Narrowing) -> None:
    """Raise ConfigError for an option whose filter the list has not."""
    filters = {"all_phones": "phone", "since": "start_time", "until": "end_time"}
    for option in type(sources).__dataclass_fields__:
        if getattr(sources, option) not in {None, (), False} and filters.get(option, option) not in _filters_of(name):
            raise refused_filter(name, option)


def _refuse_for_stdout(writing: Writing, if_exists: IfExists, showing: Showing) -> None:
    """Raise ConfigError for an option that JSON lines on stdout would not obey: they are printed as they come."""
    if if_exists != "replace":
        raise ConfigError(
            f"--{if_exists} is for files; leave it out, or give a file in place of -", parameter=if_exists
        )
    if showing.json:
        raise ConfigError(
            "the rows go to stdout, so --json cannot print the account there; give a file", parameter="json"
        )
    for field in fields(writing):
        value = getattr(writing, field.name)
        if value != field.default and (field.name, value) != ("format", "jsonl"):
            option = f"--{'no-' if value is False else ''}{field.name.replace('_', '-')}"
            raise ConfigError(
                f"{option} is for files, and JSON lines go to stdout; leave it out, or give a file in place of -",
                parameter=field.name,
            )


async def _phones(client: PeriskopeClient, sources: Narrowing) -> tuple[str, ...]:
    """Name the linked phones, in a lasting order. Raises ConfigError if there is none."""
    if sources.phone:
        raise ConfigError("--all-phones and --phone exclude each other; leave one out", parameter="all_phones")
    # A phone has no number and no rows before it is linked.
    phones = sorted(phone.phone_id for phone in await client.list_phones() if phone.org_phone)
    if not phones:
        raise ConfigError("the organisation has linked no phone; leave out --all-phones", parameter="all_phones")
    return tuple(phones)


def _filters(sources: Narrowing) -> dict[str, dict[str, str]]:
    """Name each walk, and give its own filters: every phone with every label and every type."""
    asked: dict[str, tuple[str, ...]] = {
        option: values
        for option in ("phone", "label", "chat_type")
        if (values := tuple(dict.fromkeys(getattr(sources, option, ()))))
    }
    # All phones may be one today and two tomorrow.
    named = [option for option in asked if len(asked[option]) > 1 or (option == "phone" and sources.all_phones)]
    chosen = [dict(zip(asked, values, strict=True)) for values in product(*asked.values())]
    return {" ".join(f"{option}={own[option]}" for option in named): own for own in chosen}


def _pager(
    client: PeriskopeClient, name: str, sources: Narrowing, walking: Walking, chosen: dict[str, str]
) -> Pager[Any]:
    """Make the pager of a list."""
    begin: Callable[..., Pager[Any]] = getattr(client, f"iter_{name}")
    asked = {
        "chat_id": sources.chat_id,
        "start_time": sources.since,
        "end_time": sources.until,
        "sort_by": getattr(sources, "sort_by", None),
        "sort_order": getattr(sources, "sort_order", None),
        **chosen,
    }
    return begin(
        page_size=walking.page_size,
        max_items=walking.max_items,
        prefetch=walking.prefetch,
        consistency=walking.consistency,
        **{filter_: value for filter_, value in asked.items() if value is not None},
    )


def _query(sources: Narrowing, walking: Walking) -> dict[str, str]:
    """Give the query for the manifest."""
    asked = {name: getattr(sources, name) for name in type(sources).__dataclass_fields__}
    asked |= {"max_items": walking.max_items, "consistency": walking.consistency}
    return {
        name: ", ".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)
        for name, value in asked.items()
        if value is not False and value not in {None, ()}
    }


async def _print(pagers: dict[str, Pager[Any]], *, what: str, is_quiet: bool) -> int:
    reports: dict[str, WalkReport] = {}
    failures: dict[str, PeriskopeError] = {}
    for source, pager in pagers.items():
        try:
            reports[source] = await print_rows(pager, source=source if len(pagers) > 1 else "")
        except ExportError:
            # Nothing more can be written.
            raise
        except PeriskopeError as error:
            failures[source] = error
    if not reports:
        raise next(iter(failures.values()))
    is_partial = bool(failures)
    for source, report in reports.items():
        pager = pagers[source]
        is_as_asked = report.complete is True or report.rows_placed == pager.max_items
        is_partial = is_partial or (report.complete is False and not is_as_asked)
        if not is_quiet:
            sign: Sign = "✓" if is_as_asked else "?" if report.complete is None else "!"
            say(sign, f"{amount(report.rows_placed, what)} → -")
            say_walk(report, f"{source}: " if source else "")
    for source, failure in failures.items():
        say("✗", f"{source}: {in_options(failure)}; run the same command again to fetch it")
        for note in getattr(failure, "__notes__", ()):
            say(None, note)
    return Exit.PARTIAL if is_partial else Exit.OK


async def _estimate(
    client: PeriskopeClient, pagers: dict[str, Pager[Any]], walking: Walking, *, what: str, is_json: bool
) -> int:
    """Ask for one page of each walk, and estimate the cost of the whole."""
    page_size = walking.page_size
    overlap = Cursor(0, page_size=page_size, most_rows=page_size, overlaps=walking.consistency == "exact").overlap
    rows = requests = size = 0
    is_known = True
    for pager in pagers.values():
        async with pager.raw() as raw:
            async for page in raw.pages():
                count = page.count if page.count is not None else len(page.items)
                is_known = is_known and page.count is not None
                count = count if pager.max_items is None else min(count, pager.max_items)
                rows += count
                # One more page proves the end.
                requests += -(-count // (page_size - overlap)) + 1
                size += sum(map(len, page.items)) * count // max(1, len(page.items))
                break
    limit = client.rate_limit
    seconds = max(0.0, requests - limit.limit) / (limit.limit / limit.window) if limit.window else 0.0
    if is_json:
        account = {"rows": rows, "requests": requests, "seconds": seconds, "bytes": size, "is_known": is_known}
        write_out(msgspec.json.encode(account) + b"\n")
        return Exit.OK
    about = "" if is_known else " at least; the server does not say how many there are"
    say(None, f"{amount(rows, what)}{about}, about {size / 1e6:,.1f} MB as JSON lines")
    rule = f"the limit of {limit.limit} in {limit.window:g} s"
    time = f"they take {say_duration(seconds)} or more at {rule}" if seconds else f"{rule} holds up none of them"
    say(None, f"about {amount(requests, 'requests')}; {time}")
    return Exit.OK


def _print_account(result: ExportResult) -> None:
    # A name is bytes to the disk; JSON has room for text only.
    path = os.fsencode(result.path).decode(errors="backslashreplace")
    account: dict[str, Any] = {
        "path": path,
        "rows": result.rows,
        "bytes": result.bytes,
        "resumed_rows": result.resumed_rows,
    }
    reports = [source.report for source in result.manifest.sources.values()]
    if len(reports) == 1:
        account["report"] = reports[0]
    write_out(msgspec.json.encode({**account, "manifest": result.manifest}) + b"\n")
