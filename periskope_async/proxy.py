"""The proxy on the way to the server: given, or found in the environment as curl and httpx find theirs.

Its user and password are kept apart from its URL, so that the URL can be shown.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct
from yarl import URL

from periskope_async.errors import ConfigError
from periskope_async.secret import Secret

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ["Proxy", "find_proxy"]

_HTTPS_PORT = 443


class Proxy(Struct, frozen=True):
    """An HTTP proxy."""

    url: str
    """Scheme, host and port; nothing secret."""
    authorization: Secret | None = None
    """The value of its Proxy-Authorization header; None if it has no user."""
    secrets: tuple[Secret, ...] = ()
    """What it may quote, and must not be shown."""


def find_proxy(given: Secret | None, *, trust_env: bool, base_url: str, is_loopback: bool) -> Proxy | None:
    """Give the proxy for a server, or None if requests go to it directly.

    ``given`` goes before the environment (``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in lower case too; on macOS
    and Windows the system's settings). This machine is never reached through one: a proxy elsewhere would ask itself,
    and would be sent the API key unencrypted. Raises ConfigError without a user or a password in it.
    """
    proxy = None if given is None else _read(given, "proxy")
    server = urlsplit(base_url)
    if is_loopback or (given is None and (not trust_env or _is_exempt(server))):
        return None
    if proxy is None and (found := _from_environment(server.scheme)) is not None:
        proxy = _read(found, "HTTPS_PROXY or ALL_PROXY (which trust_env=False ignores)")
    return proxy


def _from_environment(scheme: str) -> Secret | None:
    proxies = getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    return Secret(found) if found else None


def _is_exempt(server: SplitResult) -> bool:
    """Whether NO_PROXY names the server, as curl reads it; a ``*.`` before a name and a port behind it count too."""
    host = (server.hostname or "").rstrip(".")
    port = f":{server.port or _HTTPS_PORT}"
    names = re.split(r"[,\s]+", getproxies().get("no", "").lower())
    return (
        "*" in names
        or any(_covers(name, host) or _covers(name.removesuffix(port), host) for name in names)
        # The system's settings, on macOS and Windows.
        or proxy_bypass(server.netloc)
    )


def _covers(name: str, host: str) -> bool:
    name = name.removeprefix("*").strip(".[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return bool(name) and f".{host}".endswith(f".{_encoded(name)}")


def _encoded(name: str) -> str:
    """Write a name as it is in a URL, where letters outside ASCII are encoded."""
    try:
        return URL.build(host=name).raw_host or ""
    except ValueError:
        return name


def _read(given: Secret, source: str) -> Proxy:
    # A crash report of an error raised here shows the locals of this frame: they hold no password.
    proxy = _parsed(given)
    if isinstance(proxy, Proxy):
        return proxy
    raise ConfigError(f"{source} {proxy}", parameter="proxy")


def _parsed(given: Secret) -> Proxy | str:
    """Give the proxy, or the fault in its text."""
    if not isinstance(given.reveal(), str | URL):  # pyright: ignore[reportUnnecessaryIsInstance] - no type checker
        return f"is a {type(given.reveal()).__name__}; give its URL as a str"
    text = str(given.reveal()).strip()
    scheme, separator, _ = text.partition("://")
    scheme = scheme.lower() if separator else "http"
    if scheme.startswith("socks"):
        return "is a SOCKS proxy, which aiohttp cannot use; lend a session whose connector can (see aiohttp-socks)"
    wrong = "is not a URL such as http://user:password@proxy.example:3128, with what is special in it percent-encoded"
    try:
        parts = urlsplit(text if separator else f"http://{text}")
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return wrong
    is_visible = all("!" <= character <= "~" for character in text)
    # A slash, "?" or "#" in a password ends the host early: the supposed host may then be a part of the password.
    if (
        scheme not in {"http", "https"}
        or not host
        or port == 0
        or not is_visible
        or parts.path.strip("/")
        or "?" in text
        or "#" in text
    ):
        return wrong
    shown_host = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{shown_host}{f':{port}' if port is not None else ''}"
    if parts.username is None:
        return Proxy(url)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    encoded = b64encode(user.encode()).decode()
    return Proxy(url, Secret(f"Basic {encoded}"), (Secret(encoded), Secret(unquote(parts.password or ""))))
