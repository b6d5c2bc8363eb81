"""Settings: arguments, then environment, then defaults; wrong ones are said before anything is sent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from periskope_async import ConfigError, PeriskopeClient, RetryPolicy, Timeout
from periskope_async.config import DEFAULT_BASE_URL, load_config, normal_phone

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
    ],
)
def test_phones_as_people_type_them(typed: str, sent: str) -> None:
    assert normal_phone(typed) == sent


@pytest.mark.parametrize(
    "typed", ["", "mum", "12345", "1" * 16, "918527184400@g.us", "phone-", "٩١٨٥٢٧١٨٤٤٠٠", "91\n852718"]
)
def test_what_is_no_phone_is_refused(typed: str) -> None:
    with pytest.raises(ConfigError, match="phone"):
        normal_phone(typed)


@pytest.mark.parametrize(
    "key", [None, "", "   ", "two words", "line\nbreak-secret", "schlüssel-secret", "tab\tsecret", "nul\0secret"]
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(api_key=key, environ={})
    assert "secret" not in str(caught.value)
    assert caught.value.parameter == "api_key"


def test_without_a_key_both_ways_are_said() -> None:
    with pytest.raises(ConfigError, match="PERISKOPE_API_KEY") as caught:
        load_config(environ={})
    assert "api_key=" in str(caught.value)


def test_a_trailing_newline_from_a_file_is_no_part_of_the_key() -> None:
    assert load_config(api_key=f"{KEY}\n", environ={}).api_key.reveal() == KEY


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
    ],
)
def test_a_base_url_that_would_leak_or_fail_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        load_config(api_key=KEY, base_url=url, environ={})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/v1", "http://127.0.0.1:1/v1", "http://[::1]:8080/v1", "https://x.example/v1"]
)
def test_loopback_may_be_plain(url: str) -> None:
    assert load_config(api_key=KEY, base_url=url, environ={}).base_url == url


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeout(connect=0),
        lambda: Timeout(read=-1),
        lambda: Timeout(total=float("nan")),
        lambda: RetryPolicy(tries=0),
        lambda: RetryPolicy(base=-1),
        lambda: load_config(api_key=KEY, max_body=0, environ={}),
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
