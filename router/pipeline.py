"""The one way through the router: scan, judge, plan, execute. Names no vendor and no dialect's details."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Set
from contextlib import aclosing
from decimal import Decimal
from typing import NamedTuple

import msgspec

from router.core import clock
from router.core.ports import NOTHING, Scanner
from router.core.types import (
    Cleared,
    Delta,
    Dialect,
    Health,
    JsonObject,
    JsonValue,
    Locality,
    Masking,
    Plan,
    PlanInputs,
    Request,
    ScanReport,
    ScanStatus,
    Target,
    Verdict,
)
from router.directory import AdapterDirectory
from router.execution.executor import Executor
from router.policy.clearance import clear
from router.policy.judge import Judge
from router.privacy.conversation import Conversations
from router.privacy.leaves import leaves
from router.privacy.masking import Vault, mask
from router.privacy.unmasking import Unmasker
from router.record.trace import Trace
from router.routing.features import features
from router.routing.planner import Planner
from router.wire.dialects import codec

_NEW = Health()
_MASK_IN_THREAD_CHARS = 20_000
"""Longer texts are masked beside the event loop, not on it."""


class Pipeline:
    """Takes a decoded request through all stages. Holds what the stages need, no text of any request."""

    def __init__(
        self,
        scanner: Scanner,
        judge: Judge,
        planner: Planner,
        executor: Executor,
        directory: AdapterDirectory,
    ) -> None:
        self._scanner = scanner
        self._judge = judge
        self._conversations = Conversations()
        self._planner = planner
        self._executor = executor
        self._directory = directory
        self._deployments = planner.deployments()

    async def answer(self, request: Request, trace: Trace) -> AsyncGenerator[Delta, None]:
        """Yield the answer's deltas; every stage's result is noted in `trace`.

        Raises:
            RouterError: whatever stands in the way; after the first delta only `StreamInterrupted`.
        """
        decision = await self._decide(request, trace)
        report, verdict, plan, chat = decision.report, decision.verdict, decision.plan, decision.chat
        masked, vault = decision.masked or (None, None)
        wanted, is_whole = chat.body.get("response_format"), not request.stream
        unmasker = Unmasker(vault, wanted, is_whole=is_whole) if vault is not None else None

        def permit(
            target: Target,
            *,
            native: Set[Dialect] | None = None,
            asking: Mapping[str, JsonValue] = NOTHING,
            question: JsonObject | None = None,
        ) -> Cleared:
            if question is not None:
                return clear(_question(chat, question), report, _here(verdict), target, None)
            native = self._executor.provider(target).dialects if native is None else native
            cleared = clear(request, report, verdict, target, masked, native, asking)
            trace.cleared(cleared)
            return cleared

        async with aclosing(self._executor.execute(plan, chat, permit, trace)) as deltas:
            async for delta in deltas:
                trace.delta(delta)
                for restored in unmasker.restore(delta) if unmasker is not None else (delta,):
                    yield restored

    async def explain(self, request: Request, trace: Trace) -> dict[str, JsonValue]:
        """Say what would be done with a request, and why; calls nobody.

        Raises:
            RouterError: the request would be refused.
        """
        decision = await self._decide(request, trace, remember=False)
        report, verdict, plan = decision.report, decision.verdict, decision.plan
        first = await self._executor.resolve(plan.steps[0].target, decision.chat, trace)
        trace.resolved(first)
        return {
            "decision": {
                "target": first.label,
                "locality": "local" if first.locality == 0 else "cloud",
                "reason": plan.reason,
                "strategy": plan.strategy,
                "masked": verdict.masking is not Masking.NONE and first.locality > 0,
            },
            "scan": {
                "status": report.status.value,
                "reason": report.reason,
                "sensitivity": report.sensitivity.name.lower(),
                "entities": list(report.entities),
                "findings": [
                    {
                        "entity": finding.entity,
                        "path": list(finding.path),
                        "start": finding.start,
                        "end": finding.end,
                        "score": finding.score,
                        "recognizer": finding.recognizer,
                        "in_key": finding.in_key,
                    }
                    for finding in report.findings
                ],
                "leaves": len(leaves(request.body).leaves),
                "scanned_chars": report.scanned_chars,
                "elapsed_ms": report.elapsed_ms,
                "summary": _summary(report),
            },
            "verdict": {
                "max_locality": verdict.max_locality.name.lower(),
                "masking": verdict.masking.value,
                "rule": verdict.rule_id,
                "reason": verdict.reason,
            },
            "plan": [_label(step.target) for step in plan.steps],
            "considered": msgspec.to_builtins(plan.considered, builtin_types=(Decimal,)),
            "selection": trace.selection_facts(),
        }

    async def _decide(self, request: Request, trace: Trace, *, remember: bool = True) -> _Decision:
        local = self._directory.models
        self._planner.check_model(request, local)
        report = await self._scanner.scan(request.body)
        trace.scanned(report)
        translation = codec(request.dialect).to_chat(request.body)
        chat = msgspec.structs.replace(request, body=translation.body)
        trace.judging(session_is_local=self._judge.session_is_local(chat))
        verdict = self._judge.verdict(chat, report, remember=remember)
        masks = remember and verdict.masking is Masking.PLACEHOLDER
        masked = await self._mask(request, report, self._conversations.key(chat)) if masks else None
        trace.judged(verdict)
        inputs = PlanInputs(
            model=chat.model,
            named=self._planner.named(chat.model, local),
            verdict=verdict,
            features=features(
                chat,
                report.scanned_chars,
                translation.unsupported,
                bound=translation.bound,
                max_cost_usd=chat.hints.max_cost_usd,
            ),
            seed=random.random(),
            time_unix_s=clock.unix_s(),
            online=self._executor.health.online,
            health=self._health(),
        )
        trace.planning(inputs)
        plan = self._planner.plan(inputs)
        trace.planned(plan)
        return _Decision(report, verdict, plan, masked, chat)

    def _health(self) -> dict[str, Health]:
        """What is known of the deployments; of those that were never called, nothing."""
        known = ((name, self._executor.health.health(name)) for name in self._deployments)
        return {name: health for name, health in known if health != _NEW}

    async def _mask(self, request: Request, report: ScanReport, key: bytes) -> tuple[JsonObject, Vault]:
        if report.scanned_chars < _MASK_IN_THREAD_CHARS:
            return mask(request.body, report.findings, key)
        return await asyncio.to_thread(mask, request.body, report.findings, key)


class _Decision(NamedTuple):
    """What the first three stages came to."""

    report: ScanReport
    verdict: Verdict
    plan: Plan
    masked: tuple[JsonObject, Vault] | None
    """The copy that may leave, where the verdict demands one, and the way back."""
    chat: Request
    """The request as chat completions say it: what stages read that must understand it."""


def _question(chat: Request, question: JsonObject) -> Request:
    """The router's own question about the answer to a request, which may quote both."""
    return msgspec.structs.replace(chat, body=question, dialect=Dialect.CHAT, stream=False, headers=())


def _here(verdict: Verdict) -> Verdict:
    """The same verdict, for what must not leave this machine whatever it says."""
    return msgspec.structs.replace(verdict, max_locality=Locality.LOCAL, masking=Masking.NONE)


def _summary(report: ScanReport) -> str:
    """Say in words what the scan came to."""
    if report.status is not ScanStatus.COMPLETE:
        return f"the scan is {report.status.value} ({report.reason}): this counts as restricted, whatever it holds"
    if not report.findings:
        return f"nothing was found in {report.scanned_chars} characters"
    return f"found: {', '.join(report.entities)}"


def _label(target: Target) -> str:
    return f"{target.label} (SONA chooses the adapter)" if target.select_adapter else target.label
