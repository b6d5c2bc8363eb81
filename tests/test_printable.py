"""What strangers say fits on one line and can be shown everywhere."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from periskope_async.printable import escaped, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        (" \r\n\t ", ""),
        ("  two\r\n\r\nlines\tand\u00a0more \n", "two lines and more"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\x00b\x7fc\x9bd\x85e", r"a\x00b\x7fc\x9bd\x85e"),
        ("one\u2028two\u2029three", r"one\u2028two\u2029three"),
        ("\u202egnp.exe\u2066x\u2069\u200e\u200f\u061c", r"\u202egnp.exe\u2066x\u2069\u200e\u200f\u061c"),
        ("abc\udcff\udcfe", r"abc\xff\xfe"),
        ("half \ud83d of it", r"half \ud83d of it"),
        ("naïve हिन्दी עברית 日本", "naïve हिन्दी עברית 日本"),
        ("👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️ 👍🏽 می‌خواهم", "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️ 👍🏽 می‌خواهم"),
        (r"C:\x1b", r"C:\x1b"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_blanks_of_a_name_stay() -> None:
    assert escaped(" a  b\t\n\u202e\udcff ") == r" a  b\x09\x0a\u202e\xff "


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1234567890", "1234567890"),
        ("12345678901", "123456789…"),
        ("12345678 901", "12345678…"),
        ("\x1b" * 3, r"\x1b\x1b\…"),
        ("1234" + " " * 8 + "5678", "1234 5678"),
        ("M" * 10_000_000, "MMMMMMMMM…"),
        (" " * 10_000_000, "…"),
        ("नमस्ते", "नमस्ते"),
        ("नमस्ते सब", "नमस्त…"),
        ("😀" * 5, "😀" * 5),
        ("😀" * 6, "😀" * 4 + "…"),
    ],
)
def test_a_long_text_is_cut_at_the_limit(text: str, shown: str) -> None:
    assert one_line(text, limit=10) == shown


@given(st.text(st.characters(), max_size=300), st.integers(10, 100))
def test_any_text_becomes_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit=limit)
    assert len(line) <= limit
    assert len(line.encode()) <= 2 * limit
    assert line.encode().decode() == line
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert one_line(line, limit=limit) == line
