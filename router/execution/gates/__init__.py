"""Gates of a cascade, one a file, named by the file: `build(config, deps)` returns what accepts an answer or turns it down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from router.core.types import JsonObject, JsonValue
from router.execution.fold import Folded


class GateDeps(msgspec.Struct, frozen=True, kw_only=True):
    """What the router gives a gate to be built with, beside its own configuration."""

    has_engine: bool
    """Whether there is a local engine that can be asked."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is an answer to, and what a gate may do to find out."""

    body: JsonObject
    """The request as it was sent, in chat completions: masked, if it was masked."""
    ask: Callable[[JsonObject, float], Awaitable[str | None]]
    """Ask the local engine's base model a chat request of the gate's own, within so many seconds; None = it didn't answer."""


class Gate(Protocol):
    """Accepts a model's answer or turns it down, so that the next model is asked."""

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Fields that the request must have for this; what they add to the answer is left out again, if it is `logprobs`."""
        ...

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """Say whether the answer is good enough; what can't be told is."""
        ...
