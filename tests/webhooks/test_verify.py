"""Signatures: which bytes, which keys, what is said of a wrong one, and what is never said."""

from __future__ import annotations

from typing import Any

import pytest

from periskope_async import ConfigError, SignatureError
from periskope_async.webhooks import SigningKeys, parse, verify
from tests.flow.crash_report import crash_report
from tests.webhooks.bodies import KEY, envelope, message, signed

BODY = envelope("message.created", message())
CORPUS = [
    BODY,
    envelope("message.created", message(body="👋 नमस्ते \u2028 <>&")),
    b'{"event":"message.created","data":{"body":"\\ud83d"}}',
    b'{"a":1e-7,"b":1e21,"c":9007199254740993,"2024":true,"d":{}}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe not UTF-8",
    b"[]" * 750_000,
]


@pytest.mark.parametrize("body", CORPUS, ids=range(len(CORPUS)))
def test_the_bytes_are_signed_as_they_are(body: bytes) -> None:
    assert verify(body, signed(body), KEY).key_index == 0
    with pytest.raises(SignatureError):
        verify(body + b" ", signed(body), KEY)


def test_either_case_and_spaces_around_are_taken() -> None:
    verify(BODY, f"  {signed(BODY).upper()}\n", KEY)
    verify(memoryview(BODY).tobytes(), signed(BODY).encode(), KEY)


def test_while_a_key_is_changed_both_are_taken() -> None:
    keys = SigningKeys(["peri_new", KEY])
    assert verify(BODY, signed(BODY), keys).key_index == 1
    assert verify(BODY, signed(BODY, "peri_new"), keys).key_index == 0


def test_a_key_that_was_pasted_with_its_line_break_is_taken() -> None:
    verify(BODY, signed(BODY), f"{KEY}\n")


RIGHT = signed(BODY)


@pytest.mark.parametrize(
    ("signature", "reason", "said"),
    [
        (None, "missing", "x-periskope-signature is missing"),
        ("", "missing", "missing"),
        (RIGHT[:-1], "malformed", "63 characters"),
        (RIGHT + "0", "malformed", "65 characters"),
        (f"sha256={RIGHT}", "malformed", "begins with sha256="),
        (f"{RIGHT}, {RIGHT}", "malformed", "several"),
        ("é" * 64, "malformed", "hex digits"),
        ("\udcff" * 64, "malformed", "hex digits"),
        (b"\xff" * 64, "malformed", "hex digits"),
        ("\uff11" * 64, "malformed", "hex digits"),
        ("0" * 64, "wrong", "fits none of the keys"),
        (signed(BODY, "peri_other"), "wrong", "fits none of the keys"),
    ],
)
def test_what_is_wrong_is_said(signature: Any, reason: str, said: str) -> None:
    with pytest.raises(SignatureError, match=said) as caught:
        verify(BODY, signature, KEY)
    assert caught.value.reason == reason


def test_an_empty_body_with_a_signature_was_read_before() -> None:
    with pytest.raises(SignatureError, match="has read it before") as caught:
        verify(b"", RIGHT, KEY)
    assert caught.value.reason == "empty_body"


@pytest.mark.parametrize("body", [BODY.decode(), {"event": "message.created"}, None])
def test_a_text_or_an_object_is_no_body(body: Any) -> None:
    with pytest.raises(TypeError, match="give the bytes that were received"):
        verify(body, RIGHT, KEY)
    with pytest.raises(TypeError, match="give the bytes that were received"):
        parse(body)


@pytest.mark.parametrize("keys", ["", " \n", [], [KEY, ""], [KEY, None], b"peri_bytes"])
def test_a_key_that_cannot_be_one_is_refused(keys: Any) -> None:
    with pytest.raises(ConfigError, match="signing key") as caught:
        SigningKeys(keys)
    assert KEY not in crash_report(caught.value)


@pytest.mark.parametrize("signature", [None, "0" * 64, "0" * 63, f"{RIGHT},{RIGHT}"])
def test_neither_key_nor_expected_signature_is_shown(signature: str | None) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(BODY, signature, [KEY, "peri_another-key"])
    report = crash_report(caught.value)
    shown = report.replace(signature or "-", "")
    assert KEY not in report
    assert "peri_another-key" not in report
    assert RIGHT not in shown
    assert str(bytes.fromhex(RIGHT)) not in shown
    assert repr(SigningKeys([KEY, KEY])) == "SigningKeys(2 of them)"
