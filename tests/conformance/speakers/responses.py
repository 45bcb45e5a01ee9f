"""OpenAI's responses."""

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
    text_of,
)
from tests.fakes import cloud_responses as written


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request."""
    items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    choice = body.get("tool_choice", "auto")
    wanted = (body.get("text") or {}).get("format") or {}
    named = [one for one in items if one.get("role") in ("system", "developer")]
    return Heard(
        system=(body.get("instructions") or "") + "".join(text_of(one["content"]) for one in named),
        turns=[_turn(one) for one in items if one not in named],
        tools=[tool["name"] for tool in body.get("tools") or ()],
        choice=choice if isinstance(choice, str) else choice["name"],
        parallel=body.get("parallel_tool_calls") is not False,
        schema=wanted["schema"] if wanted.get("type") == "json_schema" else None,
        json=wanted.get("type") == "json_object",
        limit=body.get("max_output_tokens"),
        logprobs=body.get("top_logprobs") is not None or "message.output_text.logprobs" in (body.get("include") or ()),
        seed=body.get("seed"),
        temperature=body.get("temperature"),
        thinks=(body.get("reasoning") or {}).get("effort") not in (None, "none"),
        marks=marks(body),
        fields=frozenset(body),
    )


def _turn(item: dict[str, Any]) -> Turn:
    match item.get("type", "message"):
        case "function_call":
            called = Call(item["call_id"], item["name"], json.loads(item["arguments"]))
            return Turn(role="assistant", calls=[called])
        case "function_call_output":
            return Turn(role="tool", answers=item["call_id"], text=text_of(item["output"]))
        case "reasoning":
            thought = text_of(item["summary"])
            return Turn(role="assistant", thought=thought, signature=item.get("encrypted_content") or "")
        case _:
            content = item["content"]
            images = [one["image_url"] for one in content if isinstance(one, dict) and one["type"] == "input_image"]
            files = [one["file_data"] for one in content if isinstance(one, dict) and one["type"] == "input_file"]
            file = files[0].partition("base64,")[2] if files else ""
            image = images[0].partition("base64,")[2] if images else ""
            return Turn(role=item["role"], text=text_of(content), image=image, file=file)


def _output(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thought:
        thought = written.thought(SIGNATURE)
        items.append({**thought, "summary": [{"type": "summary_text", "text": said.thought}]})
    if said.text:
        message = written.message(said.text)
        if said.logprobs:
            one = {"token": said.text, "logprob": -0.5, "bytes": list(said.text.encode()), "top_logprobs": []}
            message["content"][0]["logprobs"] = [one]
        items.append({**message, "status": "incomplete" if said.finish in _ENDS else "completed"})
    return items + [written.call(call.name, dict(call.arguments), call.id) for call in said.calls]


_ENDS = {"length": "max_output_tokens", "filter": "content_filter"}


def _finished(said: Said, response: dict[str, Any]) -> None:
    if response["usage"] is not None:
        response["usage"] = {
            "input_tokens": INPUT,
            "output_tokens": OUTPUT,
            "total_tokens": INPUT + OUTPUT,
            "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": WRITTEN},
            "output_tokens_details": {"reasoning_tokens": THINKING},
        }
        if said.finish in _ENDS:
            response["incomplete_details"] = {"reason": _ENDS[said.finish]}


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    status = "incomplete" if said.finish in _ENDS else "completed"
    response = written.response({"model": model}, _output(said), status)
    _finished(said, response)
    return json.dumps(response).encode()


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream."""
    status = "incomplete" if said.finish in _ENDS else "completed"
    events = written.events({"model": model}, _output(said), status)
    _finished(said, events[-1]["response"])
    for event in events:
        if event["type"] == "response.output_text.done" and said.logprobs:
            event["logprobs"] = [{"token": said.text, "logprob": -0.5, "top_logprobs": []}]
    return written.frames(events)
