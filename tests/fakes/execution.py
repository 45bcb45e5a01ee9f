"""What the executor's tests run it with: providers that follow a script, a notebook, and one execution with all that came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence, Set
from contextlib import aclosing

import msgspec

from router.config.schema import BreakerConfig, RoutingConfig
from router.core import clock
from router.core.adapters import Selection
from router.core.errors import RouterError
from router.core.ports import NOTHING, Clocks
from router.core.types import (
    Attempt,
    Cleared,
    Delta,
    Dialect,
    JsonObject,
    JsonValue,
    Locality,
    Plan,
    Request,
    Step,
    Target,
    Verdict,
)
from router.execution.cascade import Cascade
from router.execution.executor import Executor
from router.execution.health import HealthMonitor
from router.execution.slots import Slots
from router.policy.clearance import clear
from tests.fakes.values import report, request, target, verdict

Script = Sequence[Delta | RouterError | float]
"""What a provider does in turn: yield, raise, or sleep so many seconds."""

WORD = Delta(payload=b"{}")
ROLE = Delta(payload=b"{}", content=False)
END = Delta(payload=b"{}", content=False, finish_reason="stop")


class ScriptedProvider:
    """A provider that follows a script a call; the last one repeats."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.sent: list[Cleared] = []
        self.closed = 0

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        assert clocks.total_s > 0
        script = self._scripts[min(len(self.sent), len(self._scripts) - 1)]
        self.sent.append(cleared)
        try:
            for item in script:
                if isinstance(item, RouterError):
                    raise item
                if isinstance(item, Delta):
                    yield item
                else:
                    await asyncio.sleep(item)
        finally:
            self.closed += 1

    async def reachable(self, timeout_s: float) -> bool:
        return timeout_s > 0

    async def aclose(self) -> None:
        pass


class FixedChooser:
    async def choose(self, request: Request) -> Selection:
        del request
        return Selection(adapter="sql@1", confidence=0.9, margin=0.5, state_version="1", reason="test")


class Notebook:
    """Keeps what the executor notes."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.targets: list[Target] = []
        self.selections: list[Selection] = []

    def selected(self, selection: Selection) -> None:
        self.selections.append(selection)

    def calling(self, target: Target) -> None:
        self.targets.append(target)

    def answering(self, cleared: Cleared) -> None:
        self.targets.append(cleared.target)

    def attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)


def step(where: Target, *, retries: int = 0, ttft_s: float = 5.0, total_s: float = 5.0, **more: object) -> Step:
    return msgspec.structs.replace(Step(target=where, retries=retries, ttft_s=ttft_s, total_s=total_s), **more)


def plan(*steps: Step, cascade: str | None = None) -> Plan:
    return Plan(steps=steps, reason="strategy:test", strategy="test", cascade=cascade)


class Permission:
    """As the pipeline permits: every clearance comes from `clear`, and is kept."""

    def __init__(self, one: Request, allowed: Verdict) -> None:
        self._request = one
        self._verdict = allowed
        self.given: list[Cleared] = []

    def __call__(
        self,
        where: Target,
        *,
        native: Set[Dialect] | None = None,
        asking: Mapping[str, JsonValue] = NOTHING,
        question: JsonObject | None = None,
    ) -> Cleared:
        one, allowed = self._request, self._verdict
        if question is not None:
            one = msgspec.structs.replace(one, body=question, stream=False)
            allowed = msgspec.structs.replace(allowed, max_locality=Locality.LOCAL)
        cleared = clear(one, report(), allowed, where, None, native or frozenset({Dialect.CHAT}), asking)
        self.given.append(cleared)
        return cleared


class Run:
    """One executor and all that came of what it was given."""

    def __init__(
        self,
        *providers: tuple[str, ScriptedProvider],
        routing: RoutingConfig = RoutingConfig(),  # noqa: B008 immutable
        slots: Slots | None = None,
        cascade: Cascade | None = None,
        has_engine: bool = False,
    ) -> None:
        self.health = HealthMonitor(BreakerConfig(failures=2, cooldown_s=60))
        self.executor = Executor(
            dict(providers),
            self.health,
            FixedChooser(),
            routing,
            slots=slots,
            cascades={"test": cascade} if cascade is not None else {},
            engine=target("local/base", Locality.LOCAL) if has_engine else None,
        )
        self.notes = Notebook()
        self.deltas: list[Delta] = []
        self.permit: Permission | None = None

    async def __call__(
        self,
        wanted: Plan,
        *,
        allowed: Verdict | None = None,
        stream: bool = True,
        deadline_s: float = 10.0,
        body: JsonObject | None = None,
        read_s: float = 0.0,
    ) -> None:
        """Carry a plan out; `read_s` = how long the caller takes for each piece."""
        one = request(stream=stream, deadline_s=clock.monotonic_s() + deadline_s, body=body)
        self.permit = Permission(one, allowed or verdict())
        async with aclosing(self.executor.execute(wanted, one, self.permit, self.notes)) as deltas:
            async for delta in deltas:
                self.deltas.append(delta)
                if read_s:
                    await asyncio.sleep(read_s)

    @property
    def codes(self) -> list[str | None]:
        """Error codes of the attempts, in the order in which they ended."""
        return [attempt.error_code for attempt in self.notes.attempts]
