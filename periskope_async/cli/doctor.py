"""``periskope doctor``: checks everything from the key to one page."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec
from aiohttp import ClientRequest, hdrs

from periskope_async.cli.console import Sign, check_stdout, print_out, signed, write_out
from periskope_async.cli.options import Connection, Exit, Switch, open_client
from periskope_async.cli.wording import amount, in_options
from periskope_async.errors import AuthenticationError, ConfigError, PeriskopeError, RateLimitError, TransportError
from periskope_async.printable import one_line
from periskope_async.versions import version_of

if TYPE_CHECKING:
    from periskope_async.client import PeriskopeClient
    from periskope_async.meta import ResponseMeta

__all__ = ["doctor"]

State = Literal["ok", "warning", "failed"]
_SIGNS: dict[State, Sign] = {"ok": "✓", "warning": "!", "failed": "✗"}


@dataclass(slots=True)
class Findings:
    """The findings, in the order of asking."""

    rows: list[tuple[State, str, str]] = field(default_factory=list[tuple[State, str, str]])

    def add(self, state: State, what: str, said: str) -> None:
        """Note one finding."""
        self.rows.append((state, what, one_line(said)))

    @property
    def has_failed(self) -> bool:
        """Whether anything must be mended before the client can work."""
        return any(state == "failed" for state, _, _ in self.rows)


async def doctor(
    *,
    connection: Connection = Connection(),  # noqa: B008 - frozen
    json: Switch = False,
) -> int:
    """Check key, connection, limit, clock and one page; costs two requests.

    Parameters
    ----------
    json
        Print the findings as JSON.
    """
    check_stdout()
    findings = Findings()
    _look_at_installation(findings)
    try:
        async with open_client(connection) as client:
            findings.add("ok", "settings", f"{client!r}")
            way = f"through {client.proxy}" if client.proxy else "directly"
            findings.add("ok", "proxy", f"requests go to the server {way}")
            await _look_at_server(client, findings)
    except ConfigError as error:
        findings.add("failed", "settings", in_options(error, ["--base-url"] if connection.base_url else []))
    if json:
        rows = [{"state": state, "check": what, "finding": said} for state, what, said in findings.rows]
        write_out(msgspec.json.encode(rows) + b"\n")
    else:
        lines = [
            signed(_SIGNS[state], "").append(f"{what:<12} ", style="bold").append(said)
            for state, what, said in findings.rows
        ]
        print_out(*lines, soft_wrap=True)
    return Exit.FAILED if findings.has_failed else Exit.OK


def _look_at_installation(findings: Findings) -> None:
    own = ", ".join(f"{name} {version_of(name)}" for name in ("periskope-async", "aiohttp", "msgspec", "aiolimiter"))
    findings.add("ok", "versions", f"Python {platform.python_version()}, {own}")
    findings.add("ok", "encodings", ClientRequest.DEFAULT_HEADERS[hdrs.ACCEPT_ENCODING])


async def _look_at_server(client: PeriskopeClient, findings: Findings) -> None:
    try:
        first = await client.list_chats(limit=1)
        _look_at_first_answer(client, first.meta, findings)
        page = await client.list_chats(limit=1000)
    except AuthenticationError as error:
        findings.add("failed", "key", str(error))
        return
    except RateLimitError as error:
        findings.add("warning", "limit", f"somebody else spends this key's whole limit: {error}")
        return
    except TransportError as error:
        findings.add("failed", "connection", str(error))
        return
    except PeriskopeError as error:
        findings.add("failed", "one page", str(error))
        return
    told = "not told" if page.count is None else f"{page.count:,}"
    findings.add(
        "ok",
        "one page",
        f"{amount(len(page.chats), 'chats')}, {page.meta.body_bytes / 1e6:.2f} MB in "
        f"{page.meta.seconds * 1000:.0f} ms; the server's count is {told}",
    )


def _look_at_first_answer(client: PeriskopeClient, meta: ResponseMeta, findings: Findings) -> None:
    findings.add("ok", "key", f"accepted; organisation {meta.org_id or 'not named'}")
    findings.add("ok", "scope", f"phone {meta.phone_id}" if meta.phone_id else "every phone that the key may use")
    findings.add("ok", "connection", f"one small answer took {meta.seconds * 1000:.0f} ms [trace {meta.trace_id}]")
    _look_at_limit(client, meta.rate_limit.unusable, findings)
    _look_at_clock(meta, findings)


def _look_at_limit(client: PeriskopeClient, unusable: tuple[str, ...], findings: Findings) -> None:
    view = client.rate_limit
    findings.add("ok", "limit", f"{view.limit} requests in {view.window:g} s, {view.remaining} left right now")
    sure = "proven" if view.is_window_sure else "most likely; more answers will tell"
    findings.add("ok", "window", f"{view.window:g} s long, {sure}")
    others = f"others spend {view.foreign} a window" if view.foreign else "nobody else was seen to spend any of it"
    findings.add("ok", "budget", f"{others}; requests are timed to within {view.margin * 1000:.0f} ms")
    for said in unusable:
        findings.add("warning", "limit", said)


def _look_at_clock(meta: ResponseMeta, findings: Findings) -> None:
    if meta.date is None:
        findings.add("warning", "clock", "the server sent no Date header")
        return
    server_time = meta.rate_limit.server_time
    if server_time is None:
        findings.add("warning", "clock", f"the server's Date cannot be read: {meta.date!r}")
        return
    behind = server_time - time.time()
    if abs(behind) < 5:  # noqa: PLR2004 - Date has whole seconds, and the answer was under way
        findings.add("ok", "clock", "agrees with the server's")
    else:
        way = "behind" if behind > 0 else "ahead of"
        findings.add(
            "warning",
            "clock",
            f"this machine's is {abs(behind):.0f} s {way} the server's; nothing here relies on it",
        )
