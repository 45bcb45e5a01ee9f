"""The judge: from a scan report, the policy and the caller's limits to a verdict. Pure."""

from __future__ import annotations

from router.config.schema import PolicyRule, PrivacyConfig
from router.core.errors import PolicyBlocked
from router.core.types import Locality, Masking, Request, ScanReport, ScanStatus, Verdict

_STRICTNESS = {"mask": 0, "local": 1, "block": 2}


CALLER_LIMIT = "caller_limit"
"""Rule id of a request that stays local because its key or a hint says so, whatever it holds."""
SESSION = "session"
"""Rule id of a request that stays local because of what its conversation held before."""


def judge(
    request: Request,
    report: ScanReport,
    policy: PrivacyConfig,
    *,
    group_action: str | None = None,
    session_is_local: bool = False,
) -> Verdict:
    """Decide how far a scanned request may travel. Ordered rules first, then `on_sensitive`.

    An incomplete scan counts as the most sensitive content: no rule can allow it to leave, nor mask it. Neither can
    one in a conversation that is local already. `group_action` is `on_sensitive` of the model group asked for.

    Raises:
        PolicyBlocked: the policy refuses the request; names the rule and entity types.
    """
    complete = report.status is ScanStatus.COMPLETE
    action, rule_id, reason = _action(request, report, policy, group_action)
    if session_is_local and action not in ("local", "block"):
        action, rule_id, reason = "local", SESSION, "this conversation held something that must stay local"
    if not complete and action in ("mask", "allow"):
        action, rule_id = "local", "scan_incomplete"
    if not complete:
        reason = f"the scan is {report.status.value}: {report.reason}"
    if action == "block":
        found = ", ".join(report.entities) or reason
        raise PolicyBlocked(f"refused by privacy rule '{rule_id}': the request holds {found}")
    limit = _caller_limit(request)
    far, masking = Locality.ANY, Masking.NONE
    if action == "local":
        far = Locality.LOCAL
    elif action == "mask":
        masking = Masking.PLACEHOLDER
    if limit < far:
        far, rule_id, reason = limit, rule_id or CALLER_LIMIT, reason or "the key or a hint narrows the locality"
    return Verdict(max_locality=far, masking=masking, rule_id=rule_id, reason=reason, sensitivity=report.sensitivity)


def _action(
    request: Request, report: ScanReport, policy: PrivacyConfig, group_action: str | None
) -> tuple[str, str, str]:
    """Find (action, rule id, reason); action "" = nothing applies."""
    for rule in policy.rules:
        if _matches(rule, request, report):
            return rule.then, rule.name, f"rule '{rule.name}' matches"
    if report.status is ScanStatus.COMPLETE and report.sensitivity < policy.threshold.level:
        return "", "", ""
    action, rule_id = _default_action(request, report, policy, group_action)
    return action, rule_id, f"sensitivity {report.sensitivity.name.lower()}"


def _default_action(
    request: Request, report: ScanReport, policy: PrivacyConfig, group_action: str | None
) -> tuple[str, str]:
    """Take the strictest of what is said for each entity found: by its own setting, else by the stricter of the key's
    and the model group's, else by the policy's."""
    rule_id = "sensitive" if report.status is ScanStatus.COMPLETE else "scan_incomplete"
    narrower = [action for action in (request.principal.on_sensitive, group_action) if action is not None]
    default = max(narrower, key=_STRICTNESS.__getitem__, default=policy.on_sensitive.value)
    actions = {default} if report.status is not ScanStatus.COMPLETE or not report.entities else set[str]()
    for entity in report.entities:
        config = policy.entities.get(entity)
        own = config.on_sensitive if config is not None else None
        actions.add(own.value if own is not None else default)
    return max(actions, key=_STRICTNESS.__getitem__), rule_id


def _matches(rule: PolicyRule, request: Request, report: ScanReport) -> bool:
    if rule.entities and not set(rule.entities) & set(report.entities):
        return False
    if rule.entities and rule.then == "allow" and not set(report.entities) <= set(rule.entities):
        return False
    if rule.min_sensitivity is not None and report.sensitivity < rule.min_sensitivity.level:
        return False
    if rule.keys and request.principal.id not in rule.keys:
        return False
    if rule.models and request.model not in rule.models:
        return False
    return not rule.tenants or request.principal.tenant in rule.tenants


def _caller_limit(request: Request) -> Locality:
    hinted = request.hints.locality
    limit = request.principal.max_locality
    return limit if hinted is None else min(limit, hinted)
