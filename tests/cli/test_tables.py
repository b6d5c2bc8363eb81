"""Tables on a narrow terminal, and the amounts below them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from periskope_async.cli.app import run
from periskope_async.cli.tables import Column, print_table
from periskope_async.cli.wording import amount, part_of
from periskope_async.models.ticket import Ticket


@pytest.mark.parametrize("columns", [30, 60, 80, 100, 140])
@pytest.mark.parametrize("name", ["tickets", "contacts", "messages", "phones"])
def test_no_time_and_no_id_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run([name, "--sandbox", "--sandbox-chats", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    assert not any("2025-06-…" in line or "2025-…" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [
        ("messages", 30, ["Text"]),
        ("messages", 40, ["Time", "Text"]),
        ("messages", 60, ["Time", "From", "Text"]),
        ("tickets", 30, ["Id", "Subject"]),
        ("contacts", 30, ["Name", "Labels"]),
    ],
)
def test_a_narrow_terminal_keeps_what_the_table_is_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, columns: int, shown: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run([name, "--sandbox", "--sandbox-chats", "20", "--max-items", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == shown


def test_a_long_subject_gives_way_to_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    due = datetime(2025, 6, 2, 21, 29, tzinfo=UTC)
    ticket = Ticket(ticket_id="T-1", subject="s" * 100, due_date=due, assignee="a" * 40)
    columns = (
        Column("Id", "ticket_id", is_whole=True),
        Column("Subject", "subject"),
        Column("Assignee", "assignee"),
        Column("Due", "due_date"),
    )
    print_table([ticket], columns, "")
    assert "2025-06-02 21:29" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "most", "said"),
    [
        ("contacts", "3", "3 of 500 contacts"),
        ("contacts", "1", "1 of 500 contacts"),
        ("contacts", "500", "500 contacts"),
        ("tickets", None, "25 of 150 tickets"),
        ("chats", "1", "1 of 20 chats"),
    ],
)
def test_a_caption_says_of_how_many(capsys: pytest.CaptureFixture[str], name: str, most: str | None, said: str) -> None:
    options = [] if most is None else ["--max-items", most]
    assert run([name, "--sandbox", "--sandbox-chats", "20", *options]) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip() == said


@pytest.mark.parametrize(
    ("number", "many", "said"),
    [(0, "chats", "0 chats"), (1, "chats", "1 chat"), (1, "retries", "1 retry"), (2_000, "requests", "2,000 requests")],
)
def test_amounts(number: int, many: str, said: str) -> None:
    assert amount(number, many) == said
    assert part_of(number, None, many) == part_of(number, number, many) == said


@pytest.mark.parametrize(
    ("page_size", "said"),
    [
        ("1000", "  about 2 requests; the limit of 10 in 1 s holds up none of them\n"),
        # The export itself takes 125.
        ("5", "  about 126 requests; they take 12 s or more at the limit of 10 in 1 s\n"),
        ("20", "  about 29 requests; they take 2 s or more at the limit of 10 in 1 s\n"),
    ],
)
def test_a_dry_run_says_what_the_limit_costs(capsys: pytest.CaptureFixture[str], page_size: str, said: str) -> None:
    arguments = ["export", "chats", "x.jsonl", "--sandbox", "--sandbox-chats", "500", "--dry-run"]
    assert run([*arguments, "--page-size", page_size]) == 0
    assert capsys.readouterr().err.splitlines(keepends=True)[1] == said


def test_a_single_chat_is_no_chats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "chats", "-", "--sandbox", "--sandbox-chats", "1"]) == 0
    printed = capsys.readouterr()
    assert len([json.loads(line) for line in printed.out.splitlines()]) == 1
    assert printed.err.startswith("✓ 1 chat → -\n")
