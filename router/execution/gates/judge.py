"""Asks the local engine whether an answer is good enough, and turns it down on a clear no. Nothing of it leaves this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from router.core.errors import ConfigError
from router.core.ports import NOTHING
from router.core.types import JsonObject, JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps
from router.wire.openai_chat import instruction_text

_TASK = "You check answers. Reply with one word, yes or no."
_WORD = re.compile(r"[a-z]+")


class Config(BaseModel):
    """The gate's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str = "Is the answer correct and complete?"
    """What is asked about the answer; a no turns it down."""
    within_s: float = Field(default=5.0, gt=0)
    """An engine that takes longer, or is down, accepts."""
    max_chars: int = Field(default=8_000, ge=100)
    """Of the request and of the answer, each, that the engine is shown."""


class Judge:
    """The gate."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Nothing."""
        return NOTHING

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """See `Gate`."""
        if not answer.text:
            return True
        said = await asked.ask(self._body(answer.text, asked.body), self._config.within_s)
        return said is None or _WORD.findall(said.casefold())[:1] != ["no"]

    def _body(self, text: str, body: JsonObject) -> JsonObject:
        limit = self._config.max_chars
        shown = f"Request:\n{instruction_text(body, limit)}\n\nAnswer:\n{text[:limit]}\n\n{self._config.question}"
        messages: list[JsonValue] = [{"role": "system", "content": _TASK}, {"role": "user", "content": shown}]
        return {"model": "local/base", "messages": messages, "max_tokens": 5, "temperature": 0}


def build(config: Config, deps: GateDeps) -> Judge:
    """Build the gate.

    Raises:
        ConfigError: there is no engine to ask.
    """
    if not deps.has_engine:
        raise ConfigError("the gate 'judge' asks the local engine: set 'local.url' or 'local.managed', or leave it out")
    return Judge(config)
