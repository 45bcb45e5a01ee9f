"""Least latency: of two candidates drawn by chance the less loaded first, then the others by load."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from router.core.types import Candidate, Features
from router.routing import chance

_UNKNOWN_RATIO = 0.5
"""A candidate that was never called counts as so much of the fastest known one's time, so that it gets its chance."""

_UNKNOWN_MS = 1.0
"""What it counts as while none is known."""


class Config(BaseModel):
    """No options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LeastLatency:
    """Power of two choices over a peak-sensitive moving average of the time to the first token.

    Always taking the fastest would send everything there at once; the better of two drawn spreads it and still leaves the
    slow alone. Load = time to the first token x (attempts under way and waiting + 1).
    Source: https://doi.org/10.1109/71.963420 (2001); https://twitter.github.io/finagle/guide/Clients.html (2026-11-29).
    """

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score = minus the load in milliseconds; 0 for the winner of the draw."""
        del features
        known = [one.health.ttft_ms for one in candidates if one.health.ttft_ms is not None]
        optimistic_ms = min(known) * _UNKNOWN_RATIO if known else _UNKNOWN_MS
        loads = [_load_ms(one, optimistic_ms) for one in candidates]
        draws = [chance.draw(seed, one.target.group, one.target.deployment) for one in candidates]
        pair = sorted(range(len(candidates)), key=draws.__getitem__, reverse=True)[:2]
        winner = min(pair, key=loads.__getitem__, default=-1)
        return [0.0 if index == winner else -load for index, load in enumerate(loads)]


def _load_ms(candidate: Candidate, optimistic_ms: float) -> float:
    health = candidate.health
    ttft_ms = optimistic_ms if health.ttft_ms is None else health.ttft_ms
    return max(ttft_ms, 1e-6) * (health.in_flight + health.queued + 1)


def build(config: Config) -> LeastLatency:
    """Build the strategy."""
    del config
    return LeastLatency()
