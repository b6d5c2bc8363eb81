"""Settings: arguments, then environment, then defaults; wrong ones are said before anything is sent."""

from __future__ import annotations

import pickle
from math import inf, nan
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from yarl import URL

from periskope_async import ConfigError, PeriskopeClient, RetryPolicy, Timeout
from periskope_async.config import DEFAULT_BASE_URL, load_config, normal_phone
from tests.ambiguous import Ambiguous

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pk-very-secret"


def test_defaults() -> None:
    config = load_config(api_key=KEY, environ={})
    assert config.base_url == DEFAULT_BASE_URL == "https://api.periskope.app/v1"
    assert config.phone is None
    assert config.timeout == Timeout(connect=10.0, read=60.0, total=None)
    assert config.max_body == 256 * 1024 * 1024


def test_the_environment_fills_what_was_not_given() -> None:
    environ = {
        "PERISKOPE_API_KEY": KEY,
        "PERISKOPE_PHONE": "+91 85271-84400",
        "PERISKOPE_BASE_URL": "http://localhost:8080/v1/",
    }
    config = load_config(environ=environ)
    assert (config.api_key.reveal(), config.phone, config.base_url) == (KEY, "918527184400", "http://localhost:8080/v1")
    assert load_config(phone="12025550123", environ=environ).phone == "12025550123"


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("+91 85271-84400", "918527184400"),
        ("918527184400", "918527184400"),
        ("918527184400@c.us", "918527184400"),
        ("0091 (85271) 84400", "918527184400"),
        ("+91\u00a085271\u201184400", "918527184400"),
        ("phone-bqzvyibhmwkaergr", "phone-bqzvyibhmwkaergr"),
        ("\ufeffphone-bqzvyibhmwkaergr\u200b", "phone-bqzvyibhmwkaergr"),
        ("12025550100.0", "12025550100"),
        ("+12025550100.00", "12025550100"),
        ("'12025550100", "12025550100"),
        ("+1.202.555.0100", "12025550100"),
        ("+33.1.23.45.67.89", "33123456789"),
        ("9198765.43210", "919876543210"),
        ("+44 (0)20 7946 0958", "442079460958"),
        ("0044 (0) 20 7946 0958", "442079460958"),
        ("44(0)2079460958", "442079460958"),
        ("\u202a+1 202\u2011555\u20110100\u202c", "12025550100"),
        ("\u200e12025550100\u200f@c.us", "12025550100"),
        ("1\u200b202\u2060555\u00ad0100", "12025550100"),
        ("+1\u2007202\u30005550100", "12025550100"),
        (" 12025550100\n", "12025550100"),
        ("+91 8527184400.0", "918527184400"),
        ("+91 8527184400.00", "918527184400"),
        ("+1 202 555 0100.0", "12025550100"),
        ("+1-202-555-0100.00", "12025550100"),
        ("+1 (202) 555-0100.0", "12025550100"),
        ("12 025 550 100.0", "12025550100"),
        ("12\u2009025\u2009550\u2009100.00", "12025550100"),
        ("+1 202 555 01 00.0@c.us", "12025550100"),
        ("+44 (0)20 7946 0958.0", "442079460958"),
        ("+33.1.23.45.67.00", "33123456700"),
        ("+1 (202) 555.0100", "12025550100"),
        ("\u0669\u0661\u0668\u0665\u0662\u0667\u0661\u0668\u0664\u0664\u0660\u0660", "918527184400"),
        ("+91 \u096e\u096b\u0968\u096d\u0967\u096e\u096a\u096a\u0966\u0966", "918527184400"),
        ("\uff0b\uff11 202-555-0100", "12025550100"),
    ],
)
def test_phones_as_people_type_them(typed: str, sent: str) -> None:
    assert normal_phone(typed) == sent


@pytest.mark.parametrize(
    "typed",
    [
        *("", "mum", "12345", "1" * 16, "918527184400@g.us", "phone-", "12025550100.0.0", "91\n852718"),
        *("12025550100.5", "12025550100.25", "1202555.0000", "1.2025550100E+10", "1.20256e+10", "12,025,550,100"),
        *("12025550100,0", "\u246b025550100", "\u00b92025550100", "-12025550100", ".12025550100"),
        *("0202 555 0100", "(0)20 7946 0958"),
        *("+1 202 555 0100.5", "+1-202-555-0100.25", "12 025 550 100.000", "12\u2009025\u2009550\u2009100.0.0"),
        *("+1 202 555 0100. 5", "+33 1 23 45 67.00", "+1.202.555.0100.0", "+1 202.555.0100.5"),
        *("tel:+12025550100", "https://wa.me/12025550100", "12025550100x5", "12025550100;12025550101", "nan", "\u200b"),
        *(12025550100, 12025550100.0, nan, 0, False, b"12025550100", ["12025550100"]),
    ],
)
def test_what_is_no_phone_is_refused(typed: Any) -> None:
    """A number that could mean two is refused, and never turned into one of them."""
    with pytest.raises(ConfigError, match="phone"):
        normal_phone(typed)
    if typed != "":
        with pytest.raises(ConfigError, match="phone"):
            load_config(api_key=KEY, phone=typed, environ={"PERISKOPE_PHONE": "12025550123"})


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "   ",
        "two words",
        "line\nbreak-secret",
        "schlüssel-secret",
        "tab\tsecret",
        "nul\0secret",
        '"secret"',
        "'secret'",
        "secret\u0456",
        "key: secret",
        5,
        b"secret",
        ["secret"],
    ],
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(api_key=key, environ={})
    assert "secret" not in str(caught.value)
    assert caught.value.parameter == "api_key"


def test_without_a_key_both_ways_are_said() -> None:
    with pytest.raises(ConfigError, match="PERISKOPE_API_KEY") as caught:
        load_config(environ={})
    assert "api_key=" in str(caught.value)


@pytest.mark.parametrize("pasted", [f"{KEY}\n", f"\ufeff{KEY}\r\n", f"Bearer {KEY}", f"bearer  {KEY} ", f"{KEY}\u200b"])
def test_what_is_pasted_with_a_key_is_no_part_of_it(pasted: str) -> None:
    assert load_config(api_key=pasted, environ={}).api_key.reveal() == KEY


@pytest.mark.parametrize(
    "url",
    [
        "http://api.periskope.app/v1",
        "http://10.0.0.1/v1",
        "ftp://api.periskope.app",
        "api.periskope.app/v1",
        "https://",
        "https://user:hunter2@api.periskope.app/v1",
        "https://api.periskope.app/v1?x=1",
        "https://api.periskope.app:port/v1",
        "https://[::1",
        "https://[::1]x/v1",
        "https://[zz]/v1",
        "https://::1/v1",
        "https://api..periskope.app/v1",
        "https://.periskope.app/v1",
        "https://api.periskope.app../v1",
        "https://./v1",
        f"https://{'a' * 64}.example/v1",
        f"https://{'ü' * 63}.example/v1",
        f"https://{'.'.join(['a' * 60] * 5)}/v1",
        "https://api periskope.app/v1",
        "https://api.peri\nskope.app/v1",
        "https://api.periskope.app/v 1",
        "https://api%2eperiskope.app/v1",
        "https://api.periskope.app\\evil/v1",
        "https://api,periskope.app/v1",
        "https://<host>/v1",
        "https://api.periskope.app:0/v1",
        "https://api.periskope.app:70000/v1",
        "https://api.periskope.app:-1/v1",
        "https://api.periskope.app/v1#top",
        "//api.periskope.app/v1",
        "https:api.periskope.app",
        "https:/api.periskope.app/v1",
        "http://localhost.evil.example/v1",
        "   ",
        b"https://api.periskope.app/v1",
        5,
        0,
        False,
    ],
)
def test_a_base_url_that_would_leak_or_fail_is_refused(url: Any) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        load_config(api_key=KEY, base_url=url, environ={})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("HTTPS://API.Periskope.app/v1/", "https://api.periskope.app/v1"),
        (" https://api.periskope.app/v1 \n", "https://api.periskope.app/v1"),
        ("\ufeffhttps://api.periskope.app/v1", "https://api.periskope.app/v1"),
        ("https://api.peri\u200bskope.app/v1\u200b", "https://api.periskope.app/v1"),
        ("https://api.periskope.app.:8443//", "https://api.periskope.app.:8443"),
        ("https://api.periskope.app:/v1?", "https://api.periskope.app/v1"),
        ("https://my_proxy-2/v1", "https://my_proxy-2/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://api。periskope.app/v1", "https://api.periskope.app/v1"),
        (f"https://{'a' * 63}.example/v1", f"https://{'a' * 63}.example/v1"),
        ("https://x.example/é%2Fü", "https://x.example/%C3%A9%2F%C3%BC"),
        ("https://10.0.0.1/v1", "https://10.0.0.1/v1"),
        ("http://localhost//v1", "http://localhost//v1"),
        ("http://localhost//gw/v1/", "http://localhost//gw/v1"),
        ("https://x.example///v1", "https://x.example///v1"),
        ("https://x.example//a@b:c/v1", "https://x.example//a@b:c/v1"),
        ("https://x.example//é/v1", "https://x.example//%C3%A9/v1"),
        ("https://[::1]//gw//v1", "https://[::1]//gw//v1"),
        ("https://x.example//", "https://x.example"),
        ("https://[2001:DB8::1]:8443/v1", "https://[2001:db8::1]:8443/v1"),
    ],
)
def test_a_base_url_is_what_was_meant(typed: str, meant: str) -> None:
    """It comes out as it goes over the wire, and is read again as the same."""
    assert load_config(api_key=KEY, base_url=typed, environ={}).base_url == meant
    assert load_config(api_key=KEY, base_url=meant, environ={}).base_url == meant
    host = urlsplit(meant).hostname
    assert host
    host.encode("idna")


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/v1", "http://127.0.0.1:1/v1", "http://[::1]:8080/v1", "https://x.example/v1"]
)
def test_loopback_may_be_plain(url: str) -> None:
    assert load_config(api_key=KEY, base_url=url, environ={}).base_url == url


def making(make: Callable[..., object], **settings: Any) -> Callable[[], object]:
    return lambda: make(**settings)


TIMEOUTS = ("connect", "read", "total")
RETRIES = ("base", "ceiling", "max_elapsed")
NO_NUMBERS: tuple[Any, ...] = (nan, True, False, "3", b"3", [3], 3j)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeout(connect=0),
        lambda: Timeout(read=-1),
        *(making(Timeout, **{name: value}) for name in TIMEOUTS for value in (*NO_NUMBERS, inf, 1e300)),
        *(making(RetryPolicy, tries=value) for value in (0, -1, 2.0, None, *NO_NUMBERS)),
        *(making(RetryPolicy, **{name: value}) for name in RETRIES for value in (-1, None, *NO_NUMBERS)),
        lambda: RetryPolicy(base=inf),
        *(making(load_config, api_key=KEY, environ={}, max_body=value) for value in (0, -1, 1e9, *NO_NUMBERS)),
        *(making(load_config, api_key=KEY, environ={}, timeout=value) for value in NO_NUMBERS),
        *(making(load_config, api_key=KEY, environ={}, retry=value) for value in NO_NUMBERS),
        lambda: PeriskopeClient(KEY, hooks=[print, "no hook"]),  # type: ignore[list-item]
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


def test_an_async_hook_is_refused_when_the_client_is_made() -> None:
    async def hook(event: object) -> None: ...

    with pytest.raises(ConfigError, match="queue"):
        PeriskopeClient(KEY, hooks=[hook])


def test_shorthands() -> None:
    config = load_config(api_key=KEY, timeout=5, retry=1, environ={})
    assert config.timeout == Timeout(total=5)
    assert config.retry == RetryPolicy(tries=1)


def test_the_key_shows_nowhere() -> None:
    config = load_config(api_key=KEY, environ={})
    client = PeriskopeClient(KEY)
    for text in (
        repr(config),
        str(config.api_key),
        f"{config.api_key}",
        repr(client),
        repr(client.with_phone("12025550123")),
    ):
        assert KEY not in text
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config.api_key)


def test_a_client_is_made_without_a_loop_and_leaves_nothing() -> None:
    assert PeriskopeClient(KEY).rate_limit.limit == 10


@pytest.mark.parametrize("name", ["phone", "base_url", "api_key", "timeout", "retry", "max_body"])
def test_a_missing_value_of_a_table_is_told(name: str) -> None:
    given: dict[str, Any] = {"api_key": KEY, name: Ambiguous()}
    with pytest.raises(ConfigError):
        load_config(**given, environ={})


def test_the_zone_of_an_address_is_as_the_system_reads_it() -> None:
    """In a URL its percent sign is encoded."""
    for url in ("https://[fe80::1%25eth0]:1/v1", "https://[fe80::1%eth0]:1/v1"):
        assert URL(load_config(api_key=KEY, base_url=url, environ={}).base_url).raw_host == "fe80::1%eth0"
