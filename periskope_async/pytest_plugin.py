"""The pytest fixture ``periskope_sandbox``: a Periskope for one test, with any async plugin or none.

Every pytest run loads this module if the package is installed, so it imports the server only for a test with the
fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from periskope_async.sandbox import Sandbox

__all__ = ["periskope_sandbox"]

_MARKER = "periskope_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for runs with ``--strict-markers``."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**settings): what the fixture `periskope_sandbox` gives to `Sandbox(...)`, such as chats=50.",
    )


@pytest.fixture
def periskope_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Serve a :class:`periskope_async.sandbox.Sandbox` from a thread of its own for the length of a test.

    ``@pytest.mark.periskope_sandbox(chats=50, limit=5)`` sets it up. Settings of a nearer mark go before those of one
    further out, one by one.
    """
    from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - only a test that asks for it pays for aiohttp.web

    settings: dict[str, object] = {}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.{_MARKER} takes settings by name, like chats=50; got {marker.args}")
        settings.update(marker.kwargs)
    # Settings come from untyped marks; Sandbox names a wrong one.
    with Sandbox(**settings) as sandbox:  # type: ignore[arg-type]
        yield sandbox
