"""Common parts of the commands: options, exit codes, consoles, and a client for the server or a sandbox."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, Token, validators
from cyclopts.types import NonNegativeInt, PositiveInt

from periskope_async.cli.durations import MOST_SECONDS, read_duration
from periskope_async.cli.key_file import read_key_file
from periskope_async.cli.live import in_background, move
from periskope_async.cli.waits import LongWaits
from periskope_async.cli.wording import refused_filter
from periskope_async.client import PeriskopeClient
from periskope_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from periskope_async.events import Hook

__all__ = [
    "ChatCount",
    "Connection",
    "Exit",
    "Hours",
    "Seconds",
    "Server",
    "Switch",
    "Walking",
    "WholeServer",
    "acting",
    "open_client",
]


_SANDBOX_CHATS = 5_000
Switch = Annotated[bool, Parameter(negative=())]
"""An option without a ``--no-`` form."""
ChatCount = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1_000_000_000))]


def _lengths_in(unit: float) -> Callable[[Any, Sequence[Token]], float]:
    """Give a converter of lengths of time, such as ``90s`` or ``10m``. A plain number is of the option's own unit."""

    def convert(_: Any, tokens: Sequence[Token]) -> float:
        text = tokens[0].value
        try:
            return float(text)
        except ValueError:
            return read_duration(text) / unit

    return convert


# No one waits for longer than a year. A bound also refuses inf and nan.
Seconds = Annotated[float, Parameter(converter=_lengths_in(1), validator=validators.Number(gt=0, lte=MOST_SECONDS))]
Hours = Annotated[float, Parameter(converter=_lengths_in(3600), validator=validators.Number(gt=0, lte=1_000_000))]


class Exit(IntEnum):
    """Exit codes; programs count on them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    STOPPED = 130


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to, and as whom. The key comes from PERISKOPE_API_KEY or a file, never from an argument."""

    api_key_file: Path | None = None
    "A file that holds the API key, instead of PERISKOPE_API_KEY."
    base_url: str | None = None
    "Another server; also PERISKOPE_BASE_URL."
    sandbox: Switch = False
    "Use an embedded Periskope with made-up chats: no account needed."
    sandbox_chats: ChatCount | None = None
    "How many chats the sandbox holds; 5,000 by default."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Connection(Server):
    """A server, and one phone of it."""

    phone: str | None = None
    "Only what this phone sees: a number with its country code, or a phone id; also PERISKOPE_PHONE."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WholeServer(Server):
    """A server, for a list that has no filter by phone."""

    phone: Annotated[str | None, Parameter(show=False)] = None

    def check(self, name: str) -> None:
        """Raise ConfigError if a phone was asked for. PERISKOPE_PHONE is for all commands, and not meant here."""
        if self.phone is not None:
            raise refused_filter(name, "phone")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Walking:
    """How to read the list."""

    page_size: PositiveInt = 1000
    "Rows that one request asks for, 2000 at most."
    max_items: NonNegativeInt | None = None
    "Rows to get at most."
    prefetch: PositiveInt | None = None
    "Pages to read at once; by default as many as limit and latency call for."
    consistency: Literal["exact", "dedupe", "none"] = "exact"
    "How hard to look for rows that moved while the list was read."


@asynccontextmanager
async def open_client(
    server: Server, hooks: Iterable[Hook] = (), *, is_quiet: bool = False, is_moving: bool = False
) -> AsyncGenerator[PeriskopeClient]:
    """Give a client for the options. ``--sandbox`` gives it a Periskope of its own for its lifetime.

    It says on stderr when a long wait for the limit begins, unless quiet. Messages come to that sandbox all the time if
    ``is_moving``.
    """
    _check(server)
    if not is_quiet:
        hooks = (LongWaits(), *hooks)
    phone = server.phone if isinstance(server, Connection) else None
    if server.sandbox:
        from periskope_async.sandbox import Sandbox  # noqa: PLC0415 - a server nobody else needs to load

        chats = _SANDBOX_CHATS if server.sandbox_chats is None else server.sandbox_chats
        async with (
            Sandbox(chats=chats, latency=0.2) as sandbox,
            PeriskopeClient(sandbox.api_key, base_url=sandbox.base_url, phone=phone, hooks=hooks) as client,
            in_background(move(sandbox)) if is_moving else nullcontext(),
        ):
            yield client
        return
    path = server.api_key_file
    key = None if path is None else await read_key_file(path)
    if path is None and not os.environ.get("PERISKOPE_API_KEY", "").strip():
        raise ConfigError(
            "no API key: set PERISKOPE_API_KEY or give --api-key-file; --sandbox needs none. Keys are made in "
            "Periskope's console under Settings, API",
            parameter="api_key",
        )
    async with PeriskopeClient(key, phone=phone, base_url=server.base_url, hooks=hooks) as client:
        yield client


async def acting(client: PeriskopeClient, connection: Connection) -> PeriskopeClient:
    """Give a client for one phone: the named one, the only one, or the sandbox's first.

    Raises ConfigError if none or several are left.
    """
    if client.phone is not None:
        return client
    found = await client.list_phones()
    if len(found) == 1 or (found and connection.sandbox):
        return client.with_phone(found[0].phone_id)
    names = ", ".join(phone.org_phone or phone.phone_id for phone in found[:5]) or "none"
    raise ConfigError(
        f"this acts for one phone; give --phone or set PERISKOPE_PHONE (there are: {names})", parameter="phone"
    )


def _check(server: Server) -> None:
    """Refuse options that would be ignored. Raises ConfigError."""
    if server.sandbox_chats is not None and not server.sandbox:
        raise ConfigError("--sandbox-chats is for the sandbox; add --sandbox, or leave it out", parameter="sandbox")
    for name in ("base_url", "api_key_file"):
        if server.sandbox and getattr(server, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"--sandbox and {option} exclude each other; leave one out", parameter=name)
