"""What is known so far of a request under way; becomes its outcome, and its response headers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from decimal import Decimal

import msgspec

from router.core import clock
from router.core.adapters import Selection
from router.core.errors import RouterError
from router.core.types import (
    Attempt,
    Cleared,
    Delta,
    Locality,
    Masking,
    Outcome,
    Plan,
    PlanInputs,
    Request,
    ScanReport,
    Target,
    Usage,
    Verdict,
)
from router.record.estimate import billed, credible
from router.record.pricing import Tariff, cost

SCHEMA = "1"

MAX_NAMES = 32
"""Fields that a header names; more are only counted."""

_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,64}")


def _names(dropped: tuple[str, ...]) -> str:
    """Write names of fields for a header; what a caller made up may be no name, and is called one."""
    names = sorted({name if _NAME.fullmatch(name) else "unnamed" for name in dropped})
    more = [f"and-{len(names) - MAX_NAMES}-more"] if len(names) > MAX_NAMES else []
    return ",".join([*names[:MAX_NAMES], *more])


def _failure(attempt: Attempt) -> str:
    """Why an attempt didn't bring the answer, as a code; empty = it may have."""
    if attempt.question:
        return ""
    return attempt.error_code or (f"gate_{attempt.gate}" if attempt.gate is not None else "")


class Trace:
    """Collects the facts of one request. The stages write it, headers and the record read it."""

    def __init__(self, request_id: str, tariff_of: Callable[[str], Tariff | None]) -> None:
        """`tariff_of` maps a target's label to what its tokens cost."""
        self.request_id = request_id
        self.decision_id = f"{random.getrandbits(128):032x}"
        self._tariff_of = tariff_of
        self._started_s = clock.monotonic_s()
        self._time_unix_s = clock.unix_s()
        self._overhead_ms: float | None = None
        self._ttft_ms: float | None = None
        self.request: Request | None = None
        self.report: ScanReport | None = None
        self.verdict: Verdict | None = None
        self._inputs: PlanInputs | None = None
        self._plan: Plan | None = None
        self._selection: Selection | None = None
        self._target: Target | None = None
        self._attempts: list[Attempt] = []
        self._under_way = 0
        self._usage: Usage | None = None
        self._error: RouterError | None = None
        self._dropped: tuple[str, ...] = ()
        self._session_is_local = False
        self.client_gone = False

    def decoded(self, request: Request) -> None:
        self.request = request

    def scanned(self, report: ScanReport) -> None:
        self.report = report

    def judging(self, *, session_is_local: bool) -> None:
        """A verdict is about to be found; its conversation is known to be local, or isn't."""
        self._session_is_local = session_is_local

    def judged(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def planning(self, inputs: PlanInputs) -> None:
        """A plan is about to be made from these."""
        self._inputs = inputs

    def planned(self, plan: Plan) -> None:
        self._plan = plan

    def selected(self, selection: Selection) -> None:
        """See `core.ports.Notes`."""
        self._selection = selection

    def resolved(self, target: Target) -> None:
        """The target is known, adapter included, and nobody is called."""
        self._target = target

    @property
    def selection(self) -> Selection | None:
        """SONA's answer, if it was asked."""
        return self._selection

    @property
    def deployment(self) -> str:
        """The deployment that was called last; empty = none was."""
        return self._target.deployment if self._target is not None else ""

    def calling(self, target: Target) -> None:
        """See `core.ports.Notes`."""
        self._target = target
        self._under_way += 1
        if self._overhead_ms is None:
            self._overhead_ms = self.elapsed_ms()

    def cleared(self, cleared: Cleared) -> None:
        """An attempt is permitted; what is dropped for its target counts from here."""
        self._dropped = cleared.dropped

    def answering(self, cleared: Cleared) -> None:
        """See `core.ports.Notes`."""
        self._target, self._dropped = cleared.target, cleared.dropped

    def attempted(self, attempt: Attempt) -> None:
        """See `core.ports.Notes`."""
        self._under_way -= attempt.sent and not attempt.question
        tariff = self._tariff_of(attempt.target)
        masked = attempt.sent and self._masks(attempt.locality)
        usage, estimated = billed(attempt, self._inputs.features if self._inputs is not None else None)
        self._attempts.append(
            msgspec.structs.replace(
                attempt, usage=usage, estimated=estimated, cost_usd=cost(usage, tariff), masked=masked
            )
        )

    def delta(self, delta: Delta) -> None:
        """A piece of the answer came."""
        if self._ttft_ms is None:
            self._ttft_ms = self.elapsed_ms()
        self._usage = credible(delta.usage) or self._usage
        if delta.dropped:
            self._dropped += delta.dropped

    def failed(self, error: RouterError) -> None:
        """The request ended with an error."""
        self._error = error

    def elapsed_ms(self) -> float:
        return (clock.monotonic_s() - self._started_s) * 1000

    @property
    def reason(self) -> str:
        """The value of `x-router-reason`."""
        failed = [code for attempt in self._attempts if (code := _failure(attempt))]
        if self._target is not None and self._plan is not None and failed:
            first = self._plan.steps[0].target
            if (first.deployment, first.group) != (self._target.deployment, self._target.group):
                return f"fallback:{failed[-1]}"
        if self._plan is not None:
            return self._plan.reason
        return f"policy:{self.verdict.rule_id}" if self.verdict is not None and self.verdict.rule_id else ""

    def headers(self, *, final: bool) -> list[tuple[str, str]]:
        """Response headers as far as known now; `final` = the whole answer is known."""
        out = [
            ("x-router-schema", SCHEMA),
            ("x-request-id", self.request_id),
            ("x-router-decision-id", self.decision_id),
        ]
        if self.report is not None:
            out.append(("x-router-sensitivity", self.report.sensitivity.name.lower()))
            out.append(("x-router-entities", ",".join(self.report.entities)))
        if self.reason:
            out.append(("x-router-reason", self.reason))
        if self._target is not None:
            local = self._target.locality is Locality.LOCAL
            out.append(("x-router-locality", "local" if local else "cloud"))
            out.append(("x-router-target", self._target.label))
            out.append(("x-router-adapter", (self._target.adapter or "none").partition("@")[0]))
            sure = 1.0 if self._target.adapter is not None else 0.0
            confidence = self._selection.confidence if self._selection is not None else sure
            out.append(("x-router-adapter-confidence", f"{confidence:.3f}"))
        attempts = sum(not one.question for one in self._attempts) + self._under_way
        out.append(("x-router-attempts", str(attempts)))
        if self._dropped:
            out.append(("x-router-dropped", _names(self._dropped)))
        if self._overhead_ms is not None:
            out.append(("x-router-overhead-ms", f"{self._overhead_ms:.3f}"))
        spent = self.cost_usd() if final else None
        if spent is not None:
            out.append(("x-router-cost-usd", format(spent.normalize(), "f")))
        return out

    def cost_usd(self) -> Decimal | None:
        """What all attempts cost together; None where one that was billed has no known price."""
        billed = [attempt for attempt in self._attempts if attempt.usage is not None]
        known = [attempt.cost_usd for attempt in billed if attempt.cost_usd is not None]
        if not billed or len(known) < len(billed):
            return None
        return sum(known, Decimal(0))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Those that are over, with what they cost."""
        return tuple(self._attempts)

    @property
    def model(self) -> str:
        """The model asked for, once it is known to be one; before, it is only a caller's text."""
        return self.request.model if self.request is not None and self.report is not None else ""

    def outcome(self) -> Outcome:
        """Sum up a finished request."""
        request, report, verdict, plan, error = self.request, self.report, self.verdict, self._plan, self._error
        return Outcome(
            request_id=self.request_id,
            decision_id=self.decision_id,
            time_unix_s=self._time_unix_s,
            principal_id=request.principal.id if request else "",
            tenant=request.principal.tenant if request else "",
            model=self.model,
            stream=request.stream if request else False,
            sensitivity=report.sensitivity if report else None,
            entities=report.entities if report else (),
            entity_counts=report.entity_counts if report else (),
            scan_status=report.status if report else None,
            scan_reason=report.reason if report else "",
            scan_ms=round(report.elapsed_ms, 3) if report else 0.0,
            scanned_chars=report.scanned_chars if report else 0,
            scanned_bytes=report.scanned_bytes if report else 0,
            leaves=report.leaves if report else 0,
            ruleset=report.ruleset if report else "",
            rule_id=verdict.rule_id if verdict else "",
            locality=self._target.locality if self._target else None,
            masked=self._target is not None and self._masks(self._target.locality),
            target=self._target.label if self._target else "",
            reason=self.reason,
            strategy=plan.strategy if plan else "",
            considered=plan.considered if plan else (),
            planned=tuple(step.target.label for step in plan.steps) if plan else (),
            planned_reason=plan.reason if plan else "",
            inputs=self._inputs,
            session_is_local=self._session_is_local,
            narrowed_to=request.hints.locality if request else None,
            selection=self._selection,
            attempts=tuple(self._attempts),
            status=error.http_status if error else 200,
            error_code=error.code if error else None,
            blame=error.blame.value if error else None,
            overhead_ms=round(self._overhead_ms if self._overhead_ms is not None else self.elapsed_ms(), 3),
            ttft_ms=self._ttft_ms,
            elapsed_ms=round(self.elapsed_ms(), 3),
            usage=self._usage or self._estimated_usage(),
            cost_usd=self.cost_usd(),
            cost_estimated=any(attempt.estimated for attempt in self._attempts),
            client_gone=self.client_gone,
        )

    def _estimated_usage(self) -> Usage | None:
        """What the last attempt used by our estimate, where the upstream never said."""
        return self._attempts[-1].usage if self._attempts and self._attempts[-1].estimated else None

    def _masks(self, locality: Locality) -> bool:
        """Whether what goes so far is the masked copy."""
        away = locality is not Locality.LOCAL
        return away and self.verdict is not None and self.verdict.masking is not Masking.NONE
