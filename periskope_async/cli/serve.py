"""``periskope sandbox``: a Periskope on this machine, to try programs on."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators
from cyclopts.types import UInt16
from rich.text import Text

from periskope_async.cli.console import print_out
from periskope_async.cli.options import ChatCount  # noqa: TC001 - read at run time
from periskope_async.cli.wording import amount
from periskope_async.errors import PeriskopeError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["listening_at", "sandbox"]


@contextmanager
def listening_at(address: str) -> Generator[None]:
    """Raise PeriskopeError, which says what to do, if a server cannot listen at an address."""
    try:
        yield
    except UnicodeError as error:
        raise PeriskopeError(f"cannot listen at {address}: no host has such a name; give another --host") from error
    except OSError as error:
        # asyncio's own text names the address once more.
        why = os.strerror(error.errno) if error.errno else str(error)
        raise PeriskopeError(f"cannot listen at {address}: {why}; give another --port, 0 for any free one") from error


async def sandbox(
    *,
    port: UInt16 = 8080,
    chats: ChatCount = 5_000,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000_000_000))] = 10,
    window: Annotated[float, Parameter(validator=validators.Number(gte=0.001, lte=86_400))] = 1.0,
    latency: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=3_600))] = 0.2,
    seed: Annotated[int, Parameter(validator=validators.Number(gte=-(2**63), lte=2**63 - 1))] = 1,
    api_key: str | None = None,
) -> None:
    """Serve a made-up Periskope until Ctrl-C: real HTTP, with the server's limit, filters and errors.

    Parameters
    ----------
    port
        Where to listen; 0 takes a free one. 8080 is where the official client's ``env: 'local'`` looks.
    chats
        How many chats it holds; a million cost no memory.
    limit
        Requests that a window allows.
    window
        The window's length in seconds.
    latency
        How long an answer takes, in seconds.
    seed
        Other numbers make other chats.
    api_key
        The only key to accept; without it any key is.
    """
    from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - a server nobody else needs to load

    served = Sandbox(chats=chats, limit=limit, window=window, latency=latency, seed=seed, api_key=api_key, port=port)
    async with AsyncExitStack() as stack:
        with listening_at(f"port {port}"):
            running = await stack.enter_async_context(served)
        print_out(
            Text.assemble(
                ("Periskope sandbox", "bold"),
                f": {amount(chats, 'chats')}, {amount(limit, 'requests')} in {window:g} s. Ctrl-C ends it.\n\n"
                f"export PERISKOPE_BASE_URL={running.base_url}\n"
                f"export PERISKOPE_API_KEY={running.api_key}",
            ),
            soft_wrap=True,
        )
        await asyncio.Event().wait()
