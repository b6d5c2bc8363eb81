"""The page that is drawn from an export: what it counts, and that text of the server never becomes markup in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from periskope_async import ConfigError
from periskope_async.client.lists import CHATS
from periskope_async.errors import ExportError
from periskope_async.export import export
from periskope_async.export.overview import overview
from periskope_async.export.update import batches
from periskope_async.tables.columns import table_of
from tests.cli.running import periskope
from tests.export.test_formats import FORMATS, needs
from tests.export.test_runner import connected

HOSTILE = [
    "<b>bold</b><a href='javascript:alert(1)'>x</a>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "2024-01-01",
    "$x^2$ %{x} &lt;b&gt;",
    "same",
    "same",
    " \u202eevil\nline",
]
# A distribution's package, or where another one is.
BROWSER = os.environ.get("PERISKOPE_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def chat(number: int, name: str = "", **more: Any) -> dict[str, Any]:
    return {"chat_id": f"{number}@g.us", "chat_name": name or f"chat {number}", "chat_type": "group", **more}


def latest(time: str) -> dict[str, Any]:
    return {"latest_message": {"message_id": "m", "timestamp": time}}


def of(*chats: dict[str, Any], gone_at: datetime | None = None) -> Any:
    table = table_of(CHATS)
    return overview(table, batches(table, [(json.dumps(each).encode(), "", gone_at) for each in chats]))


def written(folder: Path, *chats: dict[str, Any]) -> Path:
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in chats))
    return path


def drawn(path: Path, **options: Any) -> Path:
    pytest.importorskip("plotly", reason="plotly is in an extra")
    from periskope_async.export.report import write_report

    return write_report(path, **options)


def data_in(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


# What it counts


def test_numbers_of_a_report() -> None:
    found = of(
        chat(1, labels=["vip"], message_unread_count=3, member_count=9, **latest("2025-01-02T10:00:00Z")),
        chat(2, label_ids={"label-a": True, "label-b": False}, unread_count={"a@b.c": 2, "d@e.f": 5, "g@h.i": None}),
        {"chat_id": "3@c.us", "chat_type": None, "unread_count": "odd", **latest("2025-01-02T23:59:59Z")},
    )
    assert (found.chats, found.groups, found.gone, found.with_unread, found.unread) == (3, 2, 0, 2, 8)
    assert found.types == {"group": 2, "unknown": 1}
    assert found.labels == {"vip": 1, "label-a": 1}
    assert found.activity() == ("day", [(date(2025, 1, 2), 2)])
    assert [line.chat_id for line in found.listed] == ["3@c.us", "1@g.us", "2@g.us"]
    assert [line.unread for line in found.most_unread] == [5, 3]
    assert [line.members for line in found.busiest_groups(5)] == [9]


def test_chats_that_are_gone_are_listed_and_not_counted() -> None:
    found = of(chat(1, **latest("2025-01-02T10:00:00Z")), gone_at=datetime(2025, 2, 1, tzinfo=UTC))
    assert (found.chats, found.gone, found.activity()) == (0, 1, ("day", []))
    assert found.listed[0].is_gone


def test_a_long_time_is_told_by_the_month() -> None:
    found = of(*[chat(day, **latest(f"2025-0{day % 5 + 1}-15T00:00:00Z")) for day in range(10)])
    assert found.activity() == ("month", [(date(2025, month, 1), 2) for month in range(1, 6)])


def test_a_single_day_of_each_month_is_told_by_the_month() -> None:
    found = of(*[chat(month, **latest(f"2025-0{month}-15T00:00:00Z")) for month in range(1, 6)])
    assert found.activity() == ("month", [(date(2025, month, 1), 1) for month in range(1, 6)])


def test_busy_groups_are_those_of_the_last_week() -> None:
    found = of(
        chat(1, member_count=5, **latest("2025-05-30T00:00:00Z")),
        chat(2, member_count=7, **latest("2025-05-31T00:00:00Z")),
        chat(3, member_count=900, **latest("2025-05-01T00:00:00Z")),
    )
    assert [line.members for line in found.busiest_groups(5)] == [7, 5]
    assert of().busiest_groups(5) == []


def test_no_group_is_busy_that_is_gone() -> None:
    table, there, gone = (
        table_of(CHATS),
        chat(1, **latest("2025-05-01T00:00:00Z")),
        chat(2, **latest("2025-05-31T00:00:00Z")),
    )
    rows = [(json.dumps(there).encode(), "", None), (json.dumps(gone).encode(), "", datetime(2025, 6, 1, tzinfo=UTC))]
    found = overview(table, batches(table, rows))
    assert [line.chat_id for line in found.listed] == ["2@g.us", "1@g.us"]
    assert [line.chat_id for line in found.busiest_groups(5)] == ["1@g.us"]


def test_a_chat_without_any_name_has_none() -> None:
    assert [line.name for line in of(chat(1), {"chat_type": "user"}).listed] == ["chat 1", ""]


# The page


@pytest.mark.parametrize("ending", FORMATS)
async def test_every_format_is_drawn(tmp_path: Path, ending: str) -> None:
    needs(ending)
    out = tmp_path / f"out.{ending}"
    async with connected(chats=60) as (sandbox, client):
        await export(client.iter_chats(), out)
        groups = len(sandbox.chat_ids(chat_type="group"))
    page = drawn(out)
    assert page == tmp_path / f"out.{ending}.html"
    assert page.stat().st_mode & 0o777 == 0o600
    data = data_in(page)
    assert [value for _, value, _ in data["tiles"]][:2] == [60, groups]
    assert len(data["rows"]) == 60
    assert all(figure["chart"] for figure in data["figures"][:4])
    assert "whole" in data["about"]


def test_a_single_day_is_drawn_as_one(tmp_path: Path) -> None:
    activity = data_in(drawn(written(tmp_path, chat(1, **latest("2025-01-12T23:00:00Z")))))["figures"][0]["chart"]
    (bar,), xaxis = activity["data"], activity["layout"]["xaxis"]
    assert (bar["x"], bar["width"]) == (["2025-01-12"], 18 * 3_600_000)
    assert xaxis["range"] == ["2025-01-07T00:00:00", "2025-01-17T00:00:00"]


def test_a_search_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, *map(chat, range(3)))
    assert not data_in(drawn(path))["among"]
    for module in ("overview", "report"):
        monkeypatch.setattr(f"periskope_async.export.{module}.MOST_LISTED", 2)
    data = data_in(drawn(path))
    assert (len(data["rows"]), data["among"]) == (2, " among the 2 newest of 3")


def test_an_empty_export_is_drawn(tmp_path: Path) -> None:
    data = data_in(drawn(written(tmp_path)))
    assert not any(figure["chart"] for figure in data["figures"])


def test_text_of_the_server_is_data_only(tmp_path: Path) -> None:
    page = drawn(written(tmp_path, *[chat(number, name) for number, name in enumerate(HOSTILE)]))
    before_plotly = page.read_text().split("<script>", maxsplit=1)[0]
    assert "<" not in before_plotly.split('id="data">')[1].removesuffix("</script>\n")
    assert {row[0] for row in data_in(page)["rows"]} >= set(HOSTILE[:7])
    # Nothing is loaded from anywhere.
    assert not re.search(r'(?:src|href)\s*=\s*"?https?:', before_plotly)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium: apt install chromium, or set PERISKOPE_CHROMIUM")
def test_a_real_browser_draws_and_searches(tmp_path: Path) -> None:
    lines = [
        chat(number, name, labels=[name], member_count=3, message_unread_count=2, **latest("2025-01-02T10:00:00Z"))
        for number, name in enumerate(HOSTILE)
    ]
    page = drawn(written(tmp_path, *lines))
    ran = subprocess.run(
        [
            *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--virtual-time-budget=3000", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'home'}"),
            *("--dump-dom", f"{page.as_uri()}#search=SAME+group"),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    dom = re.sub(r"<script.*?</script>", "", ran.stdout, flags=re.DOTALL)
    assert "CONSOLE" not in ran.stderr, ran.stderr
    assert "<title>Chats in chats.jsonl</title>" in dom
    assert dom.count("js-plotly-plot") == 5
    # One bar for each of equal names, and each name as it is.
    assert dom.count('class="point"') >= 1 + 1 + 7 + 8 + 8
    assert "&lt;b&gt;bold&lt;/b&gt;" in dom
    assert not re.search(r"<(?:b|i|img|a)[ >]", dom)
    assert '<span class="soft" id="hits" role="status">2 chats</span>' in dom


@pytest.mark.parametrize(
    "name",
    [
        "no.jsonl",
        "out.docx",
        "folder.jsonl",
        "damaged.parquet",
        "damaged.jsonl.gz",
        "damaged.jsonl.zst",
        "",
        "nul\0.jsonl",
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for ending in ("parquet", "jsonl.gz", "jsonl.zst"):
        (tmp_path / f"damaged.{ending}").write_bytes(b"PAR1 no more")
    with pytest.raises((ExportError, ConfigError)):
        drawn(tmp_path / name)
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("said", ['"chat_type":"unknown"', '"unread_count":{"a@b.c":3}', '"member_count":2'])
def test_a_chat_is_known_by_any_of_its_own_fields(tmp_path: Path, said: str) -> None:
    (tmp_path / "out.jsonl").write_text(f'{{"chat_id":"1@g.us",{said}}}\n')
    assert drawn(tmp_path / "out.jsonl").exists()


async def test_a_report_is_of_chats(tmp_path: Path) -> None:
    async with connected(chats=20) as (_, client):
        await export(client.iter_messages(max_items=5), tmp_path / "out.jsonl")
        await export(client.iter_contacts(max_items=5), tmp_path / "out.csv")
    with pytest.raises(ExportError, match="is an export of messages"):
        drawn(tmp_path / "out.jsonl")
    for name in ("out.jsonl", "out.csv"):
        (tmp_path / f"{name}.manifest.json").unlink()
        with pytest.raises(ExportError, match="is no export of chats"):
            drawn(tmp_path / name)


@pytest.mark.parametrize("name", [".", "..", "/", ""])
def test_a_folder_has_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match="there is no file"):
        drawn(Path(name))


async def test_a_link_to_an_export_is_followed(tmp_path: Path) -> None:
    """An export writes through a link, and puts the manifest beside the file."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link.csv").symlink_to("real/out.csv")
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), tmp_path / "link.csv")
    page = drawn(tmp_path / "link.csv")
    assert (page, ", whole" in data_in(page)["about"]) == (tmp_path / "link.csv.html", True)


async def test_a_file_that_was_changed_is_not_called_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    async with connected(chats=20) as (_, client):
        await export(client.iter_chats(), out)
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[3:]))
    data = data_in(drawn(out))
    assert (data["tiles"][0][1], data["about"].endswith(" UTC, changed since")) == (17, True)


def test_a_page_replaces_reports_only(tmp_path: Path) -> None:
    path = written(tmp_path, chat(1))
    page = drawn(path)
    assert drawn(path) == page
    page.write_text("a letter to a friend")
    with pytest.raises(ExportError, match="is no report"):
        drawn(path)
    assert page.read_text() == "a letter to a friend"


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ConfigError, match=r"periskope-async\[report\]"):
        drawn(written(tmp_path, chat(1)))


def test_the_command_says_where_the_page_is(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="plotly is in an extra")
    ran = periskope("report", str(written(tmp_path, chat(1))), "--out", str(tmp_path / "page.html"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.endswith("page.html\n")
    assert (tmp_path / "page.html").stat().st_size > 1_000_000


def test_a_name_that_is_no_utf8_is_a_title(tmp_path: Path) -> None:
    path = written(tmp_path, chat(1)).rename(tmp_path / "\udcff.jsonl")
    assert data_in(drawn(path))["title"] == r"Chats in \xff.jsonl"
