"""What `/v1/route/explain` and `sona-router explain` show of a decision; positions and codes, no text of the request."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from router.core.adapters import Selection
from router.core.types import (
    JsonObject,
    JsonValue,
    Locality,
    Masking,
    Plan,
    PlanInputs,
    ScanReport,
    ScanStatus,
    Step,
    Target,
    Verdict,
)


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """All that was decided about a request."""

    report: ScanReport
    leaves: int
    """How many texts the request has."""
    verdict: Verdict
    inputs: PlanInputs
    plan: Plan
    first: Target
    """The first step's target, its adapter chosen."""
    selection: Selection | None


def explanation(explained: Explained) -> JsonObject:
    """Write a decision down."""
    plan, verdict, inputs, first = explained.plan, explained.verdict, explained.inputs, explained.first
    return {
        "decision": {
            "target": first.label,
            "locality": "local" if first.locality is Locality.LOCAL else "cloud",
            "reason": plan.reason,
            "strategy": plan.strategy,
            "rule": plan.rule,
            "masked": verdict.masking is not Masking.NONE and first.locality is not Locality.LOCAL,
        },
        "scan": _scan(explained.report, explained.leaves),
        "verdict": {
            "max_locality": verdict.max_locality.name.lower(),
            "masking": verdict.masking.value,
            "rule": verdict.rule_id,
            "reason": verdict.reason,
        },
        "features": _plain(inputs.features),
        "plan": [_label(step.target) for step in plan.steps],
        "steps": [_step(step) for step in plan.steps],
        "considered": _plain(plan.considered),
        "cascade": plan.cascade,
        "reserve_usd": None if plan.reserve_usd is None else format(plan.reserve_usd, "f"),
        "canaries": dict(inputs.canaries),
        "online_ratio": inputs.online_ratio,
        "health": _plain(inputs.health),
        "selection": _plain(explained.selection),
    }


def _scan(report: ScanReport, leaves: int) -> JsonObject:
    return {
        "status": report.status.value,
        "reason": report.reason,
        "sensitivity": report.sensitivity.name.lower(),
        "entities": list(report.entities),
        "findings": [_plain(finding) for finding in report.findings],
        "leaves": leaves,
        "scanned_chars": report.scanned_chars,
        "elapsed_ms": report.elapsed_ms,
        "summary": _summary(report),
    }


def _step(step: Step) -> JsonObject:
    return {
        "target": _label(step.target),
        "group": step.target.group,
        "retries": step.retries,
        "ttft_s": step.ttft_s,
        "stall_s": step.stall_s,
        "total_s": step.total_s,
        "after": step.after,
        "gated": step.gated,
        "hedge_after_ms": step.hedge_after_ms,
    }


def _summary(report: ScanReport) -> str:
    """Say in words what the scan came to."""
    if report.status is not ScanStatus.COMPLETE:
        return f"the scan is {report.status.value} ({report.reason}): this counts as restricted, whatever it holds"
    if not report.findings:
        return f"nothing was found in {report.scanned_chars} characters"
    return f"found: {', '.join(report.entities)}"


def _label(target: Target) -> str:
    return f"{target.label} (SONA chooses the adapter)" if target.select_adapter else target.label


def _plain(value: object) -> JsonValue:
    """Write a value with amounts as decimal text, as the records do."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_as_text, builtin_types=(Decimal,)) if value else value  # pyright: ignore[reportReturnType]


def _as_text(value: object) -> str:
    return str(value)
