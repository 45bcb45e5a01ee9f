"""OpenAI's embeddings dialect: reads what matters of an answer."""

from __future__ import annotations

import msgspec

from router.core.types import Usage
from router.wire import openai_usage

_MISSING = msgspec.Raw()


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = _MISSING


_ANSWER = msgspec.json.Decoder(_Answer)


def facts(payload: bytes) -> tuple[int, Usage | None]:
    """Return how many vectors an answer holds, and its usage.

    Raises:
        msgspec.DecodeError: not JSON, or not of that shape.
    """
    answer = _ANSWER.decode(payload)
    return len(answer.data or ()), openai_usage.read(answer.usage)
