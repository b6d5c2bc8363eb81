"""One frozen Config: arguments and environment in, checked and normalised settings out.

The environment is read only here, once for each client. Wrong settings raise here, before anything is sent.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from periskope_async.errors import ConfigError
from periskope_async.proxy import Proxy, find_proxy
from periskope_async.retry import RetryPolicy
from periskope_async.secret import Secret
from periskope_async.typed import is_number, is_whole, pasted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_BASE_URL", "Config", "Secret", "Timeout", "is_loopback", "load_config", "normal_phone"]

DEFAULT_BASE_URL = "https://api.periskope.app/v1"

_PHONE_ID = r"phone-[A-Za-z0-9]{4,64}"
_PHONE_FILLING = r"[ ()\-\u00a0\u2000-\u200a\u2010-\u2015\u202f\u2212\u3000]+"
# E.164: country code and number, max 15 digits, never a leading zero.
_PHONE_DIGITS = r"[1-9][0-9]{6,14}"
# A column of numbers with an empty cell: pandas and spreadsheets make floats of them.
_PHONE_AS_DECIMAL = r"(.*[0-9]{7,})\.([0-9]{1,2}|[0.]+)|.*\.[0-9]"
# "67.00" may end a number written in pairs. "100.00" and "100.0" are none of those.
_PHONE_WITH_FRACTION = r".*([0-9]{3}\.00|\.0)"
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
_MOST_SECONDS = 1e9

_SENDABLE = re.compile("[!-~]+")
_QUOTED = re.compile(r"""(["'`]).*\1""")


class Timeout(Struct, frozen=True, kw_only=True):
    """Three separate time-outs, in seconds; None waits for ever.

    There is no limit on a whole answer: a page of thousands of chats over a slow line is no failure as long as bytes
    keep coming.
    """

    connect: float | None = 10.0
    """Getting a connection: from the pool, or name, TCP and TLS."""
    read: float | None = 60.0
    """From sending to the whole of an answer's headers, interim (1xx) answers included; then silence between two bytes
    of its body."""
    total: float | None = None
    """The whole of a call: waiting for the limit, every try, every back-off."""

    def __post_init__(self) -> None:
        """Refuse values that could never succeed."""
        for name in ("connect", "read", "total"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and 0 < value < _MOST_SECONDS):
                raise ConfigError(
                    f"timeout.{name} is {value!r:.100}; give seconds above 0, or None for no limit",
                    parameter="timeout",
                )


class Config(Struct, frozen=True, kw_only=True):
    """All settings of a client, checked."""

    api_key: Secret
    phone: str | None = None
    base_url: str = DEFAULT_BASE_URL
    timeout: Timeout = Timeout()
    retry: RetryPolicy = RetryPolicy()
    max_body: int = 256 * 1024 * 1024
    """Max bytes of a decoded body; a larger one raises BodyError instead of filling the memory."""
    proxy: Proxy | None = None
    """The proxy on the way to the server."""
    redis_url: Secret | None = None
    """Redis for the shared limit of all processes with one API key."""

    def redacted(self, text: str) -> str:
        """Give the text of an answer, or of an error on the way, without any secret that it quotes."""
        for secret in (self.api_key, *(self.proxy.secrets if self.proxy else ())):
            text = secret.redact_text(text)
        return text

    def with_phone(self, phone: str | None) -> Config:
        """Give the same settings for another phone; None for all phones of the key."""
        return replace(self, phone=None if phone is None else normal_phone(phone))


def load_config(
    *,
    api_key: str | Secret | None = None,
    phone: str | None = None,
    base_url: str | None = None,
    timeout: Timeout | float | None = None,
    retry: RetryPolicy | int | None = None,
    max_body: int | None = None,
    proxy: Secret | None = None,
    trust_env: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Make a Config from arguments, and from the environment if an argument is None.

    ``timeout`` as a number is the total of a call; ``retry`` as a number is the max tries of a call. ``trust_env`` is
    about proxies alone. Raises ConfigError. It never holds the key; nor do its frames if the key came as a Secret.
    """
    if _is_left_out(phone):
        phone = _setting("PERISKOPE_PHONE", environ) or None
    if base_url is None or _is_left_out(base_url):
        base_url = _setting("PERISKOPE_BASE_URL", environ) or DEFAULT_BASE_URL
    if timeout is None:
        timeout = Timeout()
    elif not isinstance(timeout, Timeout):
        timeout = Timeout(total=timeout)
    if retry is None:
        retry = RetryPolicy()
    elif not isinstance(retry, RetryPolicy):
        retry = RetryPolicy(tries=retry)
    if max_body is not None and not is_whole(max_body, least=1):
        raise ConfigError(f"max_body is {max_body!r:.100}; give a whole number of bytes above 0", parameter="max_body")
    if api_key is None:
        api_key = Secret(_setting("PERISKOPE_API_KEY", environ) or "")
    elif not isinstance(api_key, Secret):
        api_key = Secret(api_key)
    base_url = _normal_url(base_url)
    redis_url = _setting("PERISKOPE_REDIS_URL", environ)
    config = Config(
        api_key=_checked_key(api_key),
        phone=None if phone is None else normal_phone(phone),
        base_url=base_url,
        timeout=timeout,
        retry=retry,
        redis_url=None if redis_url is None else Secret(redis_url),
        proxy=find_proxy(
            proxy,
            trust_env=trust_env,
            base_url=base_url,
            is_loopback=is_loopback(urlsplit(base_url).hostname or ""),
        ),
    )
    return config if max_body is None else replace(config, max_body=max_body)


def _is_left_out(value: object) -> bool:
    """Whether a setting is None or "". A 0, a NaN or pandas' NA from a table is a slip, and is told later."""
    return value is None or (isinstance(value, str) and not value)


def _setting(name: str, environ: Mapping[str, str] | None) -> str | None:
    """Read one variable; no frame with an error holds the whole environment."""
    return (os.environ if environ is None else environ).get(name) or None


def normal_phone(phone: str) -> str:
    """Turn a phone number as people type it into the value of the ``x-phone`` header.

    ``+91 85271-84400``, ``+44 (0)20 7946 0958``, ``918527184400@c.us`` and ``918527184400.0`` (a spreadsheet's) become
    digits; a phone id (``phone-bqzvyibhmwkaergr``) stays as it is. Raises ConfigError for anything else.
    """
    if not isinstance(phone, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a number is the likeliest slip
        raise ConfigError(
            f"phone is {phone!r:.100}, a {type(phone).__name__}; give it as a str, such as '+91 85271 84400'",
            parameter="phone",
        )
    # Phones write numbers with the digits of their language: Arabic, Devanagari, full-width.
    text = re.sub(r"\d", lambda digit: str(int(digit[0])), pasted(phone)).replace("\uff0b", "+")
    if re.fullmatch(_PHONE_ID, text):
        return text
    # The apostrophe marks a number as text in a spreadsheet.
    text = text.removeprefix("'").removesuffix("@c.us")
    if not text.startswith("(0)"):
        # "(0)" after a country code is the digit to dial without that code.
        text = text.replace("(0)", "", 1)
    number = re.sub(_PHONE_FILLING, "", text)
    if decimal := re.fullmatch(_PHONE_AS_DECIMAL, number):
        # ".5" or ".0000" may be a fraction or a group of digits: neither is worth a guess.
        is_whole_number = decimal[2] in {"0", "00"} and re.fullmatch(_PHONE_WITH_FRACTION, text)
        number = decimal[1] if is_whole_number else ""
    digits = number.replace(".", "").removeprefix("+").removeprefix("00")
    if not text.startswith(("+", "(", *"0123456789")) or not re.fullmatch(_PHONE_DIGITS, digits):
        raise ConfigError(
            f"phone {phone!r:.100} is neither a number with its country code (such as +91 85271 84400) "
            "nor a phone id (such as phone-bqzvyibhmwkaergr)",
            parameter="phone",
        )
    return digits


def _checked_key(secret: Secret) -> Secret:
    # The key is in no local and in no text: both end up in logs.
    if not isinstance(secret.reveal(), str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"the API key is a {type(secret.reveal()).__name__}; give it as a str", parameter="api_key")
    # People copy the whole header of an example.
    secret = Secret(re.sub(r"(?i)\Abearer\s+", "", pasted(secret.reveal())))
    if not secret.reveal():
        raise ConfigError(
            "no API key: set PERISKOPE_API_KEY in the environment, or pass PeriskopeClient(api_key=…). "
            "Keys are made in Periskope's console under Settings, API",
            parameter="api_key",
        )
    if not _SENDABLE.fullmatch(secret.reveal()) or _QUOTED.fullmatch(secret.reveal()):
        raise ConfigError(
            "the API key holds a space, a line break or a character outside ASCII, or stands in quotes, so it cannot "
            "be sent in a header; copy it again from the console, on one line",
            parameter="api_key",
        )
    return secret


def _normal_url(url: str) -> str:
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - other libraries have URL objects
        raise ConfigError(f"base_url is a {type(url).__name__}; give it as a str", parameter="base_url")
    text = pasted(url)
    try:
        parts = urlsplit(text)
        if parts.username or parts.password:
            raise ConfigError(
                "base_url holds a user or password; the API key is all that is sent", parameter="base_url"
            )
        if any(character.isspace() or character < " " for character in text):
            raise ConfigError(f"base_url {url!r} holds a space or a line break", parameter="base_url")
        # yarl encodes letters outside ASCII for a URL, and refuses the impossible ones.
        host, port = URL(f"//{parts.netloc}").raw_host or "", parts.port
        # The zone of an address: no resolver decodes it.
        host = host.replace("%25", "%", 1)
        # Alone, the first part of "//gw/v1" would be read as a host.
        path = URL(f"//host{parts.path}").raw_path
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"base_url cannot be read: {error}", parameter="base_url") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"base_url {url!r} is not a URL such as {DEFAULT_BASE_URL}", parameter="base_url")
    if port == 0 or not (_HOST.fullmatch(host) or _is_address(host)):
        raise ConfigError(
            f"base_url {url!r} has a host or port that cannot exist: a name's parts are 1 to 63 letters and digits "
            "with a dot between, a port is 1 to 65535",
            parameter="base_url",
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"base_url {url!r} has a query or fragment; give scheme, host and path", parameter="base_url")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"base_url {url!r} would send the API key unencrypted; use https:// (plain http is for this machine only)",
            parameter="base_url",
        )
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port is not None else ''}{path.rstrip('/')}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
