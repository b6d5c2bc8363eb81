"""For the tests of programs that use the client: ``Sandbox``, a Periskope to run against.

The pytest fixture ``periskope_sandbox`` needs no import; it comes with the installed package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from periskope_async.sandbox import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    """Load the sandbox, and aiohttp's server with it, when it is first asked for."""
    if name == "Sandbox":
        from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - see above

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
