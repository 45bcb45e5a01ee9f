"""Turns down answers that are too short, too long, or were cut off by the limit of tokens."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from router.core.ports import NOTHING
from router.core.types import JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps


class Config(BaseModel):
    """The gate's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    min_chars: int = Field(default=1, ge=0)
    """White space at its ends doesn't count. An answer that calls tools needs no text."""
    max_chars: int | None = Field(default=None, ge=1)
    cut_off: bool = False
    """Whether an answer is accepted that ended because it was as long as it may be."""


class Length:
    """The gate."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Nothing."""
        return NOTHING

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """See `Gate`."""
        del asked
        config, chars = self._config, len(answer.text.strip())
        if answer.finish_reason == "length" and not config.cut_off:
            return False
        if config.max_chars is not None and chars > config.max_chars:
            return False
        return chars >= config.min_chars or bool(answer.tool_calls)


def build(config: Config, deps: GateDeps) -> Length:
    """Build the gate."""
    del deps
    return Length(config)
