"""Outcomes as a router makes them, for what records them."""

from __future__ import annotations

import random

from router.core.types import Attempt, Locality, Outcome, ScanStatus, Sensitivity


def outcome(number: int, **changes: object) -> Outcome:
    """A finished request; `number` decides what it was. Sensitive ones stay local or leave masked."""
    chance = random.Random(number)
    sensitivity = chance.choice(list(Sensitivity))
    sensitive = sensitivity >= Sensitivity.CONFIDENTIAL
    masked = sensitive and chance.random() < 0.3
    locality = Locality.LOCAL if sensitive and not masked else Locality.ANY
    target = "local/base" if locality is Locality.LOCAL else "openai/gpt-4o-mini"
    counts = (("PERSON", 2), ("US_SSN", 1)) if sensitive else ()
    attempt = Attempt(target=target, locality=locality, elapsed_ms=12.5, masked=masked)
    facts: dict[str, object] = {
        "request_id": f"{chance.getrandbits(128):032x}",
        "decision_id": f"{chance.getrandbits(128):032x}",
        "time_unix_s": 1_700_000_000.0 + number,
        "principal_id": "clinic",
        "tenant": "a",
        "model": "auto",
        "stream": False,
        "sensitivity": sensitivity,
        "entities": tuple(name for name, _ in counts),
        "entity_counts": counts,
        "scan_status": ScanStatus.COMPLETE,
        "scan_reason": "",
        "scan_ms": 0.4,
        "scanned_chars": 120,
        "scanned_bytes": 121,
        "leaves": 2,
        "ruleset": "0123456789ab",
        "rule_id": "sensitive" if sensitive else "",
        "locality": locality,
        "masked": masked,
        "target": target,
        "reason": "policy:sensitive" if sensitive else "strategy:cost",
        "strategy": "cost",
        "considered": (),
        "planned": (target,),
        "planned_reason": "policy:sensitive" if sensitive else "strategy:cost",
        "inputs": None,
        "session_is_local": False,
        "narrowed_to": None,
        "selection": None,
        "attempts": (attempt,),
        "status": 200,
        "error_code": None,
        "blame": None,
        "overhead_ms": 0.5,
        "ttft_ms": 12.0,
        "elapsed_ms": 13.0,
        "usage": None,
        "cost_usd": None,
        "cost_estimated": False,
        "client_gone": False,
    }
    return Outcome(**{**facts, **changes})  # type: ignore[arg-type]
