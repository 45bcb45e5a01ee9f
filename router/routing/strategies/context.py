"""Context: the candidate made for what the request holds first, then the smallest context window that fits well."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from router.core.types import Candidate, Features

_MODALITIES = frozenset({"vision", "audio", "files"})


class Config(BaseModel):
    """Options of the context strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    fill_ratio: float = Field(default=0.8, gt=0, le=1)
    """How much of a window the prompt and its answer may fill: models get worse near its end, and the count is an
    estimate. What fits, but fills more, comes after all that have room."""


class Context:
    """Long prompts go to long windows and short ones don't take them up; likewise pictures, sound and files.

    What can't answer at all was left out before; this says what answers best of what can.
    """

    def __init__(self, config: Config) -> None:
        self._fill_ratio = config.fill_ratio

    def rank(self, features: Features, candidates: Sequence[Candidate], seed: float) -> list[float]:
        """Score = minus the modality's mismatches, minus the window's place among all windows, as a fraction."""
        del seed
        needed_tokens = features.input_tokens + (features.max_output_tokens or 0)
        fits = [self._fit(one, needed_tokens) for one in candidates]
        places = {fit: place for place, fit in enumerate(sorted(set(fits)))}
        return [
            -_mismatches(one, features) - places[fit] / (len(places) + 1)
            for one, fit in zip(candidates, fits, strict=True)
        ]

    def _fit(self, candidate: Candidate, needed_tokens: int) -> tuple[int, int]:
        """Grade a window, lower is better: (room enough, tight, unknown, too small; its size)."""
        window_tokens = candidate.context_tokens
        if window_tokens is None:
            return 2, 0
        if needed_tokens <= window_tokens * self._fill_ratio:
            return 0, window_tokens
        # Among those that are nearly full, the largest has the most room left.
        return (1 if needed_tokens <= window_tokens else 3), -window_tokens


def _mismatches(candidate: Candidate, features: Features) -> float:
    """Count modalities that are needed but not declared (they weigh more), and those declared but not needed."""
    declared = _MODALITIES & (candidate.capabilities or frozenset())
    needed = _MODALITIES & features.needs
    return 4.0 * len(needed - declared) + len(declared - needed)


def build(config: Config) -> Context:
    """Build the strategy."""
    return Context(config)
