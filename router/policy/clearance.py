"""The only place that permits a request to be sent. Every attempt at every target passes here."""

from __future__ import annotations

from router.core.errors import LocalityViolation
from router.core.types import Cleared, JsonObject, Locality, Masking, Request, ScanReport, Target, Verdict


def clear(request: Request, report: ScanReport, verdict: Verdict, target: Target, masked: JsonObject | None) -> Cleared:
    """Permit one request to go to one target, as it is or masked, as the verdict says.

    A local target gets the text as it is; the masked copy is for those further away.

    Raises:
        LocalityViolation: the target is further away than the verdict permits, or the masked copy that
            the verdict demands is missing.
    """
    if target.locality > verdict.max_locality:
        raise LocalityViolation(f"{target.label} is further away than rule '{verdict.rule_id}' permits")
    body = request.body
    if target.locality is not Locality.LOCAL and verdict.masking is Masking.PLACEHOLDER:
        if masked is None:
            raise LocalityViolation(f"rule '{verdict.rule_id}' demands a masked copy for {target.label}")
        body = masked
    return Cleared(
        request_id=request.id,
        body=body,
        stream=request.stream,
        target=target,
        rule_id=verdict.rule_id,
        ruleset=report.ruleset,
        leaves=report.leaves,
        scanned_bytes=report.scanned_bytes,
    )
