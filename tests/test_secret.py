"""A secret is found in every spelling that servers have for it."""

from __future__ import annotations

import html
import json
import string
import time
import tracemalloc
from base64 import b64encode, encodebytes, urlsafe_b64encode
from html.entities import html5
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from periskope_async.secret import _ENTITIES, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJvcmdfaWQiOiI4YTkz" * 12 + ".abc_DEF-123"
KEYS = ["b64KEY/+abc/DEF==", 'a"quote\\and<tags>&co', "pk_live-0123.4567~89", "<script>'%2B", r"\\u0041\/\x41", TOKEN]


def in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def escaped(key: str, form: str) -> str:
    return "".join(form.format(ord(character)) for character in key)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": in_json,
    "json in json": lambda key: in_json(in_json(key)),
    "json in json in json": lambda key: in_json(in_json(in_json(key))),
    "php": lambda key: in_json(key).replace("/", r"\/"),
    "dotnet": lambda key: "".join(c if c.isalnum() else f"\\u{ord(c):04X}" for c in key),
    "all as unicode escapes": lambda key: escaped(key, "\\u{:04x}"),
    "all as hex escapes": lambda key: escaped(key, "\\x{:02x}"),
    "percent": lambda key: quote(key, safe=""),
    "form": quote_plus,
    "percent of percent": lambda key: quote(quote(key, safe=""), safe=""),
    "all percent": lambda key: escaped(key, "%{:02x}"),
    "html": html.escape,
    "html in html": lambda key: html.escape(html.escape(key)),
    "decimal entities": lambda key: escaped(key, "&#{};"),
    "hex entities": lambda key: escaped(key, "&#x{:X};"),
    "padded entities": lambda key: escaped(key, "&#0{};"),
    "named entities": lambda key: key.replace("+", "&plus;").replace("/", "&sol;").replace("=", "&equals;"),
    "json of html": lambda key: in_json(html.escape(key)),
    "a plus read as a space": lambda key: key.replace("+", " "),
    "base64": lambda key: b64encode(key.encode()).decode().rstrip("="),
    "base64 of the header": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user": lambda key: b64encode(f"u:{key}:x".encode()).decode(),
    "base64 for urls": lambda key: urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    "base64 from dotnet": lambda key: SPELLINGS["dotnet"](b64encode(f"Bearer {key}".encode()).decode().rstrip("=")),
    "base64 in percent": lambda key: quote(b64encode(f"Bearer {key}".encode()).decode().rstrip("="), safe=""),
    "base64 for urls in percent": lambda key: quote(urlsafe_b64encode(f"{key}~".encode()).decode().rstrip("=")),
    "base64 in entities": lambda key: b64encode(f"Bearer {key}".encode()).decode().replace("+", "&#43;")
    .replace("/", "&#x2F;"),
    "base64 in json in json": lambda key: in_json(in_json(b64encode(key.encode()).decode().replace("/", r"\/"))),
    "base64 from php": lambda key: b64encode(f"Bearer {key}".encode()).decode().replace("/", r"\/"),
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_found_in_any_spelling(key: str, spelling: str) -> None:
    spelled = SPELLINGS[spelling](key)
    shown = Secret(key).redact_text(f"bad key <{spelled}>, bad key <{spelled}>")
    if "base64" not in spelling:
        assert shown == "bad key <***>, bad key <***>"
        return
    # Characters at either end belong to the neighbours as well: one or two of the key's bits are left.
    ends = shown.split("<")[1].split(">")[0].split("***")
    assert len(ends) == 2
    assert len(ends[0]) <= 10
    assert len(ends[1]) <= 6


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("before", range(0, 80, 7))
@pytest.mark.parametrize("line_end", ["\n", "\r\n", r"\n", r"\r\n", r"\\n"])
def test_base64_broken_into_lines_is_found(key: str, before: int, line_end: str) -> None:
    """As MIME has it: the line may end anywhere in it."""
    encoded = encodebytes(f"{'-' * before}{key}".encode()).decode().rstrip("\n").replace("\n", line_end)
    shown = Secret(key).redact_text(f"<{encoded}>")
    assert shown.count("***") == 1
    assert len(shown.split("***")[1]) <= 6


@pytest.mark.parametrize("key", ["b64KEY/+abc/DEF==", "pk_live-0123.4567~89", "b64/12+8", TOKEN])
@pytest.mark.parametrize("spelling", ["plain", "json", "php", "all as unicode escapes", "percent", "html in html"])
@pytest.mark.parametrize("cut_by", [1, 2, 5, 100])
def test_a_quote_that_was_cut_off_is_not_shown(key: str, spelling: str, cut_by: int) -> None:
    """Three quarters of a short key, and twelve characters of a long one, tell that it is one."""
    quoted = key[:-cut_by]
    if len(quoted) < min(12, len(key) * 3 // 4):
        return
    spelled = SPELLINGS[spelling]
    body = f"bad key <{spelled(quoted)}> or <{spelled(key)}> or {spelled(quoted)}"
    assert Secret(key).redact_text(body) == "bad key <***> or <***> or ***"


@pytest.mark.parametrize("quoted", [TOKEN[:40] + "-others", TOKEN[:12], TOKEN[:-1]])
def test_many_beginnings_of_a_key_take_no_time(quoted: str) -> None:
    """As in a list of web tokens, which all begin alike. What comes behind some of them is not shown."""
    body = " ".join([quoted] * (2_000_000 // len(quoted)))
    secret = Secret(TOKEN)
    secret.redact_text(TOKEN)
    began = time.process_time()
    shown = secret.redact_text(body)
    assert time.process_time() - began < 0.5
    rest = quoted[40:] if quoted.endswith("-others") else ""
    assert shown == " ".join([f"***{rest}"] * 50 + ["***"])


@pytest.mark.parametrize("key", KEYS)
def test_many_quotes_of_a_key_take_no_memory(key: str) -> None:
    body = f"<{key}>".encode() * (1_000_000 // len(key))
    secret = Secret(key)
    secret.redact_text(key)
    tracemalloc.start()
    try:
        shown = secret.redact(body)
        assert tracemalloc.get_traced_memory()[1] <= 3 * len(body)
    finally:
        tracemalloc.stop()
    assert shown == b"<***>" * 100 + b"<***"


def test_a_few_tokens_that_begin_alike_are_shown_without_it() -> None:
    others = " ".join([TOKEN[:40] + "-others"] * 50)
    assert Secret(TOKEN).redact_text(others) == " ".join(["***-others"] * 50)


def test_less_than_the_start_of_a_key_stays() -> None:
    """It is part of other words too."""
    for text in ("pk_live-012", "pk_live", "pk_live-0124.4567"):
        assert Secret("pk_live-0123.4567~89").redact_text(text) == text


@pytest.mark.parametrize("spelling", ["json", "php", "dotnet", "all as unicode escapes"])
def test_json_stays_json(spelling: str) -> None:
    for key in KEYS:
        body = f'{{"message":"bad \\\\{SPELLINGS[spelling](key)}\\n","code":"X"}}'
        assert json.loads(Secret(key).redact_text(body))["code"] == "X"


def test_html_s_names_are_right() -> None:
    assert {character: html5[f"{name};"] for character, name in _ENTITIES.items()} == {
        character: character for character in string.punctuation if character not in "-~"
    }


@given(st.binary(max_size=400))
def test_other_bodies_stay_as_they_are(body: bytes) -> None:
    assert Secret("not-in-any-of-them").redact(body) == body


@pytest.mark.parametrize("body", [b"\\" * 300_000, b"&" * 300_000, b"%25" * 100_000, b"&amp;" * 60_000, b"p" * 300_000])
def test_a_body_of_escapes_takes_no_time(body: bytes) -> None:
    """Were a repeat in the pattern without a bound, this would take minutes."""
    assert Secret("pk_live-0123").redact(body) == body


def test_a_lone_surrogate_does_not_matter() -> None:
    assert Secret("pk_live-0123").redact_text("\udcff pk_live-0123 \ud83d") == "\udcff *** \ud83d"


def test_what_is_no_secret_is_not_searched() -> None:
    assert Secret("key").redact(b"the API key") == b"the API key"


def test_a_secret_shows_nowhere() -> None:
    assert "pk_live" not in repr(Secret("pk_live-0123"))


def test_a_long_key_costs_little_until_it_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern of all spellings of a web token takes a tenth of a second to compile."""
    monkeypatch.setattr("re.sub", None)
    assert Secret(TOKEN).redact(b'{"message":"eyJhbGc"}') == b'{"message":"eyJhbGc"}'
