"""One self-contained HTML page of an export of chats. Needs plotly (the extra ``report``)."""

from __future__ import annotations

import html
import os
from datetime import date, datetime, time, timedelta
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from periskope_async.client.lists import CHATS
from periskope_async.errors import ConfigError, ExportError
from periskope_async.export.files import beside, checked_target, failed, write_whole
from periskope_async.export.formats import format_of
from periskope_async.export.manifest import read_manifest
from periskope_async.export.older import rows_of, sha256
from periskope_async.export.overview import MOST_LISTED, Overview, overview
from periskope_async.export.update import batches
from periskope_async.tables.columns import table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from periskope_async.export.manifest import Manifest

__all__ = ["write_report"]

_MARK = b'content="periskope report"'
_MOST_BARS = 15
_MOST_LABEL = 36
_BAR_PIXELS, _EDGE_PIXELS = 26, 60
_DAY_MILLISECONDS = 86_400_000
_LEAST_DAYS = 10


def write_report(
    export: str | os.PathLike[str],
    page: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002 - the plan's name for it
) -> Path:
    """Draw the page of an export, and give its path: by default the export's with ``.html`` behind it.

    It opens offline, loads nothing, and is readable by its owner only. Only an older report is replaced. Blocks. Raises
    ConfigError if plotly is missing or the format is unknown. Raises ExportError if the file cannot be read or is no
    export of chats, or if the page cannot be written.
    """
    source = Path(export)
    if not source.is_file():
        raise ExportError(f"there is no file {str(source)!r}")
    # An export writes through a link, and its manifest is beside the file.
    file = Path(os.path.realpath(source))
    target = checked_target(beside(source, ".html") if page is None else page)
    _refuse_foreign(target)
    graphs, script = _plotly()
    form, table = format_of(source.name, format), table_of(CHATS)
    manifest = read_manifest(file)
    if manifest is not None and manifest.list != CHATS.key:
        raise ExportError(f"{str(source)!r} is an export of {manifest.list}; a report is drawn of chats")
    found = overview(table, batches(table, rows_of(file, form, table)))
    total = found.chats + found.gone
    if manifest is None and total and not found.is_of_chats:
        raise ExportError(f"{str(source)!r} is no export of chats; a report is drawn of one")
    data = {
        "title": f"Chats in {_name_of(source)}",
        "about": _about(source, manifest, is_changed=manifest is not None and sha256(file) != manifest.sha256),
        "tiles": _tiles(found),
        "figures": _figures(graphs, found),
        "rows": found.listed,
        "among": f" among the {MOST_LISTED:,} newest of {total:,}" if total > MOST_LISTED else "",
    }
    # A "<" could end the script's element.
    text = msgspec.json.encode(data).replace(b"<", rb"\u003c")
    template = files("periskope_async.export").joinpath("report.html").read_bytes()
    head, middle, tail = template.replace(b"__PLOTLY__", b"__DATA__").split(b"__DATA__")
    write_whole(target, b"".join([head, text, middle, script.encode(), tail]))
    return target


def _plotly() -> tuple[Any, str]:
    """Load plotly. Raises ConfigError."""
    try:
        return import_module("plotly.graph_objects"), import_module("plotly.offline").get_plotlyjs()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a report needs the package {error.name!r}: pip install 'periskope-async[report]'", parameter="report"
        ) from None


def _name_of(source: Path) -> str:
    """Give a file's name for people: its bytes may be no UTF-8."""
    return os.fsencode(source.name).decode(errors="backslashreplace")


def _about(source: Path, manifest: Manifest | None, *, is_changed: bool) -> str:
    name = _name_of(source)
    if manifest is None:
        return f"{name}, with no manifest beside it"
    state = {"whole": "whole", "unknown": "whole or not is unknown", "partial": "partial"}[manifest.state]
    state = "changed since" if is_changed else state
    return f"{name}, exported {manifest.finished:%Y-%m-%d %H:%M} UTC, {state}"


def _tiles(found: Overview) -> list[tuple[str, int, str]]:
    gone = f"and {found.gone:,} that are gone" if found.gone else ""
    return [
        ("Chats", found.chats, gone),
        ("Groups", found.groups, _share(found.groups, found.chats)),
        ("With unread messages", found.with_unread, _share(found.with_unread, found.chats)),
        ("Unread messages", found.unread, ""),
        ("With a message", found.days.total(), _share(found.days.total(), found.chats)),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%} of all" if whole else ""


def _figures(graphs: Any, found: Overview) -> list[dict[str, Any]]:
    unit, activity = found.activity()
    labels = found.labels.most_common(_MOST_BARS)
    rest = f", the {_MOST_BARS} most frequent of {len(found.labels):,}" if len(found.labels) > _MOST_BARS else ""
    groups = found.busiest_groups(_MOST_BARS)
    unread = found.most_unread[:_MOST_BARS]
    return [
        _figure(
            "Activity over time",
            f"Chats by the {unit} of their latest message",
            _columns(graphs, activity, is_by_day=unit == "day") if activity else None,
            is_wide=True,
        ),
        _figure("By type", "Chats", _bars(graphs, found.types.most_common(_MOST_BARS))),
        _figure("By label", f"Chats{rest}", _bars(graphs, labels)),
        _figure(
            "Unread",
            "Chats with the most unread messages",
            _bars(graphs, [(line.name, line.unread) for line in unread]),
        ),
        _figure(
            "Busiest groups",
            "Active in the last week of the data, by members",
            _bars(graphs, [(line.name, line.members) for line in groups]),
        ),
    ]


def _figure(title: str, note: str, chart: msgspec.Raw | None, *, is_wide: bool = False) -> dict[str, Any]:
    return {"title": title, "note": note, "chart": chart, "is_wide": is_wide}


def _columns(graphs: Any, counts: Sequence[tuple[date, int]], *, is_by_day: bool) -> msgspec.Raw:
    days, values = zip(*counts, strict=True)
    trace = graphs.Bar(x=days, y=values, hovertemplate="%{x}: %{y:,}<extra></extra>")
    xaxis: dict[str, Any] = {"type": "date"}
    if is_by_day:
        # Plotly gives a single bar an axis of milliseconds, and a few of them one of hours.
        trace.width = 0.75 * _DAY_MILLISECONDS
        edge = timedelta(days=max(1, _LEAST_DAYS - (days[-1] - days[0]).days) / 2)
        first, last = (datetime.combine(day, time()) for day in (days[0], days[-1]))
        xaxis["range"] = [first - edge, last + edge]
    return _chart(graphs, trace, height=280, xaxis=xaxis, yaxis={"rangemode": "tozero", "automargin": True})


def _bars(graphs: Any, counts: Sequence[tuple[str, int]]) -> msgspec.Raw | None:
    if not counts:
        return None
    # The axis has positions, not names: two chats may have the same name, and "2024" would be read as a number.
    places = list(range(len(counts)))
    names = [_plain(name) for name, _ in counts]
    trace = graphs.Bar(
        orientation="h",
        x=[count for _, count in counts],
        y=places,
        customdata=names,
        text=[f"{count:,}" for _, count in counts],
        textposition="auto",
        hovertemplate="%{customdata}: %{x:,}<extra></extra>",
    )
    axis = {"tickvals": places, "ticktext": names, "autorange": "reversed", "automargin": True, "showgrid": False}
    height = _EDGE_PIXELS + _BAR_PIXELS * max(3, len(counts))
    return _chart(graphs, trace, height=height, xaxis={"rangemode": "tozero"}, yaxis=axis)


def _chart(graphs: Any, trace: Any, *, height: int, xaxis: dict[str, Any], yaxis: dict[str, Any]) -> msgspec.Raw:
    margin = {"l": 10, "r": 10, "t": 10, "b": 30}
    figure = graphs.Figure(trace)
    figure.update_layout(
        template="none", height=height, margin=margin, bargap=0.25, xaxis=xaxis, yaxis=yaxis, dragmode=False
    )
    return msgspec.Raw(figure.to_json().encode())


def _plain(name: str) -> str:
    """Escape a text of the server, because plotly takes tags in it for markup."""
    cut = name if len(name) <= _MOST_LABEL else f"{name[: _MOST_LABEL - 1]}…"
    return html.escape(cut, quote=False)


def _refuse_foreign(target: Path) -> None:
    """Raise ExportError if the page would replace a file other than a report."""
    try:
        with target.open("rb") as file:
            start = file.read(1_000)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(target, error) from error
    if start and _MARK not in start:
        raise ExportError(f"{str(target)!r} is there, and is no report. Nothing was changed; give another name")
