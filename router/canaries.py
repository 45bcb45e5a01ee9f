"""The canaries that are under way: fed by finished requests and by feedback, kept in a file so that a restart undoes nothing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from router.core import clock
from router.core.errors import Blame, ConfigError, UpstreamError
from router.core.ports import SinkState
from router.core.types import Outcome
from router.record.files import write_whole
from router.record.outbox import Outbox
from router.routing.canary import Arm, Phase, State, Terms, answered, rated, ratio

_log = logging.getLogger(__name__)

FILE = "canaries.json"


_FAULTS = frozenset(error.code for error in UpstreamError.__subclasses__() if error.blame is not Blame.CALLER)
"""Codes of failed attempts that speak against the target; callers' errors and callers who left don't."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What of a canary is kept over restarts: where it stands, not what was counted in this step."""

    stable: str
    trial: str
    phase: Phase
    step: int
    since_unix_s: float
    reason: str = ""


class Canaries:
    """A sink that moves canaries on. Lives on the event loop; its file is written by a thread of its own.

    Every router process decides for itself, by what it sees.
    """

    def __init__(
        self, terms: Sequence[Terms], folder: Path | None, now_unix_s: Callable[[], float] = clock.unix_s
    ) -> None:
        """`folder` is where the file lies; None = nothing is kept.

        Raises:
            ConfigError: the file can't be read.
        """
        self._terms = {one.canary: one for one in terms}
        self._now_unix_s = now_unix_s
        self._path = folder / FILE if folder is not None else None
        self._outbox: Outbox[bytes] | None = None
        kept = _read(self._path) if self._path is not None and terms else {}
        self._states = {name: self._begun(one, kept.get(name)) for name, one in self._terms.items()}
        self._arms: dict[str, list[tuple[Terms, bool]]] = {}
        for one in terms:
            self._arms.setdefault(one.canary, []).append((one, True))
            self._arms.setdefault(one.stable, []).append((one, False))
        self.ratios: dict[str, float] = {}
        """Share of traffic of each canary, 0..1. Replaced, never changed: plans are made from it, and recorded with it."""
        self._share()

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`. Every attempt counts by itself: one that failed, and the one that stood in for it."""
        for attempt in outcome.attempts:
            failed = attempt.error_code in _FAULTS
            if not attempt.sent or (attempt.error_code is not None and not failed):
                continue
            for terms, is_canary in self._of(attempt.group, attempt.target):
                state = self._states[terms.canary]
                now = self._now_unix_s()
                after = answered(terms, state, now, canary=is_canary, failed=failed, ttft_ms=attempt.ttft_ms)
                self._set(terms, after)

    def rate(self, group: str, target: str, score: float) -> None:
        """An answer of a model group's target was rated, 0..1."""
        for terms, is_canary in self._of(group, target):
            state = self._states[terms.canary]
            self._set(terms, rated(terms, state, self._now_unix_s(), canary=is_canary, score=score))

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        return self._outbox.state() if self._outbox is not None else SinkState()

    async def aclose(self) -> None:
        """Write what waits."""
        if self._outbox is not None:
            await self._outbox.aclose()

    def _of(self, group: str, target: str) -> list[tuple[Terms, bool]]:
        """Find the canaries that an attempt belongs to, and as which of the two."""
        return [*self._arms.get(group, ()), *(self._arms.get(target, ()) if target != group else ())]

    def _begun(self, terms: Terms, kept: Kept | None) -> State:
        """Go on where the same trial stood; else begin."""
        now = self._now_unix_s()
        if kept is None or (kept.stable, kept.trial) != (terms.stable, terms.trial):
            return State(since_unix_s=now)
        step = min(kept.step, len(terms.step_ratios) - 1)
        since = kept.since_unix_s if kept.phase is not Phase.RUNNING else now
        return State(phase=kept.phase, step=step, since_unix_s=since, reason=kept.reason)

    def _set(self, terms: Terms, after: State) -> None:
        before = self._states[terms.canary]
        self._states[terms.canary] = after
        if (before.phase, before.step) == (after.phase, after.step):
            return
        share = f"{ratio(terms, before):.0%} -> {ratio(terms, after):.0%}"
        if after.phase is Phase.ROLLED_BACK:
            facts = f"canary {_facts(before.canary)}; stable {_facts(before.stable)}"
            _log.error("canary %s: %s, rolled back for its %s (%s)", terms.canary, share, after.reason, facts)
        else:
            _log.warning("canary %s: %s, %s", terms.canary, share, after.phase.value)
        self._share()
        self._save()

    def _share(self) -> None:
        self.ratios = {name: ratio(self._terms[name], state) for name, state in self._states.items()}

    def _save(self) -> None:
        path = self._path
        if path is None:
            return
        if self._outbox is None:
            self._outbox = Outbox(FILE, lambda batch: _write(path, batch[-1]), close=lambda: None)
        kept = {
            name: Kept(
                stable=self._terms[name].stable,
                trial=self._terms[name].trial,
                phase=state.phase,
                step=state.step,
                since_unix_s=state.since_unix_s,
                reason=state.reason,
            )
            for name, state in self._states.items()
        }
        self._outbox.put(msgspec.json.format(msgspec.json.encode(kept), indent=2))


def _facts(arm: Arm) -> str:
    """Sum up what was seen, for the log."""
    return (
        f"{arm.failures.mean:.1%} of {arm.failures.count} failed, ttft {math.exp(arm.log_ttft.mean):.0f} ms, "
        f"feedback {arm.feedback.mean:.2f} of {arm.feedback.count}"
    )


def _read(path: Path) -> dict[str, Kept]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Kept])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError):
        message = (
            f"can't read {path}, which says which canaries were rolled back; put it right, or delete it to begin again"
        )
        raise ConfigError(message) from None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
