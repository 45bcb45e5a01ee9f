"""Cohere's v2 chat."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.model import CACHED, INPUT, OUTPUT, Call, Heard, Said, Turn, pieces, text_of

FINISH = {
    "stop": "COMPLETE",
    "sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "filter": "ERROR_TOXIC",
}
USAGE = {
    "billed_units": {"input_tokens": 1, "output_tokens": OUTPUT},
    "tokens": {"input_tokens": INPUT, "output_tokens": OUTPUT},
    "cached_tokens": CACHED,
}
_CHOICES = {"REQUIRED": "required", "NONE": "none"}


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request."""
    wanted = body.get("response_format") or {}
    return Heard(
        system="".join(text_of(one["content"]) for one in body["messages"] if one["role"] == "system"),
        turns=[_turn(one) for one in body["messages"] if one["role"] != "system"],
        tools=[tool["function"]["name"] for tool in body.get("tools") or ()],
        choice=_CHOICES.get(body.get("tool_choice", ""), "auto"),
        schema=wanted.get("json_schema"),
        json=wanted.get("type") == "json_object",
        stops=body.get("stop_sequences") or [],
        limit=body.get("max_tokens"),
        logprobs=bool(body.get("logprobs")),
        seed=body.get("seed"),
        temperature=body.get("temperature"),
        thinks=(body.get("thinking") or {}).get("type") == "enabled",
        fields=frozenset(body),
    )


def _turn(message: dict[str, Any]) -> Turn:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    calls = [
        Call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return Turn(
        role=message["role"],
        text=text_of(content),
        calls=calls,
        answers=message.get("tool_call_id", ""),
        thought="".join(part.get("thinking", "") for part in parts),
        image=images[0].partition("base64,")[2] if images else "",
    )


def _call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    content: list[dict[str, Any]] = [{"type": "thinking", "thinking": said.thought}] if said.thought else []
    content += [{"type": "text", "text": said.text}] if said.text else []
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if said.calls:
        message["tool_calls"] = [_call(call, json.dumps(call.arguments)) for call in said.calls]
    answer: dict[str, Any] = {"id": "c-1", "message": message, "finish_reason": FINISH[said.finish], "usage": USAGE}
    if said.logprobs:
        answer["logprobs"] = [{"text": said.text, "token_ids": [1], "logprobs": [-0.5]}]
    return json.dumps(answer).encode()


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream."""
    events: list[dict[str, Any]] = []

    def add(kind: str, index: int | None = None, message: dict[str, Any] | None = None, **more: Any) -> None:
        delta = {} if message is None else {"delta": {"message": message}}
        events.append({"type": kind, **({} if index is None else {"index": index}), **delta, **more})

    add("message-start", message={"role": "assistant", "content": [], "tool_calls": []}, id="c-1")
    blocks = (("thinking", said.thought), ("text", said.text))
    for index, (kind, text) in enumerate((kind, text) for kind, text in blocks if text):
        add("content-start", index, {"content": {"type": kind, kind: ""}})
        for piece in pieces(text):
            scored = {"text": piece, "token_ids": [1], "logprobs": [-0.5]}
            more = {"logprobs": scored} if said.logprobs and kind == "text" else {}
            add("content-delta", index, {"content": {kind: piece}}, **more)
        add("content-end", index)
    for index, call in enumerate(said.calls):
        add("tool-call-start", index, {"tool_calls": _call(call, "")})
        for piece in pieces(json.dumps(call.arguments)):
            add("tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}})
        add("tool-call-end", index)
    end = {"finish_reason": FINISH[said.finish], "usage": USAGE}
    events.append({"type": "message-end", "id": "c-1", "delta": end})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
