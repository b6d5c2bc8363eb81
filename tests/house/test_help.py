"""What help() shows of all that is public, and what programs ask that read annotations."""

from __future__ import annotations

import inspect
import pydoc
from importlib import import_module
from typing import Any, get_type_hints

import pytest

import periskope_async
from periskope_async import PeriskopeClient, WalkParams

ROOMS = ["periskope_async"] + [
    f"periskope_async.{name}"
    for name in ("events", "export", "mirror", "models", "otel", "testing", "webhooks", "workers")
]


@pytest.mark.parametrize("room", ROOMS)
def test_it_shows_a_room(room: str) -> None:
    assert pydoc.render_doc(import_module(room))


PUBLIC = [getattr(import_module(room), name) for room in ROOMS for name in getattr(import_module(room), "__all__", ())]


@pytest.mark.parametrize("public", [each for each in PUBLIC if inspect.isclass(each) or inspect.isfunction(each)])
def test_it_shows_each_name(public: Any) -> None:
    assert pydoc.render_doc(public)
    if public is not WalkParams:
        assert str(inspect.signature(public))


def test_a_container_can_read_what_a_client_takes() -> None:
    hints = get_type_hints(PeriskopeClient.__init__)
    assert {"timeout", "retry", "limiter", "session", "hooks"} <= hints.keys()
    assert periskope_async.Timeout in hints["timeout"].__args__
