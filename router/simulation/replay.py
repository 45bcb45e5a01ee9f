"""Makes recorded decisions again under a configuration, and says what differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import median

import msgspec
from msgspec.structs import replace

from router.config.schema import KeyConfig, PrivacyConfig
from router.core.errors import RouterError
from router.core.types import (
    Finding,
    Hints,
    Locality,
    Outcome,
    Plan,
    PlanInputs,
    Principal,
    Request,
    ScanReport,
    ScanStatus,
    Sensitivity,
    Verdict,
)
from router.policy.rules import CALLER_LIMIT, judge
from router.record.pricing import Tariff, cost
from router.routing.planner import Planner


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded decision, and the same one made again."""

    decision_id: str
    before: str
    """Label of the plan's first target as recorded."""
    after: str
    """As made again; `refused:<code>` where it would be refused."""
    before_reason: str
    after_reason: str
    is_same: bool
    """Whether the whole plan is the same: its targets in order, its reason, and what was considered."""
    before_local: bool
    after_local: bool | None
    """None = it would be refused."""
    before_usd: Decimal | None
    after_usd: Decimal | None
    """From the recorded tokens and the new target's price; None = unknown."""
    before_ms: float | None
    after_ms: float | None
    """Median time of the new target's answers in this log; None = it has none there."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What of a configuration decides."""

    planner: Planner
    privacy: PrivacyConfig
    keys: Mapping[str, Principal]
    """By id; callers that aren't among them had keys that stand elsewhere, or none."""
    group_actions: Mapping[str, str]
    tariffs: Mapping[str, Tariff]
    """By target label."""


def principals(keys: Sequence[KeyConfig]) -> dict[str, Principal]:
    """Say who the configured keys stand for, as far as decisions ask."""
    return {
        key.id: Principal(
            id=key.id,
            tenant=key.tenant,
            max_locality=key.max_locality.level,
            on_sensitive=key.on_sensitive.value if key.on_sensitive else None,
        )
        for key in keys
    }


def usual_ms(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Return the median time of whole answers by target label, of requests that one target answered."""
    times: dict[str, list[float]] = {}
    for one in outcomes:
        if one.status == 200 and len(one.attempts) == 1:
            times.setdefault(_plain(one.target), []).append(one.elapsed_ms)
    return {label: median(found) for label, found in times.items()}


def replay(outcome: Outcome, rules: Rules, usual: Mapping[str, float]) -> Replayed | None:
    """Make one decision again; None where the record tells of none: it ended before there was a plan to make."""
    inputs = outcome.inputs
    if inputs is None or not outcome.planned:
        return None
    before = outcome.planned[0]
    same = Replayed(
        decision_id=outcome.decision_id,
        before=before,
        after=before,
        before_reason=outcome.planned_reason,
        after_reason=outcome.planned_reason,
        is_same=False,
        before_local=_is_local(before),
        after_local=_is_local(before),
        before_usd=outcome.cost_usd,
        after_usd=outcome.cost_usd,
        before_ms=outcome.elapsed_ms,
        after_ms=outcome.elapsed_ms,
    )
    try:
        plan = rules.planner.plan(_inputs(outcome, inputs, rules))
    except RouterError as error:
        refused = f"refused:{error.code}"
        return replace(same, after=refused, after_reason="", after_local=None, after_usd=Decimal(0), after_ms=None)
    after = plan.steps[0].target.label
    same = replace(same, after=after, after_reason=plan.reason, is_same=_is_same(plan, outcome))
    if after == before:
        return same
    return replace(
        same,
        after_local=_is_local(after),
        after_usd=_cost(outcome, plan, rules),
        after_ms=usual.get(_plain(after)),
    )


def _inputs(outcome: Outcome, inputs: PlanInputs, rules: Rules) -> PlanInputs:
    """Take what was recorded, but for what the configuration decides: the verdict, and what a model's name means."""
    is_group = inputs.model in rules.planner.group_names
    return replace(inputs, verdict=_verdict(outcome, inputs, rules), named=None if is_group else inputs.named)


def _verdict(outcome: Outcome, inputs: PlanInputs, rules: Rules) -> Verdict:
    """Judge again by what the scan found then; how sensitive each entity type is was settled by the scan.

    Raises:
        PolicyBlocked: the configuration refuses the request.
    """
    known = rules.keys.get(outcome.principal_id)
    if known is None and inputs.verdict.rule_id == CALLER_LIMIT:
        return inputs.verdict
    principal = known or Principal(id=outcome.principal_id, tenant=outcome.tenant)
    findings = tuple(
        Finding(entity=name, path=(), start=0, end=0, score=1.0, recognizer="") for name, _ in outcome.entity_counts
    )
    report = ScanReport(
        status=outcome.scan_status or ScanStatus.FAILED,
        sensitivity=Sensitivity.RESTRICTED if outcome.sensitivity is None else outcome.sensitivity,
        findings=findings,
        reason=outcome.scan_reason,
    )
    request = Request(
        id=outcome.request_id,
        principal=principal,
        model=inputs.model,
        body={},
        stream=outcome.stream,
        hints=Hints(locality=outcome.narrowed_to),
        deadline_s=0.0,
    )
    return judge(
        request,
        report,
        rules.privacy,
        group_action=rules.group_actions.get(inputs.model),
        session_is_local=outcome.session_is_local,
    )


def _is_same(plan: Plan, outcome: Outcome) -> bool:
    labels = tuple(step.target.label for step in plan.steps)
    return (labels, plan.reason, plan.considered) == (outcome.planned, outcome.planned_reason, outcome.considered)


def _cost(outcome: Outcome, plan: Plan, rules: Rules) -> Decimal | None:
    target = plan.steps[0].target
    if target.locality is Locality.LOCAL:
        return Decimal(0)
    tariff = rules.tariffs.get(target.label)
    if outcome.usage is not None:
        return cost(outcome.usage, tariff)
    expected = {(one.deployment, one.group): one.cost_usd for one in plan.considered}
    return expected.get((target.deployment, target.group))


def _is_local(label: str) -> bool:
    return label.startswith("local/")


def _plain(label: str) -> str:
    """Take all adapters of the local engine for one target: which one is chosen hardly changes how long it takes."""
    return "local" if _is_local(label) else label
