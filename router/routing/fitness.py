"""Whether a candidate can do what a request needs, and how it is said when none can."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NoReturn

from router.core.errors import (
    BudgetExceeded,
    ContextTooLong,
    NoHealthyTarget,
    UnsupportedFeature,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from router.core.types import Candidate, Dialect, Features
from router.routing.estimate import most_cost_usd
from router.routing.features import FIELDS
from router.routing.ranking import Ranked

DIALECT = "dialect"
CAPABILITY = "capability"
CONTEXT = "context"

_ORDER = (DIALECT, CAPABILITY, CONTEXT)
"""What is asked first; a refusal names what the closest candidate fell short of."""


def misfit(candidate: Candidate, features: Features) -> str:
    """Say why a candidate can't answer, as `dialect`, `capability:<what>` or `context`; empty = it can.

    What isn't known of a candidate counts as able.
    """
    wanted = {features.dialect, Dialect.CHAT} if features.native is None else {features.native}
    if not wanted & candidate.dialects:
        return DIALECT
    if candidate.capabilities is not None and (missing := features.needs - candidate.capabilities):
        return f"{CAPABILITY}:{','.join(sorted(missing))}"
    # What is bound comes in batches, each item of which has the window to itself: the upstream knows.
    is_long = candidate.context_tokens is not None and _tokens(features) > candidate.context_tokens
    return CONTEXT if is_long and not features.bound else ""


def stands_aside(item: Ranked, excluded: str) -> str:
    """Say why a candidate that would have been chosen isn't asked first, as the code of an error; `excluded` as in
    `Considered`."""
    match excluded.partition(":")[0] or item.candidate.health.unavailable:
        case "context":
            return ContextTooLong.code
        case "dialect" | "capability":
            return UnsupportedFeature.code
        case "over_cost" | "price_unknown":
            return BudgetExceeded.code
        case "rate_limited":
            return UpstreamRateLimited.code
        case "breaker_open":
            return UpstreamUnavailable.code
        case _:
            return NoHealthyTarget.code


def refuse(candidates: Sequence[Candidate], features: Features) -> NoReturn:
    """Refuse a request for which none of some candidates fits, by what the closest of them lacks.

    Raises:
        UnsupportedFeature, ContextTooLong: always.
    """
    reasons = [misfit(one, features) for one in candidates]
    furthest = max((reason.partition(":")[0] for reason in reasons), key=_ORDER.index)
    if furthest == DIALECT:
        if features.native is None:
            raise UnsupportedFeature(f"no deployment of this model answers {features.dialect.value}", param="model")
        refuse_untranslatable(features)
    if furthest == CAPABILITY:
        lacks = [reason.partition(":")[2].split(",") for reason in reasons if reason.startswith(CAPABILITY)]
        missing = min(lacks, key=len)
        message = f"no deployment of this model can do what the request needs: {', '.join(missing)}"
        raise UnsupportedFeature(message, param=FIELDS.get(missing[0], missing[0]))
    window = max(one.context_tokens or 0 for one, why in zip(candidates, reasons, strict=True) if why == CONTEXT)
    raise ContextTooLong(f"about {_tokens(features)} tokens are more than the largest context window here, {window}")


def refuse_untranslatable(features: Features) -> NoReturn:
    """Refuse what only another API can say.

    Raises:
        UnsupportedFeature: always.
    """
    fields = ", ".join(features.untranslatable)
    message = f"no target that may answer this request speaks an API that can say: {fields}"
    raise UnsupportedFeature(message, param=features.untranslatable[0])


def refuse_too_dear(candidates: Sequence[Candidate], features: Features) -> NoReturn:
    """Refuse a request that costs more at each of some candidates than it may.

    Raises:
        BudgetExceeded: always.
    """
    costs = [most_cost_usd(features, one.price) for one in candidates]
    known = [cost for cost in costs if cost is not None]
    least = f"the cheapest of them is expected to cost ${min(known):f}" if known else "none of them has a known price"
    limit = format(features.max_cost_usd or Decimal(0), "f")
    raise BudgetExceeded(f"this request may cost at most ${limit}, by its budget or x-router-max-cost-usd; {least}")


def _tokens(features: Features) -> int:
    return features.input_tokens + (features.max_output_tokens or 0)
