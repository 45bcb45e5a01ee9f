"""What the headers of an upstream's answer say about its rate limits, in every vendor's spelling. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_WAIT_S = 300.0
"""No upstream may send us away for longer at a time."""

_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,16})?")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h|d))+")
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h|d)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARAMETER = re.compile(r"\b(r|remaining|t|reset|w)=([0-9]{1,9})")
_MAX_DATE = 64
_UNIX_S, _UNIX_MS = 1e9, 1e12
"""From here on a number of a reset is a time since 1970, not a wait."""


def used_up_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    """Return how long nothing should be sent, in seconds up to `MAX_WAIT_S`: until the last of those limits resets that
    have nothing left. None = something is left of all that are named, or it isn't said when they reset.

    `headers` have lower-case names. A header of what remains goes with the one whose name has `reset` in its place,
    and so with its limit; one rule for `x-ratelimit-remaining-requests` and `-tokens` (OpenAI, Azure, Groq, Mistral…),
    `x-ratelimit-remaining-tokens-minute` (Cerebras), `anthropic-ratelimit-input-tokens-remaining`, `x-ratelimit-remaining`
    (OpenRouter and many gateways) and `ratelimit-remaining` (older IETF drafts).

    Source: https://platform.openai.com/docs/guides/rate-limits (2026-06),
    https://docs.anthropic.com/en/api/rate-limits (2026-11),
    https://inference-docs.cerebras.ai/support/rate-limits (2026-11),
    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (versions 06 and 10).
    """
    named = [name for name in headers if "ratelimit" in name]
    if not named:
        return None
    waits = [wait for name in named for wait in _waits(name, headers, now_unix_s)]
    return min(max(waits), MAX_WAIT_S) if waits else None


def retry_after_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    """Return how long an error answer asks to wait, in seconds up to `MAX_WAIT_S`; None where it doesn't say so.

    Milliseconds win over seconds, as in OpenAI's own client; a date is one of HTTP's.

    Source: `_parse_retry_after_header` of openai-python 3.52 for `retry-after-ms`; Azure's gateways say
    `x-ms-retry-after-ms`: https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/request-limits-and-throttling
    (2026-11); RFC 9110, section 10.2.3.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return min(float(value) / 1000, MAX_WAIT_S)
    value = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        return min(float(value), MAX_WAIT_S)
    wait_s = _until_date_s(value, now_unix_s)
    return None if wait_s is None else min(wait_s, MAX_WAIT_S)


def wait_s(value: str, now_unix_s: float) -> float | None:
    """Read when something resets: `20ms`, `6m0s`, `59.5` (seconds), a Unix time in s or ms, or a date of RFC 3339 or HTTP.

    Returns seconds from now, never fewer than 0; None where it is none of these.
    """
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number < _UNIX_S:
            return number
        return max(0.0, (number / 1000 if number >= _UNIX_MS else number) - now_unix_s)
    if _DURATION.fullmatch(value):
        return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(value))
    return _until_date_s(value, now_unix_s)


def _waits(name: str, headers: Mapping[str, str], now_unix_s: float) -> Iterator[float]:
    """Yield the waits of the limits in one header that have nothing left."""
    value = headers[name]
    if name == "ratelimit":
        yield from _listed(value, headers.get("ratelimit-policy", ""))
    elif "remaining" in name and _NUMBER.fullmatch(value) and float(value) == 0:
        # Where the limit itself is 0 and answers come nevertheless, it says nothing.
        limit, reset = (headers.get(name.replace("remaining", what)) for what in ("limit", "reset"))
        until_s = wait_s(reset, now_unix_s) if reset is not None and limit != "0" else None
        if until_s is not None:
            yield until_s


def _listed(value: str, policies: str) -> Iterator[float]:
    """Read the one header of the IETF's later drafts: `"minute";r=0;t=30`, or `limit=10, remaining=0, reset=30`.

    Without a time, the window of the policy of the same name is waited for.
    """
    windows = {item.partition(";")[0].strip(): _parameters(item).get("w") for item in policies.split(",")}
    items = value.split(",") if ";" in value else [value]
    for item in items:
        said = _parameters(item)
        until_s = said.get("t", said.get("reset", windows.get(item.partition(";")[0].strip())))
        if said.get("r", said.get("remaining")) == 0 and until_s is not None:
            yield until_s


def _parameters(item: str) -> dict[str, float]:
    return {key: float(number) for key, number in _PARAMETER.findall(item)}


def _until_date_s(value: str, now_unix_s: float) -> float | None:
    if not 8 <= len(value) <= _MAX_DATE:
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(value)
            aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
            return max(0.0, aware.timestamp() - now_unix_s)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
