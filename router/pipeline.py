"""The one way through the router: scan, judge, plan, execute. Names no vendor and no dialect's details."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Set
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from router.accounts import Accounts, Ticket
from router.circumstances import Circumstances
from router.core import clock
from router.core.errors import BudgetExceeded
from router.core.ports import NOTHING, Scanner
from router.core.types import (
    Cleared,
    Delta,
    Dialect,
    JsonObject,
    JsonValue,
    Limits,
    Locality,
    Masking,
    Plan,
    PlanInputs,
    Request,
    ScanReport,
    Target,
    Verdict,
)
from router.directory import AdapterDirectory
from router.execution.executor import Executor
from router.explanation import Explained, explanation
from router.policy.clearance import clear
from router.policy.judge import Judge
from router.privacy.conversation import Conversations
from router.privacy.leaves import leaves
from router.privacy.masking import Vault, mask
from router.privacy.unmasking import Unmasker
from router.record.trace import Trace
from router.routing.features import features, most_input_tokens, rough_tokens, text_size
from router.routing.planner import Planner
from router.wire.dialects import codec
from router.wire.output_limit import limited

_UNLIMITED = Limits()
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
        circumstances: Circumstances,
        accounts: Accounts,
        default_max_tokens: int,
    ) -> None:
        """`default_max_tokens` limits answers that a budget pays for, where the caller sets no limit."""
        self._scanner = scanner
        self._judge = judge
        self._conversations = Conversations()
        self._planner = planner
        self._executor = executor
        self._directory = directory
        self._circumstances = circumstances
        self._accounts = accounts
        self._default_max_tokens = default_max_tokens

    async def answer(self, request: Request, trace: Trace) -> AsyncGenerator[Delta, None]:
        """Yield the answer's deltas; every stage's result is noted in `trace`.

        Raises:
            RouterError: whatever stands in the way; after the first delta only `StreamInterrupted`.
        """
        request = self._limited(request)
        ticket = self._admit(request)
        try:
            decision = await self._decide(request, trace, ticket=ticket)
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
            self._circumstances.answered(decision.inputs.features, trace.deployment)
        finally:
            self._accounts.settle(ticket, request.principal, trace.model, trace.attempts)

    async def explain(self, request: Request, trace: Trace) -> JsonObject:
        """Say what would be done with a request, and why; calls nobody.

        Raises:
            RouterError: the request would be refused, or the key asked too often.
        """
        with self._accounts.visit(request.principal):
            return await self._explain(self._limited(request), trace)

    async def _explain(self, request: Request, trace: Trace) -> JsonObject:
        decision = await self._decide(request, trace, remember=False)
        report, verdict, plan = decision.report, decision.verdict, decision.plan
        first = await self._executor.resolve(plan.steps[0].target, decision.chat, trace)
        trace.resolved(first)
        explained = Explained(
            report=report,
            leaves=len(leaves(request.body).leaves),
            verdict=verdict,
            inputs=decision.inputs,
            plan=plan,
            first=first,
            selection=trace.selection,
        )
        return explanation(explained)

    def _limited(self, request: Request) -> Request:
        """Set a limit for the answer to a request that a budget pays for."""
        if request.principal.limits.budget == _UNLIMITED.budget:
            return request
        body = limited(request.body, request.dialect, self._default_max_tokens)
        return msgspec.structs.replace(request, body=body)

    def _admit(self, request: Request) -> Ticket | None:
        """Let a request in, as far as its key's limits go."""
        own = request.principal.limits
        if own == _UNLIMITED:
            return None
        tokens = rough_tokens(request.body) if own.tokens_per_minute is not None else 0
        return self._accounts.admit(request.principal, tokens)

    async def _decide(
        self, request: Request, trace: Trace, *, remember: bool = True, ticket: Ticket | None = None
    ) -> _Decision:
        local = self._directory.models_for(request.principal.tenant)
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
        known = self._circumstances.facts(chat)
        # From here on nothing is awaited: what the budgets leave is looked at and held in one step.
        left, wish_usd = self._accounts.left(request.principal), chat.hints.max_cost_usd
        limit_usd = wish_usd if left is None else min(left.usd, left.usd if wish_usd is None else wish_usd)
        # Where the scan is off, nobody has counted yet.
        chars, size = (report.scanned_chars, report.scanned_bytes) if report.scanned_chars else text_size(chat.body)
        most_tokens = None if left is None else most_input_tokens(size, report.leaves, chat.body)
        inputs = PlanInputs(
            model=chat.model,
            named=self._planner.named(chat.model, local),
            verdict=verdict,
            features=features(
                chat,
                chars,
                translation.unsupported,
                bound=translation.bound,
                session=known.session,
                stuck=known.stuck,
                language=known.language,
                max_cost_usd=limit_usd,
                max_input_tokens=most_tokens,
                words=self._planner.words,
            ),
            seed=random.random(),
            time_unix_s=clock.unix_s(),
            online_ratio=self._executor.health.online_ratio,
            health=self._executor.health.known(),
            canaries=self._circumstances.canaries.ratios,
        )
        trace.planning(inputs)
        try:
            plan = self._planner.plan(inputs)
        except BudgetExceeded:
            if left is None or limit_usd == wish_usd:
                raise
            raise self._accounts.exceeded(request.principal, left) from None
        trace.planned(plan)
        self._accounts.hold(ticket, plan.reserve_usd)
        return _Decision(report, verdict, inputs, plan, masked, chat)

    async def _mask(self, request: Request, report: ScanReport, key: bytes) -> tuple[JsonObject, Vault]:
        if report.scanned_chars < _MASK_IN_THREAD_CHARS:
            return mask(request.body, report.findings, key)
        return await asyncio.to_thread(mask, request.body, report.findings, key)


class _Decision(NamedTuple):
    """What the first three stages came to."""

    report: ScanReport
    verdict: Verdict
    inputs: PlanInputs
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
