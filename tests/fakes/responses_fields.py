"""Every place of a Responses request that can hold a text, and how one gets into it; harmless requests of every kind."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.fakes.canaries import Body
from tests.fakes.cloud_responses import call, message

_TOOL = {
    "type": "function",
    "name": "lookup",
    "description": "Look something up",
    "parameters": {"type": "object", "properties": {"q": {"type": "string", "description": "what"}}},
}
_FORMAT = {"type": "json_schema", "name": "out", "schema": {"type": "object", "description": ""}}
_CALL = {"type": "function_call", "call_id": "call_1", "name": "lookup", "arguments": "{}"}


def _item(body: Body, **item: object) -> None:
    body["input"].append(item)


def _said(body: Body, *parts: object, role: str = "user") -> None:
    _item(body, type="message", role=role, content=list(parts))


def _called(body: Body, **fields: object) -> None:
    _item(body, **{**_CALL, **fields})
    _item(body, type="function_call_output", call_id="call_1", output="done")


def _output(body: Body, output: object) -> None:
    _item(body, **_CALL)
    _item(body, type="function_call_output", call_id="call_1", output=output)


def _thought(body: Body, **fields: object) -> None:
    _item(body, **{"type": "reasoning", "id": "rs_1", "summary": [], **fields})
    _item(body, role="assistant", content="So")
    _item(body, role="user", content="Go on")


def _tool(body: Body, path: tuple[str, ...], value: object) -> None:
    tool: Any = copy.deepcopy(_TOOL)
    here = tool
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    body["tools"] = [tool]


def _format(body: Body, **fields: object) -> None:
    body["text"] = {"format": {**copy.deepcopy(_FORMAT), **fields}}


FIELDS: dict[str, Callable[[Body, str], None]] = {
    "instructions": lambda b, t: b.update(instructions=t),
    "input text": lambda b, t: b.update(input=t),
    "short message": lambda b, t: _item(b, role="user", content=t),
    "input_text": lambda b, t: _said(b, {"type": "input_text", "text": t}),
    "second input_text": lambda b, t: _said(b, {"type": "input_text", "text": "See:"}, {"type": "input_text", "text": t}),
    "developer": lambda b, t: _said(b, {"type": "input_text", "text": t}, role="developer"),
    "system": lambda b, t: _said(b, {"type": "input_text", "text": t}, role="system"),
    "output_text": lambda b, t: _said(b, {"type": "output_text", "text": t, "annotations": []}, role="assistant"),
    "annotation": lambda b, t: _said(
        b, {"type": "output_text", "text": "So", "annotations": [{"type": "url_citation", "title": t, "url": "https://x.test"}]}, role="assistant"
    ),
    "refusal": lambda b, t: _said(b, {"type": "refusal", "refusal": t}, role="assistant"),
    "role": lambda b, t: _item(b, role=t, content="Hello"),
    "item id": lambda b, t: _item(b, type="message", id=t, role="assistant", content="Hello"),
    "item status": lambda b, t: _item(b, type="message", status=t, role="user", content="Hello"),
    "unknown field of an item": lambda b, t: _item(b, role="user", content="Hello", x=t),
    "function call arguments": lambda b, t: _called(b, arguments=json.dumps({"q": t})),
    "function call arguments, broken JSON": lambda b, t: _called(b, arguments='{"q": "' + t),
    "function call arguments, key": lambda b, t: _called(b, arguments=json.dumps({t: 1})),
    "function call name": lambda b, t: _called(b, name=t),
    "call id": lambda b, t: _called(b, call_id=t),
    "function call output": _output,
    "function call output, part": lambda b, t: _output(b, [{"type": "input_text", "text": t}]),
    "function call output, image": lambda b, t: _output(b, [{"type": "input_image", "image_url": f"https://x.test/?q={quote(t)}"}]),
    "reasoning summary": lambda b, t: _thought(b, summary=[{"type": "summary_text", "text": t}]),
    "reasoning content": lambda b, t: _thought(b, content=[{"type": "reasoning_text", "text": t}]),
    "reasoning, thinking block": lambda b, t: _thought(b, thinking_blocks=[{"type": "thinking", "thinking": t, "signature": "x"}]),
    "encrypted content": lambda b, t: _thought(b, encrypted_content=t),
    "encrypted content, base64": lambda b, t: _thought(b, encrypted_content=base64.b64encode(t.encode()).decode()),
    "custom tool call": lambda b, t: _item(b, type="custom_tool_call", call_id="c", name="run", input=t),
    "custom tool call output": lambda b, t: _item(b, type="custom_tool_call_output", call_id="c", output=t),
    "web search call": lambda b, t: _item(b, type="web_search_call", id="ws_1", status="completed", action={"type": "search", "query": t}),
    "file search call": lambda b, t: _item(
        b, type="file_search_call", id="fs_1", status="completed", queries=["x"], results=[{"file_id": "f", "text": t}]
    ),
    "code interpreter call": lambda b, t: _item(
        b, type="code_interpreter_call", id="ci_1", status="completed", code="x", container_id="c", outputs=[{"type": "logs", "logs": t}]
    ),
    "local shell call": lambda b, t: _item(
        b, type="local_shell_call", id="ls_1", call_id="c", status="completed", action={"type": "exec", "command": ["echo", t], "env": {}}
    ),
    "shell call output": lambda b, t: _item(
        b, type="shell_call_output", call_id="c", output=[{"stdout": t, "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
    ),
    "mcp call": lambda b, t: _item(b, type="mcp_call", id="m_1", server_label="s", name="n", arguments="{}", output=t),
    "item reference": lambda b, t: _item(b, type="item_reference", id=f"the item {t}"),
    "image generation call": lambda b, t: _item(b, type="image_generation_call", id="ig_1", status="completed", result=t),
    "unknown item": lambda b, t: _item(b, type="hologram", hologram=t),
    "input_image": lambda b, t: _said(b, {"type": "input_image", "image_url": f"https://x.test/?q={quote(t)}"}),
    "input_image, data": lambda b, t: _said(b, {"type": "input_image", "image_url": f"data:image/png;base64,{t}"}),
    "input_file": lambda b, t: _said(b, {"type": "input_file", "filename": t, "file_data": "data:application/pdf;base64,eA=="}),
    "input_audio": lambda b, t: _said(b, {"type": "input_audio", "input_audio": {"data": t, "format": "wav"}}),
    "unknown content part": lambda b, t: _said(b, {"type": "hologram", "hologram": t}),
    "tool name": lambda b, t: _tool(b, ("name",), t),
    "tool description": lambda b, t: _tool(b, ("description",), t),
    "tool parameter": lambda b, t: _tool(b, ("parameters", "properties", "q", "description"), t),
    "tool parameter name": lambda b, t: _tool(b, ("parameters", "properties", t), {"type": "string"}),
    "tool enum": lambda b, t: _tool(b, ("parameters", "properties", "q", "enum"), [t]),
    "tool choice": lambda b, t: b.update(tools=[_TOOL], tool_choice={"type": "function", "name": t}),
    "hosted tool": lambda b, t: b.update(tools=[{"type": "mcp", "server_label": "s", "server_url": "https://x.test", "server_description": t}]),
    "response format": lambda b, t: _format(b, schema={"type": "object", "description": t}),
    "response format name": lambda b, t: _format(b, name=t),
    "prompt variable": lambda b, t: b.update(prompt={"id": "p", "variables": {"x": t}}),
    "user field": lambda b, t: b.update(user=t),
    "safety_identifier": lambda b, t: b.update(safety_identifier=t),
    "prompt_cache_key": lambda b, t: b.update(prompt_cache_key=t),
    "service_tier": lambda b, t: b.update(service_tier=t),
    "metadata": lambda b, t: b.update(metadata={"note": t}),
    "metadata key": lambda b, t: b.update(metadata={t: "x"}),
    "include": lambda b, t: b.update(include=[t]),
    "truncation": lambda b, t: b.update(truncation=t),
    "reasoning effort": lambda b, t: b.update(reasoning={"effort": t}),
    "previous_response_id": lambda b, t: b.update(previous_response_id=t),
    "conversation": lambda b, t: b.update(conversation=t),
    "unknown field": lambda b, t: b.update(x_custom={"deep": [{"er": t}]}),
    "unknown key": lambda b, t: b.update({t: True}),
    "base64 text": lambda b, t: _item(b, role="user", content=f"Decode {base64.b64encode(t.encode()).decode()}"),
    "URL": lambda b, t: _item(b, role="user", content=f"Open https://example.com/search?q={quote(t)}&page=2"),
}  # fmt: skip
"""Field of a Responses request -> how a text gets into it."""


WEATHER = {
    "type": "function", "name": "weather", "strict": True, "description": "Tells the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
}  # fmt: skip
"""A tool."""


def bodies(count: int) -> list[dict[str, Any]]:
    """Generate bodies with every field, known and unknown, harmless all."""
    chance = random.Random(11)
    fields: list[dict[str, Any]] = [
        {"instructions": "Be brief"}, {"temperature": 0.5}, {"top_p": 0.25}, {"max_output_tokens": 50}, {"store": True}, {"store": False},
        {"metadata": {"team": "blue"}}, {"include": ["message.output_text.logprobs"]}, {"top_logprobs": 2}, {"truncation": "auto"},
        {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}, {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "custom", "name": "run", "description": "Runs code"}]}, {"text": {"verbosity": "low"}}, {"max_tool_calls": 3},
        {"text": {"format": {"type": "json_schema", "name": "out", "schema": {"type": "object"}}}}, {"service_tier": "flex"},
        {"prompt_cache_key": "blue"}, {"x_custom": {"deep": [1, None, "word"]}}, {"stream_options": {"include_obfuscation": False}},
    ]  # fmt: skip
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be kind"}]},
        {**message("I look"), "phase": "commentary"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA"},
        call("weather", {"city": "Paris"}, "call_1"),
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "sun"}]},
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "weather"},
        },
    ]
    found: list[dict[str, Any]] = []
    for _ in range(count):
        body: dict[str, Any] = {
            "model": "native-ok",
            "input": "Hello" if chance.random() < 0.3 else chance.sample(items, chance.randint(1, 7)),
        }
        for field in chance.sample(fields, chance.randint(0, 6)):
            body.update(field)
        found.append(body)
    return found
