"""Arguments of writes: what is taken, and how it is written."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

import pytest

from periskope_async.errors import ConfigError
from periskope_async.wire import inputs
from tests.ambiguous import Ambiguous


class Word(str, Enum):  # noqa: UP042 - a StrEnum is written as its value anyway
    OPEN = "open"


class Number(int, Enum):
    HIGH = 3


def test_a_member_of_an_enum_is_written_as_its_value() -> None:
    """In a URL, or by ``str``, it would be its name: ``Word.OPEN``."""
    assert str(inputs.one_of("status", Word.OPEN, ("open", "closed"))) == "open"
    assert str(inputs.text("event", Word.OPEN)) == "open"
    assert str(inputs.priority(Number.HIGH, most=4)) == "3"


class SafeText(str):
    """A text as templates make it: ``str()`` leaves it as it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


class Float(float):
    """As NumPy's float64 is one."""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (SafeText("a"), b'"a"'),
        ([SafeText("a")], b'["a"]'),
        ({SafeText("a"): SafeText("b")}, b'{"a":"b"}'),
        (MappingProxyType({"a": SafeText("b")}), b'{"a":"b"}'),
        (Float(1.5), b"1.5"),
    ],
)
def test_a_value_of_another_class_is_written_as_its_plain_form(value: object, written: bytes) -> None:
    assert inputs.json_body({"it": value}) == b'{"it":%s}' % written


def test_what_is_left_out_of_a_body() -> None:
    assert inputs.json_body({"a": None, "b": "", "c": inputs.NULL}) == b'{"b":"","c":null}'


def test_a_value_with_no_form_in_json_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot be written as JSON: it holds a complex$"):
        inputs.json_body({"it": {"a": 1j}})


def test_a_missing_value_of_a_table_is_told() -> None:
    with pytest.raises(ConfigError, match=r"status is .*; it takes 'open' or 'closed'"):
        inputs.one_of("status", Ambiguous(), ("open", "closed"))


def test_labels_are_written_as_they_are_asked_for() -> None:
    assert inputs.labels_text("labels", ["\ufeffVIP", " new "]) == "VIP,new"
    for label in ("\u200b", "a,b", "a\nb", "\udcff", "l" * 1_001):
        with pytest.raises(ConfigError, match="labels") as raised:
            inputs.labels_text("labels", ["VIP", label])
        assert raised.value.parameter == "labels"


@pytest.mark.parametrize(("given", "said"), [([], "options is empty; give at"), (["a"], "options holds 1; give at")])
def test_too_few_are_told_by_their_number(given: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said} least 2$"):
        inputs.texts("options", given, least=2)


@pytest.mark.parametrize("given", ["12", "phone-bqzvyibhmwkaergr"])
def test_where_no_phone_id_is_taken_none_is_offered(given: str) -> None:
    with pytest.raises(ConfigError, match=r"^participants: '.*' is no number with its country code") as caught:
        inputs.many_digits("participants", [given])
    assert "phone id" not in str(caught.value)
    assert caught.value.parameter == "participants"
