"""What answers' headers say of rate limits: a table of vendors' spellings, and of what says nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from router.wire.rate_limits import MAX_WAIT_S, retry_after_s, used_up_s, wait_s

NOW_UNIX_S = 1795988000.0  # 2026-11-29T21:33:20Z

USED_UP: dict[str, tuple[dict[str, str], float | None]] = {
    "OpenAI, something left": (
        {
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        None,
    ),
    "OpenAI, no requests left": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        1.0,
    ),
    "OpenAI, both used up: the later counts, up to the bound": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-requests": "20ms",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        MAX_WAIT_S,
    ),
    "Groq": ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m59.56s"}, 179.56),
    "Cerebras": (
        {"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "11.382867097854614"},
        11.382867097854614,
    ),
    "Anthropic": (
        {
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-11-29T21:33:25Z",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-29T21:33:50Z",
        },
        30.0,
    ),
    "Anthropic, a reset that is over": (
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-29T21:33:00+00:00",
        },
        0.0,
    ),
    "OpenRouter: a time in milliseconds": (
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795988012000"},
        12.0,
    ),
    "a time in seconds": ({"ratelimit-remaining": "0", "ratelimit-reset": "1795988007"}, 7.0),
    "IETF, older draft": ({"ratelimit-limit": "100", "ratelimit-remaining": "0", "ratelimit-reset": "50"}, 50.0),
    "IETF draft 07": ({"ratelimit": "limit=100, remaining=0, reset=5", "ratelimit-policy": "100;w=60"}, 5.0),
    "IETF draft 10": (
        {"ratelimit": '"burst";r=40;t=2, "daily";r=0;t=36', "ratelimit-policy": '"burst";q=50;w=10'},
        36.0,
    ),
    "IETF draft 10, without a time": (
        {"ratelimit": '"minute";r=0', "ratelimit-policy": '"day";q=9;w=86400,"minute";q=9;w=60'},
        60.0,
    ),
    "IETF draft 10, something left": ({"ratelimit": '"default";r=1;t=30'}, None),
    "Azure names no reset": ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "0"}, None),
    "a limit of 0 is none": (
        {"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9s"},
        None,
    ),
    "words": ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "soon"}, None),
    "a reset that can't be read": ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later; " * 99}, None),
    "negative": ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "9"}, None),
    "a list without its parts": ({"ratelimit": ';;,,r=;"', "ratelimit-policy": ",;w"}, None),
    "nothing": ({"content-type": "application/json", "x-request-id": "r"}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), USED_UP.values(), ids=USED_UP)
def test_a_limit_that_is_used_up_says_until_when(headers: Mapping[str, str], seconds: float | None) -> None:
    found = used_up_s(headers, NOW_UNIX_S)
    assert found == (None if seconds is None else pytest.approx(seconds))


RETRY_AFTER: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "7"}, 7.0),
    "a part of a second": ({"retry-after": " 1.5 "}, 1.5),
    "an HTTP date": ({"retry-after": "Sun, 29 Nov 2026 21:33:50 GMT"}, 30.0),
    "a date that is over": ({"retry-after": "Sun, 29 Nov 2026 21:00:00 GMT"}, 0.0),
    "milliseconds win": ({"retry-after": "1", "retry-after-ms": "250"}, 0.25),
    "Azure's milliseconds": ({"retry-after": "1", "x-ms-retry-after-ms": "1750"}, 1.75),
    "bounded": ({"retry-after": "1000000"}, MAX_WAIT_S),
    "a number without end": ({"retry-after": "9" * 400}, None),
    "a digit that is none": ({"retry-after": "\u00b2"}, None),
    "words": ({"retry-after": "soon"}, None),
    "negative": ({"retry-after": "-1"}, None),
    "milliseconds that aren't": ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after_is_bounded_or_nothing(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW_UNIX_S) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("20ms", 0.02), ("1s", 1.0), ("6m0s", 360.0), ("1h2m3.5s", 3723.5), ("1d", 86_400.0), ("1x", None), ("", None)],
)
def test_durations_are_read_as_go_writes_them(value: str, seconds: float | None) -> None:
    assert wait_s(value, NOW_UNIX_S) == (None if seconds is None else pytest.approx(seconds))
