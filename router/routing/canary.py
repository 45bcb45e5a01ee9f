"""A canary's life: its share grows step by step while it does well, and falls to nothing when it does badly. Pure."""

from __future__ import annotations

import math
from enum import Enum

import msgspec
from msgspec.structs import replace

_SURE = 2.5
"""Standard errors by which the canary must be worse than it may be, before it is rolled back: chance alone hardly does."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Between what a canary is tried, and what it must keep to."""

    stable: str
    """Model group or deployment, as `canary`."""
    canary: str
    step_ratios: tuple[float, ...]
    """Shares of traffic, 0..1, one after the other."""
    window_s: float
    """How long each step lasts at least."""
    min_requests: int
    """How many each of the two must have had in a step, before anything is decided."""
    max_error_ratio_increase: float
    """By how much its share of failures may be larger than the stable one's."""
    max_ttft_factor: float
    """How many times the stable one's time to the first token its own may be; of geometric means."""
    min_feedback_ratio: float
    """How much of the stable one's mean feedback its own must reach."""
    min_feedback: int
    """How many ratings each must have, before they count."""
    trial: str = ""
    """Another name begins again, whatever came of the last."""


class Phase(Enum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    """It went through all steps; its share stays that of the last."""
    ROLLED_BACK = "rolled_back"


class Tally(msgspec.Struct, frozen=True):
    """Count, sum and sum of squares of some numbers."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, value: float) -> Tally:
        """Count one more number."""
        return Tally(self.count + 1, self.total + value, self.squares + value * value)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean; 0 where nothing was counted."""
        if self.count == 0:
            return 0.0
        return math.sqrt(max(0.0, self.squares / self.count - self.mean**2) / self.count)


class Arm(msgspec.Struct, frozen=True):
    """What was seen of one of the two in this step; ratings, which come late and seldom, of all steps."""

    failures: Tally = Tally()
    """1 = it failed, 0 = it answered."""
    log_ttft: Tally = Tally()
    feedback: Tally = Tally()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far a canary is; a value, so that its transitions are pure."""

    phase: Phase = Phase.RUNNING
    step: int = 0
    since_unix_s: float
    reason: str = ""
    """Why it was rolled back: `errors`, `ttft`, `feedback`."""
    stable: Arm = Arm()
    canary: Arm = Arm()


def ratio(terms: Terms, state: State) -> float:
    """Share of traffic that the canary gets now, 0..1."""
    return 0.0 if state.phase is Phase.ROLLED_BACK else terms.step_ratios[state.step]


def answered(
    terms: Terms, state: State, now_unix_s: float, *, canary: bool, failed: bool, ttft_ms: float | None
) -> State:
    """An attempt at one of the two ended."""
    if state.phase is not Phase.RUNNING:
        return state
    arm = state.canary if canary else state.stable
    log_ttft = arm.log_ttft if failed or not ttft_ms else arm.log_ttft.plus(math.log(ttft_ms))
    arm = replace(arm, failures=arm.failures.plus(float(failed)), log_ttft=log_ttft)
    return _judged(terms, _with(state, arm, canary=canary), now_unix_s)


def rated(terms: Terms, state: State, now_unix_s: float, *, canary: bool, score: float) -> State:
    """A caller rated an answer of one of the two, 0..1."""
    if state.phase is not Phase.RUNNING:
        return state
    arm = state.canary if canary else state.stable
    arm = replace(arm, feedback=arm.feedback.plus(score))
    return _judged(terms, _with(state, arm, canary=canary), now_unix_s)


def _with(state: State, arm: Arm, *, canary: bool) -> State:
    return replace(state, canary=arm) if canary else replace(state, stable=arm)


def _judged(terms: Terms, state: State, now_unix_s: float) -> State:
    """Roll back what is worse for sure, go on with what had its time and isn't worse at all; else wait."""
    is_last = state.step == len(terms.step_ratios) - 1
    known = [state.canary.failures.count]
    # With all traffic gone to the canary, the stable one is known from the step before.
    known += [] if ratio(terms, state) >= 1.0 else [state.stable.failures.count]
    if min(known) < terms.min_requests:
        return state
    excesses = _excesses(terms, state)
    for reason, (excess, error) in excesses.items():
        if excess > _SURE * error:
            return replace(state, phase=Phase.ROLLED_BACK, since_unix_s=now_unix_s, reason=reason)
    if now_unix_s - state.since_unix_s < terms.window_s or any(excess > 0 for excess, _ in excesses.values()):
        return state
    if is_last:
        return replace(state, phase=Phase.DONE, since_unix_s=now_unix_s)
    stable = state.stable if terms.step_ratios[state.step + 1] >= 1.0 else Arm(feedback=state.stable.feedback)
    canary = Arm(feedback=state.canary.feedback)
    return replace(state, step=state.step + 1, since_unix_s=now_unix_s, stable=stable, canary=canary)


def _excesses(terms: Terms, state: State) -> dict[str, tuple[float, float]]:
    """By how much the canary is worse than it may be (negative = it isn't), and how unsure that is."""
    stable, canary = state.stable, state.canary
    found = {"errors": _excess(canary.failures, stable.failures, 1.0, terms.max_error_ratio_increase)}
    if stable.log_ttft.count and canary.log_ttft.count:
        found["ttft"] = _excess(canary.log_ttft, stable.log_ttft, 1.0, math.log(terms.max_ttft_factor))
    if min(stable.feedback.count, canary.feedback.count) >= terms.min_feedback:
        excess, error = _excess(canary.feedback, stable.feedback, terms.min_feedback_ratio, 0.0)
        found["feedback"] = -excess, error
    return found


def _excess(one: Tally, other: Tally, factor: float, allowance: float) -> tuple[float, float]:
    return one.mean - factor * other.mean - allowance, math.hypot(one.error, factor * other.error)
