"""Where a text can hide in a request of Anthropic's Messages."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from urllib.parse import quote

from tests.fakes.canaries import Body

_USE = {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {}}
_TOOL = {
    "name": "lookup",
    "description": "Look something up",
    "input_schema": {"type": "object", "properties": {"q": {"type": "string", "description": "what"}}},
}


def _user(body: Body, *blocks: object) -> None:
    body["messages"].append({"role": "user", "content": list(blocks)})


def _assistant(body: Body, *blocks: object) -> None:
    body["messages"][1:1] = [{"role": "assistant", "content": list(blocks)}, {"role": "user", "content": "Go on."}]


def _called(body: Body, **call: object) -> None:
    _assistant(body, {**copy.deepcopy(_USE), **call})
    body["messages"][2] = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}],
    }


def _result(body: Body, **result: object) -> None:
    _called(body)
    body["messages"][2]["content"][0].update(result)


def _tool(body: Body, put: Callable[[Body], None]) -> None:
    tool = copy.deepcopy(_TOOL)
    put(tool)
    body["tools"] = [tool]


def _text(text: str) -> Body:
    return {"type": "text", "text": text}


def _document(body: Body, source: Body, **more: object) -> None:
    _user(body, {"type": "document", "source": source, **more}, _text("Sum it up."))


MESSAGES_FIELDS: dict[str, Callable[[Body, str], None]] = {
    "system": lambda b, t: b.update(system=t),
    "system block": lambda b, t: b.update(system=[_text("Be brief."), _text(t)]),
    "user": lambda b, t: b["messages"].insert(0, {"role": "user", "content": t}),
    "content block": lambda b, t: _user(b, _text(t)),
    "second content block": lambda b, t: _user(b, _text("See:"), _text(t)),
    "assistant": lambda b, t: _assistant(b, _text(t)),
    "thinking": lambda b, t: _assistant(b, {"type": "thinking", "thinking": t, "signature": "EqQB"}),
    "signature": lambda b, t: _assistant(b, {"type": "thinking", "thinking": "Hm", "signature": t}),
    "signature, base64": lambda b, t: _assistant(
        b, {"type": "thinking", "thinking": "Hm", "signature": base64.b64encode(t.encode()).decode()}
    ),
    "redacted thinking": lambda b, t: _assistant(b, {"type": "redacted_thinking", "data": t}),
    "role": lambda b, t: b["messages"].insert(0, {"role": t, "content": "Hello"}),
    "tool input": lambda b, t: _called(b, input={"q": t}),
    "tool input, key": lambda b, t: _called(b, input={t: 1}),
    "tool input, deep": lambda b, t: _called(b, input={"q": {"deep": [{"er": json.dumps([t])}]}}),
    "tool use id": lambda b, t: _called(b, id=t),
    "tool result": lambda b, t: _result(b, content=t),
    "tool result block": lambda b, t: _result(b, content=[_text("See:"), _text(t)]),
    "tool result that failed": lambda b, t: _result(b, content=t, is_error=True),
    "tool name": lambda b, t: _tool(b, lambda tool: tool.update(name=t)),
    "tool description": lambda b, t: _tool(b, lambda tool: tool.update(description=t)),
    "tool parameter": lambda b, t: _tool(b, lambda tool: tool["input_schema"]["properties"]["q"].update(description=t)),
    "tool parameter name": lambda b, t: _tool(b, lambda tool: tool["input_schema"]["properties"].update({t: {}})),
    "tool example": lambda b, t: _tool(b, lambda tool: tool.update(input_examples=[{"q": t}])),
    "server tool": lambda b, t: b.update(tools=[{"type": "web_search_20250305", "name": "web_search", "note": t}]),
    "tool choice": lambda b, t: b.update(tools=[copy.deepcopy(_TOOL)], tool_choice={"type": "tool", "name": t}),
    "user id": lambda b, t: b.update(metadata={"user_id": t}),
    "metadata": lambda b, t: b.update(metadata={"note": t}),
    "stop sequence": lambda b, t: b.update(stop_sequences=[t]),
    "thinking, its kind": lambda b, t: b.update(thinking={"type": t}),
    "effort": lambda b, t: b.update(output_config={"effort": t}),
    "output format": lambda b, t: b.update(
        output_config={"format": {"type": "json_schema", "schema": {"type": "object", "description": t}}}
    ),
    "cache control": lambda b, t: _user(b, {**_text("Hi"), "cache_control": {"type": "ephemeral", "ttl": t}}),
    "document of text": lambda b, t: _document(b, {"type": "text", "media_type": "text/plain", "data": t}),
    "document of blocks": lambda b, t: _document(b, {"type": "content", "content": [_text(t)]}),
    "document title": lambda b, t: _document(b, {"type": "text", "media_type": "text/plain", "data": "x"}, title=t),
    "document context": lambda b, t: _document(b, {"type": "text", "media_type": "text/plain", "data": "x"}, context=t),
    "search result": lambda b, t: _user(
        b, {"type": "search_result", "source": "x", "title": "x", "content": [_text(t)]}
    ),
    "container": lambda b, t: b.update(container=t),
    "server": lambda b, t: b.update(mcp_servers=[{"type": "url", "name": "x", "url": f"https://x.test/?q={quote(t)}"}]),
    "service_tier": lambda b, t: b.update(service_tier=t),
    "unknown field": lambda b, t: b.update(x_custom={"deep": [{"er": t}]}),
    "unknown key": lambda b, t: b.update({t: True}),
    "unknown field of a message": lambda b, t: b["messages"].append({"role": "user", "content": "Hello", "x": t}),
    "base64 text": lambda b, t: _user(b, _text(f"Decode {base64.b64encode(t.encode()).decode()}")),
    "image URL": lambda b, t: _user(
        b, {"type": "image", "source": {"type": "url", "url": f"https://x.test/?q={quote(t)}"}}, _text("See.")
    ),
    "image data": lambda b, t: _user(
        b, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": t}}
    ),
    "document data": lambda b, t: _document(b, {"type": "base64", "media_type": "application/pdf", "data": t}),
    "document URL": lambda b, t: _document(b, {"type": "url", "url": f"https://x.test/?q={quote(t)}"}),
    "unknown content block": lambda b, t: _user(b, {"type": "hologram", "hologram": t}),
}
"""Field of a request -> how a text gets into it."""

MESSAGES_UNREADABLE = (
    "image URL", "image data", "document data", "document URL", "unknown content block", "search result", "server tool",
    "container", "server", "role", "effort",
)  # fmt: skip
"""Fields that are never read, or whose request only Anthropic itself can answer, or nobody."""
MESSAGES_BARE = frozenset(("stop sequence", "user id", "tool use id", "tool name", "tool choice"))
