"""``periskope sandbox``: a Periskope on this machine, to try programs on."""

from __future__ import annotations

import asyncio

from cyclopts.types import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from periskope_async.cli.options import output_console

__all__ = ["sandbox"]


async def sandbox(
    *,
    port: NonNegativeInt = 8080,
    chats: NonNegativeInt = 5_000,
    limit: PositiveInt = 10,
    window: PositiveFloat = 1.0,
    latency: NonNegativeFloat = 0.2,
    seed: int = 1,
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

    console = output_console()
    async with Sandbox(
        chats=chats, limit=limit, window=window, latency=latency, seed=seed, api_key=api_key, port=port
    ) as running:
        console.print(
            f"[bold]Periskope sandbox[/]: {chats:,} chats, {limit} requests in {window:g} s. Ctrl-C ends it.\n"
        )
        console.print(f"export PERISKOPE_BASE_URL={running.base_url}", soft_wrap=True)
        console.print(f"export PERISKOPE_API_KEY={running.api_key}", soft_wrap=True)
        await asyncio.Event().wait()
