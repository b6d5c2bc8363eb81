"""The options of both limiters: what makes no sense is refused by name, when the limiter is made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from periskope_async import ConfigError, RateLimit, RateLimiter
from periskope_async.limits.shared import SharedLimiter

NO_NUMBERS = ["x", b"1", [1], True, math.nan]


def shared_limiter(**options: Any) -> SharedLimiter:
    return SharedLimiter("redis://127.0.0.1:1/0", **options)


@pytest.mark.parametrize("make", [RateLimiter, shared_limiter])
@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        *(
            ("assume", value, r"RateLimit\(limit, window\)")
            for value in (5, 0, "x", "", 1.5, True, (10, 1.0), RateLimit)
        ),
        *(("reserve", value, "from 0 to below 1") for value in (*NO_NUMBERS, None, 1, 1.0, -0.1)),
        *(("max_wait", value, "from 0 up, or None") for value in (*NO_NUMBERS, -1, -math.inf)),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(make: Any, option: str, value: Any, advice: str) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is .*{advice}") as caught:
        make(**{option: value})
    assert caught.value.parameter == option


@pytest.mark.parametrize("burst", [*NO_NUMBERS, 0, -1, 1.5])
def test_a_burst_that_makes_no_sense_is_refused_by_name(burst: Any) -> None:
    with pytest.raises(ConfigError, match=r"^burst is .*from 1 up") as caught:
        RateLimiter(burst=burst)
    assert caught.value.parameter == "burst"


@pytest.mark.parametrize("make", [RateLimiter, shared_limiter])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"assume": None, "max_wait": None},
        {"assume": RateLimit(1, 1), "reserve": 0, "max_wait": 0},
        {"assume": RateLimit(1, 0.5), "reserve": 0.99, "max_wait": math.inf},
    ],
)
def test_options_that_make_sense(make: Any, options: dict[str, Any]) -> None:
    assert make(**options).snapshot().limit in {1, 10}


@pytest.mark.parametrize(
    ("limit", "window"),
    [
        *((limit, 1.0) for limit in (*NO_NUMBERS, None, 0, -1, 2.5, math.inf)),
        *((10, window) for window in (*NO_NUMBERS, None, 0, -1.0, math.inf)),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limit: Any, window: Any) -> None:
    with pytest.raises(ConfigError, match="is no limit; give a whole number of requests") as caught:
        RateLimit(limit, window)
    assert caught.value.parameter == "limit"
