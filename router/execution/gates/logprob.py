"""Turns down answers of which the model itself wasn't sure, by the mean log-probability of their tokens."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from router.core.types import JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps

_ASKS: Mapping[str, JsonValue] = {"logprobs": True}


class Config(BaseModel):
    """The gate's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    min_mean: float = Field(default=-0.6, le=0)
    """Mean of the tokens' natural log-probabilities; -0.6 = each token had a probability of 0.55, in the geometric mean."""


class Logprob:
    """The gate."""

    def __init__(self, config: Config) -> None:
        self._min_mean = config.min_mean

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Log-probabilities."""
        return _ASKS

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """See `Gate`; an upstream that tells no log-probabilities is believed."""
        del asked
        return answer.mean_logprob is None or answer.mean_logprob >= self._min_mean


def build(config: Config, deps: GateDeps) -> Logprob:
    """Build the gate."""
    del deps
    return Logprob(config)
