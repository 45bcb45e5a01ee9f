"""Anthropic's messages."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.model import (
    CACHED,
    INPUT,
    OUTPUT,
    SIGNATURE,
    THINKING,
    WRITTEN,
    Call,
    Heard,
    Said,
    Turn,
    marks,
    pieces,
    text_of,
)

STOPS = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "tool_calls": "tool_use"}
USAGE = {
    "input_tokens": INPUT - CACHED - WRITTEN,
    "cache_read_input_tokens": CACHED,
    "cache_creation_input_tokens": WRITTEN,
    "output_tokens": OUTPUT,
    "output_tokens_details": {"thinking_tokens": THINKING},
}
_CHOICES = {"auto": "auto", "none": "none", "any": "required"}


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request."""
    choice = body.get("tool_choice") or {"type": "auto"}
    output = body.get("output_config") or {}
    wanted = output.get("format") or {}
    turns: list[Turn] = []
    for message in body["messages"]:
        turns += _turns(message)
    return Heard(
        system=text_of(body.get("system")),
        turns=turns,
        tools=[tool["name"] for tool in body.get("tools") or ()],
        choice=choice["name"] if choice["type"] == "tool" else _CHOICES[choice["type"]],
        parallel=choice.get("disable_parallel_tool_use") is not True,
        schema=wanted.get("schema"),
        stops=body.get("stop_sequences") or [],
        limit=body["max_tokens"],
        temperature=body.get("temperature"),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        marks=marks(body),
        fields=frozenset(body),
    )


def _turns(message: dict[str, Any]) -> list[Turn]:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    turn = Turn(role=message["role"])
    results: list[Turn] = []
    for block in blocks:
        match block["type"]:
            case "text":
                turn.text += block["text"]
            case "image":
                turn.image = block["source"]["data"]
            case "document":
                turn.file = block["source"]["data"]
            case "thinking":
                turn.thought += block["thinking"]
                turn.signature += block["signature"]
            case "tool_use":
                turn.calls = [*turn.calls, Call(block["id"], block["name"], block["input"])]
            case "tool_result":
                text = text_of(block.get("content"))
                results.append(Turn(role="tool", answers=block["tool_use_id"], text=text))
            case other:
                raise AssertionError(other)
    return results or [turn]


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in said.calls
    ]


def _message(said: Said, model: str, **more: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, **more}


def _stopped(said: Said) -> dict[str, Any]:
    reason = STOPS.get(said.finish, "refusal")
    return {"stop_reason": reason, "stop_sequence": "model" if said.finish == "sequence" else None}


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    return json.dumps(_message(said, model, content=_blocks(said), usage=USAGE, **_stopped(said))).encode()


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream."""
    begun = _message(said, model, content=[], usage={**USAGE, "output_tokens": 1}, stop_reason=None, stop_sequence=None)
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(_blocks(said)):
        match block["type"]:
            case "thinking":
                start = {**block, "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                start = {**block, "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            case _:
                start = {**block, "input": {}}
                arguments = json.dumps(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(arguments)]]
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": _stopped(said), "usage": USAGE})
    events.append({"type": "message_stop"})
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
