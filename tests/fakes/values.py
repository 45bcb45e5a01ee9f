"""Short ways to make the pipeline's values in tests."""

from __future__ import annotations

from decimal import Decimal

from router.core.types import (
    Candidate,
    Cleared,
    Dialect,
    Finding,
    Hints,
    JsonObject,
    Locality,
    Masking,
    Price,
    Principal,
    Request,
    ScanReport,
    ScanStatus,
    Sensitivity,
    Target,
    Verdict,
)


def request(
    model: str = "auto",
    *,
    body: JsonObject | None = None,
    stream: bool = False,
    principal: Principal | None = None,
    hints: Hints | None = None,
    deadline_s: float = 1e12,
) -> Request:
    content: JsonObject = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return Request(
        id="r1",
        principal=principal or Principal(id="p"),
        model=model,
        body=body or content,
        stream=stream,
        hints=hints or Hints(),
        deadline_s=deadline_s,
    )


def report(
    sensitivity: Sensitivity = Sensitivity.PUBLIC,
    *entities: str,
    status: ScanStatus = ScanStatus.COMPLETE,
    reason: str = "",
) -> ScanReport:
    findings = tuple(
        Finding(entity=entity, path=("messages", 0, "content"), start=0, end=5, score=0.9, recognizer="test")
        for entity in entities
    )
    return ScanReport(status=status, sensitivity=sensitivity, findings=findings, reason=reason, ruleset="test")


def verdict(locality: Locality = Locality.ANY, *, masking: Masking = Masking.NONE, rule: str = "") -> Verdict:
    return Verdict(max_locality=locality, masking=masking, rule_id=rule, reason="", sensitivity=Sensitivity.PUBLIC)


def target(name: str = "cloud/a", locality: Locality = Locality.ANY, *, select: bool = False) -> Target:
    provider, _, model = name.partition("/")
    return Target(
        group=model or name,
        deployment=name,
        provider=provider,
        upstream_model=model,
        locality=locality,
        select_adapter=select,
    )


def cleared(
    target: Target, body: JsonObject, *, stream: bool = False, dialect: Dialect = Dialect.CHAT, tenant: str = ""
) -> Cleared:
    """Permission to send a body, as if it had been scanned."""
    return Cleared(
        request_id="r",
        body=body,
        stream=stream,
        target=target,
        rule_id="default",
        ruleset="1",
        dialect=dialect,
        leaves=1,
        scanned_bytes=9,
        tenant=tenant,
    )


def candidate(name: str, *, price: str | None = None, weight: float = 1.0, **facts: object) -> Candidate:
    cost = None if price is None else Price(input_usd=Decimal(price), output_usd=Decimal(price))
    return Candidate(target=target(name), price=cost, weight=weight, **facts)  # pyright: ignore[reportArgumentType]
