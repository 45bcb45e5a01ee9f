"""The ordered rules of `routing.auto`: whether one applies to a request."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from router.config.schema import RouteRule
from router.core.types import Features

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def applies(rule: RouteRule, features: Features, time_unix_s: float) -> bool:
    """Whether all conditions of a rule hold; those that aren't given always do."""
    if rule.min_input_tokens is not None and features.input_tokens < rule.min_input_tokens:
        return False
    if rule.max_input_tokens is not None and features.input_tokens > rule.max_input_tokens:
        return False
    if rule.session is not None and rule.session is not (features.stuck is not None):
        return False
    wanted = ((rule.task, features.task), (rule.tier, features.tier), (rule.language, features.language))
    wanted += ((rule.tenant, features.tenant), (rule.key, features.key))
    if not (rule.needs <= features.needs and all(want is None or want == have for want, have in wanted)):
        return False
    return _is_now(rule, time_unix_s)


def _is_now(rule: RouteRule, time_unix_s: float) -> bool:
    if rule.between is None and not rule.days:
        return True
    now = datetime.fromtimestamp(time_unix_s, UTC).astimezone(ZoneInfo(rule.timezone))
    if rule.days and _DAYS[now.weekday()] not in rule.days:
        return False
    return rule.between is None or _within(now.time(), *rule.between)


def _within(now: time, start: time, end: time) -> bool:
    return start <= now < end if start <= end else now >= start or now < end
