"""The only place that permits a request to be sent. Every attempt at every target passes here."""

from __future__ import annotations

from collections.abc import Mapping, Set

from router.core.errors import LocalityViolation, UnsupportedFeature
from router.core.ports import NOTHING
from router.core.types import (
    Cleared,
    Dialect,
    JsonObject,
    JsonValue,
    Locality,
    Masking,
    Request,
    ScanReport,
    Sensitivity,
    Target,
    Verdict,
)
from router.wire.dialects import Translation, codec


def clear(
    request: Request,
    report: ScanReport,
    verdict: Verdict,
    target: Target,
    masked: JsonObject | None,
    native: Set[Dialect] = frozenset({Dialect.CHAT}),
    asking: Mapping[str, JsonValue] = NOTHING,
) -> Cleared:
    """Permit one request to go to one target, as it is or masked, as the verdict says.

    A local target gets the text as it is; the masked copy is for those further away. `native` are the dialects that the
    target takes; a request in another one is translated, which moves what was scanned and adds nothing of the caller's.
    `asking` are fields that the router itself adds; nobody may put anything of a request's into them.

    Raises:
        UnsupportedFeature: the request can't be translated for this target.
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
    translated = None if request.dialect in native else _translated(request.dialect, body, target)
    sent = body if translated is None else translated.body
    return Cleared(
        request_id=request.id,
        body={**sent, **asking} if asking else sent,
        dialect=request.dialect if translated is None else Dialect.CHAT,
        headers=request.headers if translated is None else (),
        dropped=() if translated is None else translated.dropped,
        translated=translated is not None,
        stream=request.stream,
        target=target,
        rule_id=verdict.rule_id,
        ruleset=report.ruleset,
        leaves=report.leaves,
        scanned_bytes=report.scanned_bytes,
        tenant=request.principal.tenant if target.locality is Locality.LOCAL else "",
        isolated=report.sensitivity is not Sensitivity.PUBLIC,
    )


def _translated(dialect: Dialect, body: JsonObject, target: Target) -> Translation:
    translation = codec(dialect).to_chat(body)
    if translation.unsupported:
        fields = ", ".join(translation.unsupported)
        message = f"{target.label} can't be asked for this: {fields}; ask for a model whose provider speaks this API"
        raise UnsupportedFeature(message, param=translation.unsupported[0])
    return translation
