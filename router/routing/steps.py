"""What is noted on a plan's steps and beside them: gates, hedges, the candidates that were considered, what to reserve."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from router.config.schema import HedgeConfig
from router.core.types import Candidate, Considered, Features, Locality, Step
from router.routing.estimate import expected_cost_usd, most_cost_usd
from router.routing.ranking import Ranked

OVER_COST = "over_cost"
PRICE_UNKNOWN = "price_unknown"


def gated(steps: Sequence[Step], escalations: int, ranked: Sequence[Candidate]) -> tuple[Step, ...]:
    """Mark the steps whose answers must pass gates: those of all models but the last that may be asked.

    `ranked` are the candidates in the order of the choice, so that a better model isn't checked for one that was to come
    before it and is down.
    """
    if escalations == 0:
        return tuple(steps)
    models = list(dict.fromkeys(one.target.upstream_model for one in ranked))
    checked = {one.target for one in ranked if one.target.upstream_model in models[: min(escalations, len(models) - 1)]}
    return tuple(replace(one, gated=True) if one.target in checked else one for one in steps)


def hedged(
    steps: tuple[Step, ...], up: Sequence[Candidate], features: Features, config: HedgeConfig
) -> tuple[Step, ...]:
    """Say on the first step after how long the second is started too; one whose usual time isn't known is waited for."""
    if not config.enabled or len(up) < 2 or steps[0].gated:
        return steps
    health = up[0].health
    usual_ms = health.ttft_p95_ms if features.stream else health.elapsed_p95_ms
    if usual_ms is None:
        return steps
    return (replace(steps[0], hedge_after_ms=max(usual_ms, config.min_ms)), *steps[1:])


def considered(
    ranked: Sequence[Ranked], excluded: Sequence[str], features: Features, *, leaves: bool = True
) -> tuple[Considered, ...]:
    """Note every candidate, best first, those that are left out last; unless the request `leaves`, so are all clouds."""
    notes = [
        Considered(
            deployment=item.candidate.target.deployment,
            group=item.candidate.target.group,
            scores=tuple(round(score, 6) for score in item.scores),
            cost_usd=expected_cost_usd(features, item.candidate.price),
            excluded=why or item.candidate.health.unavailable or _offline(item, leaves=leaves),
        )
        for item, why in zip(ranked, excluded, strict=True)
    ]
    return tuple(sorted(notes, key=lambda note: bool(note.excluded)))


def _offline(item: Ranked, *, leaves: bool) -> str:
    return "" if leaves or item.candidate.target.locality is Locality.LOCAL else "offline"


def reserve_usd(candidates: Sequence[Candidate], features: Features, others: int) -> Decimal | None:
    """Return the most that a plan may cost: its dearest candidate, and again for each of `others` that may be asked too."""
    costs = [most_cost_usd(features, one.price) for one in candidates]
    known = [cost for cost in costs if cost is not None]
    return max(known) * (1 + others) if known else None
