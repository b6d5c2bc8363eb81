"""Which proxy a client takes: what it was told, then the environment; none to this machine."""

from __future__ import annotations

import os
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from periskope_async import ConfigError, PeriskopeClient
from periskope_async.config import DEFAULT_BASE_URL
from periskope_async.proxy import find_proxy
from periskope_async.secret import Secret
from tests.ambiguous import Ambiguous
from tests.flow.crash_report import crash_report

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    environ: Mapping[str, str],
    *,
    base_url: str = DEFAULT_BASE_URL,
    trust_env: bool = True,
) -> str | None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return PeriskopeClient("pk-very-secret", base_url=base_url, trust_env=trust_env).proxy


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"all_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": "http://other.example", "HTTPS_PROXY": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY}, None),
        ({"http_proxy": PROXY}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "api.periskope.app"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "localhost,.periskope.app"}, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "periskope.app"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, 10.0.0.1, iskope.app"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost periskope.app"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost\tperiskope.app"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, *"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*.periskope.app"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "API.Periskope.app."}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "api.periskope.app:443"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "api.periskope.app:8443"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": " , .,[]"}, PROXY),
        ({"HTTPS_PROXY": "not a URL", "NO_PROXY": "*"}, None),
    ],
)
def test_the_environment_is_followed(
    monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], proxy: str | None
) -> None:
    assert chosen(monkeypatch, environ) == proxy


@pytest.mark.parametrize(
    ("base_url", "no_proxy", "is_direct"),
    [
        ("https://api.example./v1", "api.example", True),
        ("https://api.example:8443/v1", "api.example", True),
        ("https://api.example:8443/v1", "api.example:8443", True),
        ("https://api.example:8443/v1", "api.example:443", False),
        ("https://10.1.2.3/v1", "10.1.2.3", True),
        ("https://10.1.2.3/v1", "localhost,10.0.0.0/8", True),
        ("https://10.1.2.3:8443/v1", "10.1.2.0/24", True),
        ("https://10.1.2.3/v1", "10.1.3.0/24,10.1.2.3/33,fd00::/8", False),
        ("https://[fd00::1]/v1", "fd00::1", True),
        ("https://[fd00::1]:8443/v1", "[fd00:0::1]:8443", True),
        ("https://[fd00::1]/v1", "fd00::/8", True),
        ("https://[fd00::1]/v1", "fd00::2,10.0.0.0/8", False),
    ],
)
def test_a_server_that_needs_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
    base_url: str,
    no_proxy: str,
    is_direct: bool,  # noqa: FBT001
) -> None:
    proxy = chosen(monkeypatch, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}, base_url=base_url)
    assert (proxy is None) is is_direct


def test_an_environment_not_trusted_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {"HTTPS_PROXY": PROXY}, trust_env=False) is None
    assert chosen(monkeypatch, {"HTTPS_PROXY": "socks5://x"}, trust_env=False) is None


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1", "https://127.0.0.2/v1"]
)
def test_this_machine_is_reached_directly(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    environ: dict[str, str] = dict.fromkeys(["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"], "socks5://no.example")
    assert chosen(monkeypatch, environ, base_url=url) is None
    assert PeriskopeClient("pk-very-secret", base_url=url, proxy=PROXY).proxy is None


def test_a_told_proxy_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example")
    monkeypatch.setenv("NO_PROXY", "*")
    assert PeriskopeClient("pk-very-secret", proxy=PROXY).proxy == PROXY


@pytest.mark.parametrize(
    ("text", "url", "user"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        ("  http://proxy.example \n", "http://proxy.example", None),
        ("HTTPS://Proxy.Example", "https://proxy.example", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("10.0.0.1:8080", "http://10.0.0.1:8080", None),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128", None),
        ("http://me:hunter2@proxy.example", "http://proxy.example", "me:hunter2"),
        ("me:hunter2@proxy.example:1", "http://proxy.example:1", "me:hunter2"),
        ("http://me@proxy.example", "http://proxy.example", "me:"),
        ("http://CORP%5Cme:p%40ss%3A%2F%C3%A4@proxy.example", "http://proxy.example", "CORP\\me:p@ss:/ä"),
        ("http://me:p@ss@proxy.example", "http://proxy.example", "me:p@ss"),
    ],
)
def test_user_and_password_are_kept_apart(text: str, url: str, user: str | None) -> None:
    proxy = find_proxy(Secret(text), trust_env=True, base_url=DEFAULT_BASE_URL, is_loopback=False)
    assert proxy is not None
    assert proxy.url == url
    assert "hunter2" not in repr(proxy)
    sent = proxy.authorization.reveal() if proxy.authorization else None
    assert (sent and b64decode(sent.removeprefix("Basic ")).decode()) == user


NO_PROXIES = [
    "http://",
    "http://me:hunter2@",
    "ftp://me:hunter2@proxy.example",
    "socks5://me:hunter2@proxy.example",
    "SOCKS5h://me:hunter2@proxy.example",
    "http://me:hunter2@proxy.example:port",
    "http://me:hunter2@proxy.example:99999",
    "http://me:hunter2@proxy.example:0",
    "http://me:1#hunter2@proxy.example",
    "http://me:1?hunter2@proxy.example",
    "http://me:1/hunter2@proxy.example",
    "http://me:hunter2@proxy.example/pac",
    "http://me:hunter2@proxy example",
    "http://me:hunter2@proxy..example",
    "http://me:hunter2@[::1",
]


@pytest.mark.parametrize("text", [*NO_PROXIES, "", "http://me:hunter2\x00@proxy.example"])
def test_what_is_no_proxy_is_refused(text: str) -> None:
    """It is said when the client is made, and without the password."""
    with pytest.raises(ConfigError, match=r"^proxy ") as caught:
        PeriskopeClient("pk-very-secret", proxy=text)
    assert caught.value.parameter == "proxy"
    assert "hunter2" not in crash_report(caught.value)


@pytest.mark.parametrize("text", NO_PROXIES)
def test_what_is_none_in_the_environment_too(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY") as caught:
        PeriskopeClient("pk-very-secret")
    assert "hunter2" not in crash_report(caught.value)


@pytest.mark.parametrize("value", [5, True, 1.5, b"http://proxy.example", Ambiguous()])
def test_a_proxy_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^proxy is a \w+; give its URL as a str") as caught:
        PeriskopeClient("pk-very-secret", proxy=value)
    assert caught.value.parameter == "proxy"


def test_a_url_of_yarl_is_a_proxy() -> None:
    url: Any = URL(PROXY)
    assert PeriskopeClient("pk-very-secret", proxy=url).proxy == PROXY


@pytest.mark.parametrize("name", ["bücher.example", ".Bücher.example", "*.bücher.example", "bücher.example:443"])
def test_a_name_outside_ascii_is_exempt(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": name}
    assert chosen(monkeypatch, environ, base_url="https://bücher.example/v1") is None
    assert chosen(monkeypatch, environ, base_url="https://other.example/v1") == PROXY
