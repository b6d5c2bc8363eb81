"""Frames of Socket.IO: what is read, what is passed over, and that none raises."""

from __future__ import annotations

import json
import operator

import pytest
from hypothesis import given, strategies as st

from periskope_async.realtime.codec import (
    Broken,
    Connected,
    Event,
    Hello,
    Refused,
    Sign,
    connect_frame,
    decode,
)


@pytest.mark.parametrize(
    ("frame", "packet"),
    [
        (b'0{"sid":"a","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}', Hello(0.5)),
        (b'0{"sid":"a"}', Hello(45.0)),
        (b'0{"pingInterval":"soon","pingTimeout":-1}', Hello(45.0)),
        (b"0", Hello(45.0)),
        (b'40{"sid":"a"}', Connected(None)),
        (b'40{"sid":"a","pid":"p"}', Connected("p")),
        (b"40", Connected(None)),
        (b'44{"message":"no","data":{"code":1}}', Refused("no", b'{"message":"no","data":{"code":1}}')),
        (b"44", Refused("no reason was given", b"")),
        (b"2", Sign.PING),
        (b"2probe", Sign.PING),
        (b"41", Sign.GOODBYE),
        (b"1", Sign.CLOSE),
    ],
)
def test_signs_and_answers(frame: bytes, packet: object) -> None:
    assert decode(frame) == packet


@pytest.mark.parametrize(
    ("frame", "name", "data", "last_text"),
    [
        (b'42["a",{"x":1}]', "a", {"x": 1}, None),
        (b'42["a",{"x":1},"off"]', "a", {"x": 1}, "off"),
        (b'42["a",{"x":1},2,"off"]', "a", {"x": 1}, "off"),
        (b'42["a"]', "a", None, None),
        (b'42["a","off"]', "a", "off", "off"),
        (b'4217["a",{}]', "a", {}, None),
        (b'42["a",{"x":"\\ud83d"}]', "a", {"x": "\ud83d"}, None),
        (b'42["\\ud83d",1,"\\ude00"]', "\ufffd", 1, "\ufffd"),
        (b'42["\\ud83d"]', "\ufffd", None, None),
        (b'42[ "\\u0061" , [] ]', "a", [], None),
    ],
)
def test_an_event(frame: bytes, name: str, data: object, last_text: str | None) -> None:
    packet = decode(frame)
    assert isinstance(packet, Event)
    assert (packet.name, json.loads(bytes(packet.data)), packet.last_text) == (name, data, last_text)


@pytest.mark.parametrize("frame", [b'42["a",{]', b"42[]", b"42[7]", b"42[", b'42["a\xff",1', b'42["a"]x'])
def test_an_event_that_cannot_be_read_is_kept(frame: bytes) -> None:
    packet = decode(frame)
    assert isinstance(packet, Broken)
    assert packet.frame == frame


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"3",
        b"4",
        b"42",
        b"5",
        b"6",
        b"43[]",
        b'451-["a",{"_placeholder":true,"num":0}]',
        b'42/other,["a"]',
        b"40/x,",
    ],
)
def test_what_means_nothing_is_passed_over(frame: bytes) -> None:
    assert decode(frame) is None


@given(
    st.binary(max_size=60)
    | st.builds(
        operator.concat,
        st.sampled_from([b"0", b"40", b"41", b"42", b"42[", b'42["a",', b"44", b"44{", b"451-", b"0{", b'40{"pid":']),
        st.binary(max_size=40),
    )
)
def test_no_frame_raises(frame: bytes) -> None:
    decode(frame)


def test_recovery_is_asked_for_with_both() -> None:
    assert connect_frame(None, None) == connect_frame("p", None) == connect_frame(None, "o") == "40"
    assert connect_frame("p", "o") == '40{"pid":"p","offset":"o"}'
