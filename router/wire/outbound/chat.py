"""Chat completions as an OpenAI-compatible upstream takes them: without what only chat inside knows; no I/O.

Many upstreams refuse such fields with a 400.
Source: https://github.com/QuantumNous/new-api/issues/5982, https://github.com/pollinations/pollinations/pull/10696 (2026).
"""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue

_INSIDE = ("cache_control", "thinking_blocks")


def narrowed(body: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """Return a translated request without them, and the names of those that it held. `body` isn't changed."""
    held: dict[str, None] = {}

    def without(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return value
        held.update({name: None for name in _INSIDE if name in value})
        return {name: item for name, item in value.items() if name not in _INSIDE}

    def message(value: JsonValue) -> JsonValue:
        value = without(value)
        content = value.get("content") if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(content, list):
            value["content"] = [without(part) for part in content]
        return value

    narrow = dict(body)
    messages, tools = body.get("messages"), body.get("tools")
    if isinstance(messages, list):
        narrow["messages"] = [message(one) for one in messages]
    if isinstance(tools, list):
        narrow["tools"] = [without(tool) for tool in tools]
    return narrow, tuple(held)
