"""``periskope webhooks listen``: shows Periskope's webhooks to a person who sets up an address."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.types import UInt16

from periskope_async.cli.console import check_stdout, print_out, say, write_out
from periskope_async.cli.key_file import read_key_file
from periskope_async.cli.live import event_json, event_line, in_background, move
from periskope_async.cli.serve import listening_at
from periskope_async.errors import ConfigError
from periskope_async.webhooks import Receiver, SigningKeys

if TYPE_CHECKING:
    from periskope_async.live_event import LiveEvent

__all__ = ["webhooks_app"]

webhooks_app = App(name="webhooks", help="Receive what Periskope sends.")

_VARIABLE = "PERISKOPE_SIGNING_KEY"


@webhooks_app.command
async def listen(
    *,
    port: UInt16 = 8000,
    host: str = "127.0.0.1",
    signing_key_file: Path | None = None,
    sandbox: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Print each webhook that is signed rightly, once, until Ctrl-C; say why others are refused.

    Any path is taken. Periskope reaches a public address only: let a tunnel (ngrok, cloudflared) lead to this one.

    Parameters
    ----------
    port
        Where to listen; 0 takes a free one.
    host
        The address to listen at; 0.0.0.0 for every one of this machine.
    signing_key_file
        A file with the signing key, instead of PERISKOPE_SIGNING_KEY; several, one a line, while it is changed.
    sandbox
        Have an embedded Periskope send webhooks here: no account needed.
    json
        Print each event as a line of JSON.
    """
    check_stdout()
    if sandbox and signing_key_file is not None:
        raise ConfigError(
            "--sandbox and --signing-key-file exclude each other; leave one out", parameter="signing_key_file"
        )
    failures: asyncio.Queue[Exception] = asyncio.Queue()

    async def show(event: LiveEvent) -> None:
        try:
            if json:
                write_out(event_json(event))
            else:
                print_out(event_line(event), soft_wrap=True)
        except Exception as error:  # noqa: BLE001 - it ends the command; the receiver would log it, and go on
            failures.put_nowait(error)

    async with AsyncExitStack() as stack:
        if sandbox:
            from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - a server nobody else needs to load

            running = await stack.enter_async_context(Sandbox(chats=200))
            receiver = Receiver(show, keys=running.signing_key)
        else:
            running = None
            receiver = Receiver(show, keys=await _signing_keys(signing_key_file))
        stack.push_async_callback(receiver.drain)
        url = await _serve(receiver, host, port, stack)
        say("✓", f"listening at {url}; Ctrl-C ends it")
        if running is not None:
            running.webhooks.subscribe(url)
            await stack.enter_async_context(in_background(move(running)))
        raise await failures.get()


async def _serve(receiver: Receiver, host: str, port: int, stack: AsyncExitStack) -> str:
    """Listen until the stack is closed; give the URL."""
    from aiohttp import web  # noqa: PLC0415 - it would slow down the start of each command

    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.aiohttp_handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    shown = f"[{host}]" if ":" in host else host
    with listening_at(f"{shown}:{port}"):
        await web.TCPSite(runner, host, port).start()
    return f"http://{shown}:{runner.addresses[0][1]}/"


async def _signing_keys(path: Path | None) -> SigningKeys:
    """Read the keys. No error shows them. Raises ConfigError."""
    if path is not None:
        return SigningKeys((await read_key_file(path, option="--signing-key-file")).split())
    if not os.environ.get(_VARIABLE, "").strip():
        raise ConfigError(
            f"no signing key; set {_VARIABLE} or give --signing-key-file. It is shown in Periskope's console where "
            "webhooks are made. --sandbox needs none",
            parameter="keys",
        )
    return SigningKeys(os.environ[_VARIABLE].split())
