"""Turns down answers in which the model refuses, by its own mark or by how it begins."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from router.core.ports import NOTHING
from router.core.types import JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps

_HEAD_CHARS = 200
"""A refusal is said at once; later, these words are mostly part of an answer."""


_PHRASES = (
    "i'm sorry, but i can",
    "i am sorry, but i can",
    "sorry, but i can",
    "i can't help",
    "i can't assist",
    "i cannot help",
    "i cannot assist",
    "i'm not able to",
    "i am not able to",
    "i'm unable to",
    "i am unable to",
    "as an ai",
)


class Config(BaseModel):
    """The gate's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    phrases: tuple[str, ...] = ()
    """What else makes an answer a refusal, beside the English beginnings that are built in; case doesn't matter."""


class Refusal:
    """The gate."""

    def __init__(self, config: Config) -> None:
        self._phrases = (*_PHRASES, *(phrase.casefold() for phrase in config.phrases))

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Nothing."""
        return NOTHING

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """See `Gate`."""
        del asked
        if answer.refusal or answer.finish_reason == "content_filter":
            return False
        head = answer.text[:_HEAD_CHARS].replace("\u2019", "'").casefold()
        return not any(phrase in head for phrase in self._phrases)


def build(config: Config, deps: GateDeps) -> Refusal:
    """Build the gate."""
    del deps
    return Refusal(config)
