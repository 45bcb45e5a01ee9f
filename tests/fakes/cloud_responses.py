"""What a cloud that speaks the Responses API answers: whole responses, and the events of a stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

Items = list[dict[str, Any]]

_NUMBERS = itertools.count(1)
_ECHOED = ("instructions", "metadata", "parallel_tool_calls", "tool_choice", "tools", "temperature", "top_p")
_DEFAULTS = {"metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def message(text: str, number: int = 0) -> dict[str, Any]:
    """An output item that says something."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": f"msg_up{number}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def call(name: str, arguments: dict[str, Any], call_id: str) -> dict[str, Any]:
    """An output item that calls a function."""
    own = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed"}
    return {**own, "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}


def thought(encrypted: str | None = None) -> dict[str, Any]:
    """An output item of thinking."""
    return {"id": "rs_up", "type": "reasoning", "summary": [{"type": "summary_text", "text": "I think."}],
            **({"encrypted_content": encrypted} if encrypted else {})}  # fmt: skip


def response(body: dict[str, Any], output: Items, status: str = "completed", name: str = "") -> dict[str, Any]:
    """A whole response."""
    details = {"input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0}}
    details |= {"output_tokens_details": {"reasoning_tokens": 2}}
    usage = {"input_tokens": 100, "output_tokens": 16, "total_tokens": 116, **details}
    tools = [{"strict": True, "parameters": None, **tool} for tool in body.get("tools") or []]
    echoed = {name: body.get(name, _DEFAULTS.get(name)) for name in _ECHOED} | {"tools": tools}
    return {
        "id": name or f"resp_{next(_NUMBERS):048x}",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": {"code": "server_error", "message": "no luck"} if status == "failed" else None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": body.get("model"),
        "output": output,
        "usage": usage if status in ("completed", "incomplete") else None,
        "previous_response_id": None,
        "store": False,
        "x_unknown": {"kept": [1, None]},
        **echoed,
    }


def events(body: dict[str, Any], output: Items, status: str = "completed") -> list[dict[str, Any]]:
    """The events of a stream, in order."""
    whole = response(body, output, status)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    found = [{"type": kind, "response": begun} for kind in ("response.created", "response.in_progress")]
    for index, item in enumerate(output):
        found += ({**event, "output_index": index} for event in _item_events(item))
    found.append({"type": f"response.{status}", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


def _item_events(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    own = {"item_id": item["id"]}
    match item["type"]:
        case "message":
            yield {"type": "response.output_item.added", "item": {**item, "status": "in_progress", "content": []}}
            for index, part in enumerate(item["content"]):
                at = {**own, "content_index": index}
                yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
                for piece in _pieces(part["text"]):
                    yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
                yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
                yield {"type": "response.content_part.done", **at, "part": part}
        case "function_call":
            yield {"type": "response.output_item.added", "item": {**item, "status": "in_progress", "arguments": ""}}
            for piece in _pieces(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **own, "delta": piece}
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield {"type": "response.function_call_arguments.done", **own, **done}
        case _:
            yield {"type": "response.output_item.added", "item": {**item, "summary": []}}
            for index, part in enumerate(item["summary"]):
                at = {**own, "summary_index": index}
                yield {"type": "response.reasoning_summary_part.added", **at, "part": {**part, "text": ""}}
                for piece in _pieces(part["text"]):
                    yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
                yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
                yield {"type": "response.reasoning_summary_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "item": item}


def _pieces(text: str) -> list[str]:
    """Cut a text into tokens of a sort, which cut words and placeholders too."""
    return [text[start : start + 5] for start in range(0, len(text), 5)]


def frames(found: list[dict[str, Any]]) -> list[bytes]:
    """Frame events, each with its name."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in found]


def stream(body: dict[str, Any], output: Items, mode: str) -> list[bytes]:
    """The frames of a stream, broken as the mode demands; an empty one at the end closes the connection."""
    if mode == "failed":
        return frames(events(body, [], "failed"))
    if mode == "empty":
        return []
    whole = frames(events(body, output, "incomplete" if mode == "incomplete" else "completed"))
    error = {"type": "error", "code": "server_error", "message": "no luck", "param": None, "sequence_number": 5}
    match mode:
        case "cut":
            return [*whole[: len(whole) // 2], b""]
        case "truncated":
            return [*whole[:6], b'event: response.output_text.delta\ndata: {"type": "resp\n\n']
        case "error-event":
            return [*whole[:6], *frames([error])]
        case "no-finish":
            return whole[:-1]
        case "failed-late":
            return [*whole[:6], *frames([{**events(body, output, "failed")[-1], "sequence_number": 6}])]
        case _:
            return whole
