"""One frozen Config: arguments and environment in, checked and normalised settings out.

The environment is read here and nowhere else, once, when a client is made; and what is wrong is said here, before
anything is sent.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from periskope_async.errors import ConfigError
from periskope_async.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_BASE_URL", "Config", "Secret", "Timeout", "load_config", "normal_phone"]

DEFAULT_BASE_URL = "https://api.periskope.app/v1"

_PHONE_ID = re.compile(r"phone-[A-Za-z0-9]{4,64}", re.ASCII)
_PHONE_FILLING = re.compile(r"[ ().\-\u00a0\u202f\u2010-\u2015]+")
# E.164: country code and number, 15 digits at most, never a leading zero.
_PHONE_DIGITS = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)


class Secret:
    """A string that never shows itself: not in a repr, a log, a traceback's locals or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the string, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be written out."""
        raise TypeError("an API key is not pickled; read it from the environment where it is needed")


class Timeout(Struct, frozen=True, kw_only=True):
    """Three separate patiences, in seconds; None waits for ever.

    There is no limit on a whole answer: a page of thousands of chats over a slow line is no failure as long as bytes
    keep coming.
    """

    connect: float | None = 10.0
    """Getting a connection: from the pool, or name, TCP and TLS."""
    read: float | None = 60.0
    """Silence between two bytes of an answer, the wait for its first byte included."""
    total: float | None = None
    """The whole of a call: waiting for the limit, every try, every back-off."""

    def __post_init__(self) -> None:
        """Refuse what could never succeed."""
        for name in ("connect", "read", "total"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ConfigError(
                    f"timeout.{name} is {value!r}; give seconds above 0, or None for no limit",
                    parameter="timeout",
                )


class Config(Struct, frozen=True, kw_only=True):
    """Everything that a client was told, checked."""

    api_key: Secret
    phone: str | None = None
    base_url: str = DEFAULT_BASE_URL
    timeout: Timeout = Timeout()
    retry: RetryPolicy = RetryPolicy()
    max_body: int = 256 * 1024 * 1024
    """Most bytes of a decoded body; a larger one raises BodyError instead of filling the memory."""

    def with_phone(self, phone: str | None) -> Config:
        """Give the same settings for another phone; None for all phones of the key."""
        return replace(self, phone=None if phone is None else normal_phone(phone))


def load_config(
    *,
    api_key: str | None = None,
    phone: str | None = None,
    base_url: str | None = None,
    timeout: Timeout | float | None = None,
    retry: RetryPolicy | int | None = None,
    max_body: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Make a Config from arguments, and from the environment where an argument is None.

    ``timeout`` as a number is the total of a call; ``retry`` as a number is the tries of a call.
    Raises ConfigError, which never holds the key.
    """
    env = os.environ if environ is None else environ
    phone = phone or env.get("PERISKOPE_PHONE") or None
    if timeout is None:
        timeout = Timeout()
    elif not isinstance(timeout, Timeout):
        timeout = Timeout(total=timeout)
    if retry is None:
        retry = RetryPolicy()
    elif not isinstance(retry, RetryPolicy):
        retry = RetryPolicy(tries=retry)
    if max_body is not None and max_body < 1:
        raise ConfigError(f"max_body is {max_body}; give a number of bytes above 0", parameter="max_body")
    config = Config(
        api_key=_secret(api_key if api_key is not None else env.get("PERISKOPE_API_KEY")),
        phone=None if phone is None else normal_phone(phone),
        base_url=_normal_url(base_url or env.get("PERISKOPE_BASE_URL") or DEFAULT_BASE_URL),
        timeout=timeout,
        retry=retry,
    )
    return config if max_body is None else replace(config, max_body=max_body)


def normal_phone(phone: str) -> str:
    """Turn what a person types into what the ``x-phone`` header takes.

    ``+91 85271-84400`` and ``918527184400@c.us`` become ``918527184400``; a phone id (``phone-bqzvyibhmwkaergr``)
    stays as it is. Raises ConfigError for anything else.
    """
    if not isinstance(phone, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a number is the likeliest slip
        raise ConfigError(f"phone is {phone!r}, a {type(phone).__name__}; give it as a str", parameter="phone")
    text = phone.strip()
    if _PHONE_ID.fullmatch(text):
        return text
    digits = _PHONE_FILLING.sub("", text.removesuffix("@c.us")).removeprefix("+").removeprefix("00")
    if not _PHONE_DIGITS.fullmatch(digits):
        raise ConfigError(
            f"phone {phone!r} is neither a number with its country code (such as +91 85271 84400) "
            "nor a phone id (such as phone-bqzvyibhmwkaergr)",
            parameter="phone",
        )
    return digits


def _secret(key: str | None) -> Secret:
    if key is not None and not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"the API key is a {type(key).__name__}; give it as a str", parameter="api_key")
    key = (key or "").strip()
    if not key:
        raise ConfigError(
            "no API key: set PERISKOPE_API_KEY in the environment, or pass PeriskopeClient(api_key=…). "
            "Keys are made in Periskope's console under Settings, API",
            parameter="api_key",
        )
    # Said without the key: an exception's text ends up in logs.
    if not all("!" <= character <= "~" for character in key):
        raise ConfigError(
            "the API key holds a space, a line break or a character outside ASCII, so it cannot be sent in a header; "
            "copy it again from the console, on one line",
            parameter="api_key",
        )
    return Secret(key)


def _normal_url(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"base_url cannot be read: {error}", parameter="base_url") from None
    if parts.username or parts.password:
        raise ConfigError("base_url holds a user or password; the API key is all that is sent", parameter="base_url")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"base_url {url!r} is not a URL such as {DEFAULT_BASE_URL}", parameter="base_url")
    if any(character.isspace() for character in url.strip()):
        raise ConfigError(f"base_url {url!r} holds a space or a line break", parameter="base_url")
    if parts.query or parts.fragment:
        raise ConfigError(f"base_url {url!r} has a query or fragment; give scheme, host and path", parameter="base_url")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigError(
            f"base_url {url!r} would send the API key unencrypted; use https:// (plain http is for this machine only)",
            parameter="base_url",
        )
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
