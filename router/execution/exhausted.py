"""What the caller is told when no step of a plan answered. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from router.core.errors import (
    AllTargetsFailed,
    ContextTooLong,
    DeploymentBusy,
    NoHealthyTarget,
    Retry,
    RouterError,
    UnsupportedFeature,
    UpstreamFiltered,
    UpstreamProtocolError,
    UpstreamUnavailable,
)
from router.core.types import Locality, Plan


def exhausted(plan: Plan, causes: Sequence[RouterError]) -> RouterError:
    """Sum up why no step answered; `causes` in order, at least one."""
    last = causes[-1]
    for cause in causes:
        if cause.retry is Retry.NEVER or isinstance(cause, UpstreamFiltered):
            return cause
    if all(step.target.locality is Locality.LOCAL for step in plan.steps):
        if isinstance(last, (UpstreamUnavailable, UpstreamProtocolError)):
            why = f"this request must stay local ({plan.reason}) and the local engine is down: {last.message}"
            return NoHealthyTarget(why, retry_after_s=last.retry_after_s)
        return last
    if len(plan.steps) == 1:
        return last
    if all(isinstance(cause, ContextTooLong | UnsupportedFeature) for cause in causes):
        return last
    if all(isinstance(cause, DeploymentBusy) for cause in causes):
        return last
    waits = [cause.retry_after_s for cause in causes if cause.retry_after_s is not None]
    message = f"every target failed: {codes(causes)}"
    return AllTargetsFailed(message, causes=tuple(causes), retry_after_s=min(waits) if waits else None)


def codes(causes: Sequence[RouterError]) -> str:
    """List the codes of some errors."""
    return ", ".join(cause.code for cause in causes)
