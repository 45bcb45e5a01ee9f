"""Which step of a plan comes next, given what failed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from router.core.errors import ContextTooLong, Retry, RouterError, UnsupportedFeature, UpstreamFiltered
from router.core.types import Locality, Step
from router.execution.retry import may_pass


class Failed(msgspec.Struct, frozen=True):
    """One try of a step that brought no answer to give."""

    step: int
    """Its place in the plan."""
    error: RouterError | None = None
    """None = it brought one, and a gate turned that down."""


class Move(NamedTuple):
    """What to do next."""

    step: int
    is_retry: bool = False


def following(
    steps: Sequence[Step], failed: Sequence[Failed], max_retry_after_s: float, *, may_retry: bool = True
) -> Move | None:
    """Return the step to try next; None = nothing may be tried any more.

    A target is tried once, and again only as a retry, of which its step has so many. After a request was too long for one target,
    those that are named for this come first, then those of the others whose window is larger. After a content filter
    refused, only those that are named for this are asked: any other would evade the filter. After a gate turned an
    answer down, only other models are asked.
    """
    if not failed:
        return Move(0)
    last = failed[-1]
    if any(one.error is not None and one.error.retry is Retry.NEVER for one in failed):
        return None
    left = next(_left(steps, failed), None)
    tries = sum(one.step == last.step for one in failed)
    has_retries = may_retry and tries <= steps[last.step].retries
    if last.error is not None and has_retries and may_pass(last.error, is_last=left is None, max_s=max_retry_after_s):
        return Move(last.step, is_retry=True)
    return None if left is None else Move(left)


def _left(steps: Sequence[Step], failed: Sequence[Failed]) -> Iterator[int]:
    """Yield the steps that may still be tried, in order."""
    tried = {steps[one.step].target for one in failed}
    errors = [one.error for one in failed if one.error is not None]
    turned_down = {steps[one.step].target.upstream_model for one in failed if one.error is None}
    window = max((steps[one.step].context_tokens or 0 for one in failed if _is_too_long(one.error)), default=None)
    lacking = bool(errors) and not turned_down and all(isinstance(error, UnsupportedFeature) for error in errors)
    is_away = steps[0].target.locality is not Locality.LOCAL
    for index in _order(steps, errors):
        step = steps[index]
        too_small = window is not None and step.context_tokens is not None and step.context_tokens <= window
        # The engine here stands in where targets fail; what they only don't support it isn't asked for.
        stands_in = is_away and step.target.locality is Locality.LOCAL
        if step.target in tried or too_small or (lacking and stands_in) or step.target.upstream_model in turned_down:
            continue
        yield index


def _order(steps: Sequence[Step], errors: Sequence[RouterError]) -> list[int]:
    """List all steps that are for what went wrong, in the order in which they are asked."""
    wanted: tuple[str | None, ...] = (None,)
    if any(isinstance(error, UpstreamFiltered) for error in errors):
        wanted = (UpstreamFiltered.code,)
    elif any(_is_too_long(error) for error in errors):
        wanted = (ContextTooLong.code, None)
    return [index for after in wanted for index, step in enumerate(steps) if step.after == after]


def _is_too_long(error: RouterError | None) -> bool:
    return isinstance(error, ContextTooLong)
