"""Rows become lines, each as the server wrote it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from periskope_async.export.jsonl import json_lines, tagged


def test_each_row_is_one_line_and_its_own_bytes() -> None:
    lines = json_lines([b'{"a" : 1}', b'{\n "b": "two\\nlines",\r\n "c": [1,\n 2]}'])
    assert lines == b'{"a" : 1}\n{"b":"two\\nlines","c":[1,2]}\n'


@pytest.mark.parametrize(
    ("row", "with_tag"),
    [
        (b'{"a":1}', b'{"_source":"x","a":1}'),
        (b"{}", b'{"_source":"x"}'),
        (b"{ }", b'{"_source":"x" }'),
        (b' {"a":"}"}', b'{"_source":"x","a":"}"}'),
    ],
)
def test_a_tag_is_the_first_key(row: bytes, with_tag: bytes) -> None:
    assert tagged([row], {"_source": "x"}) == [with_tag]
    assert json.loads(with_tag)["_source"] == "x"


@pytest.mark.parametrize(
    "text",
    [
        rb'"cut here \ud83d"',
        rb'"\udc00 starts late"',
        rb'"a whole one \ud83d\ude00"',
        b'"bytes \xff\xfe outside UTF-8"',
        rb'"a quote \" and a backslash \\"',
        rb'"\\"',
        rb'"\\\" : , "',
        rb'"  two  spaces\tand\r\nmore  "',
        b'"\xe2\x80\xa8 a separator of lines"',
        b"1e400",
        b"-0",
        b"1.0",
        b"12345678901234567890123",
        b"[]",
        b"{}",
        b'""',
        b"null",
    ],
)
@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r", b"\n\t"])
def test_a_pretty_row_loses_its_gaps_only(text: bytes, line_break: bytes) -> None:
    pretty = line_break.join([b"{", b' "key" : ' + text + b" ,", b'   "next": [', text + b",", b"7 ]", b"}"])
    assert json_lines([pretty]) == b'{"key":' + text + b',"next":[' + text + b",7]}\n"


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_pretty_row_says_the_same(value: object) -> None:
    pretty, tight = json.dumps([value], indent=2), json.dumps([value], separators=(",", ":"))
    assert json_lines([pretty.encode()]) == tight.encode() + b"\n"
