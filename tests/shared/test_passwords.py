"""No error of a shared limiter shows the password of its Redis: not in its text, and not in its frames."""

from __future__ import annotations

import pytest

from periskope_async import ConfigError
from periskope_async.limits.shared import SharedLimiter
from tests.flow.crash_report import crash_report

pytest.importorskip("redis", reason="redis-py is in an extra")


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:hidden@h:port/0",
        "redis://u:hid/hidden@h:6379/0",
        "redis://u:hidden@h:99999999/0",
        "redis://u:hidden@[h/0",
        "redis://u:hidden@h/0?health_check_interval=hidden",
        "http://u:hidden@h",
        "u:hidden@h",
        "redis://u:hidden@h/0?socket_timout=3",
        "redis://u:hidden@h/0?ssl_cert_reqs=none",
        "rediss://u:hidden@h/0?ssl_cert_reqs=CERT_NONE",
        "unix://u:hidden@/store.sock?foo=hidden",
    ],
)
def test_a_mistyped_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="the URL of Redis cannot be used") as caught:
        SharedLimiter(url)
    assert "hidden" not in crash_report(caught.value)
