"""What a client does with a stream of chat chunks: puts them together; and what a network does: cuts them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from router.core.types import Delta


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def fold(deltas: Iterable[Delta]) -> dict[str, Any]:
    """Put a stream's chunks together, as a client does."""
    message: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    for delta in deltas:
        for choice in json.loads(delta.payload)["choices"]:
            for key, value in choice["delta"].items():
                if key != "tool_calls":
                    message[key] = message[key] + value if key in message else value
            for part in choice["delta"].get("tool_calls", ()):
                index = part.pop("index")
                if index == len(calls):
                    calls.append(part)
                else:
                    calls[index]["function"]["arguments"] += part["function"]["arguments"]
    return message | ({"tool_calls": calls} if calls else {})
