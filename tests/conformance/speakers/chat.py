"""Chat completions, and the older completions of one prompt."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.model import (
    CACHED,
    INPUT,
    OUTPUT,
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

FINISH = {"sequence": "stop", "filter": "content_filter"}
USAGE = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": INPUT + OUTPUT,
    "prompt_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": WRITTEN},
    "completion_tokens_details": {"reasoning_tokens": THINKING},
}


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request."""
    choice = body.get("tool_choice", "auto")
    wanted = body.get("response_format") or {}
    stops = body.get("stop") or []
    if "prompt" in body:
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        turns, system = [Turn(role="user", text=prompt) for prompt in prompts], ""
    else:
        turns = [_turn(message) for message in body["messages"] if message["role"] not in ("system", "developer")]
        system = "".join(text_of(one["content"]) for one in body["messages"] if one["role"] in ("system", "developer"))
    return Heard(
        system=system,
        turns=turns,
        tools=[tool["function"]["name"] for tool in body.get("tools") or ()],
        choice=choice if isinstance(choice, str) else choice["function"]["name"],
        parallel=body.get("parallel_tool_calls") is not False,
        schema=wanted["json_schema"]["schema"] if wanted.get("type") == "json_schema" else None,
        json=wanted.get("type") == "json_object",
        stops=[stops] if isinstance(stops, str) else stops,
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        n=body.get("n") or 1,
        logprobs=bool(body.get("logprobs")),
        seed=body.get("seed"),
        temperature=body.get("temperature"),
        thinks=body.get("reasoning_effort") not in (None, "none"),
        marks=marks(body),
        fields=frozenset(body),
        wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def _turn(message: dict[str, Any]) -> Turn:
    content = message.get("content")
    images = [part["image_url"]["url"] for part in content or () if isinstance(part, dict) and "image_url" in part]
    files = [part["file"]["file_data"] for part in content or () if isinstance(part, dict) and "file" in part]
    calls = [
        Call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return Turn(
        role=message["role"],
        text=text_of(content),
        calls=calls,
        answers=message.get("tool_call_id", ""),
        thought=message.get("reasoning_content", ""),
        file=files[0].partition("base64,")[2] if files else "",
        image=images[0].partition("base64,")[2] if images else "",
    )


def _logprobs(text: str) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": []}]}


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    if not path.endswith("/chat/completions"):
        return _old_whole(said, model)
    message: dict[str, Any] = {"role": "assistant", "content": said.text if not said.calls else None, "refusal": None}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    logprobs = {**_logprobs(said.text), "refusal": None} if said.logprobs else None
    choices = [
        {"index": at, "message": message, "finish_reason": FINISH.get(said.finish, said.finish), "logprobs": logprobs}
        for at in range(said.n)
    ]
    return json.dumps({**_head(model), "object": "chat.completion", "choices": choices, "usage": USAGE}).encode()


def _call(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
    }


def _head(model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-7", "created": 1, "model": model}


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream; the pieces of parallel calls come in turns."""
    if not path.endswith("/chat/completions"):
        return _old_stream(said, model)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if said.calls else ""}]
    deltas += [{"reasoning_content": piece} for piece in pieces(said.thought)]
    deltas += [{"content": piece} for piece in pieces(said.text)]
    written = [_call(call) for call in said.calls]
    for at, call in enumerate(written):
        deltas.append({"tool_calls": [{"index": at, **call, "function": {**call["function"], "arguments": ""}}]})
    parts = [pieces(call["function"]["arguments"]) for call in written]
    for step in range(max(map(len, parts), default=0)):
        for at, part in enumerate(parts):
            if step < len(part):
                deltas.append({"tool_calls": [{"index": at, "function": {"arguments": part[step]}}]})
    events: list[dict[str, Any]] = []
    for at in range(said.n):
        for delta in deltas:
            logprobs = _logprobs(delta["content"]) if said.logprobs and delta.get("content") else None
            events.append({"index": at, "delta": delta, "finish_reason": None, "logprobs": logprobs})
        finish = FINISH.get(said.finish, said.finish)
        events.append({"index": at, "delta": {}, "finish_reason": finish, "logprobs": None})
    return _frames([{"choices": [one]} for one in events], said, {**_head(model), "object": "chat.completion.chunk"})


def _frames(events: list[dict[str, Any]], said: Said, head: dict[str, Any]) -> list[bytes]:
    if said.wants_usage:
        events = [*events, {"choices": [], "usage": USAGE}]
    lines = [json.dumps({**head, **event}) for event in events]
    return [f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"]]


def _old_logprobs(text: str) -> dict[str, Any]:
    return {"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": None, "text_offset": [0]}


def _old_whole(said: Said, model: str) -> bytes:
    logprobs = _old_logprobs(said.text) if said.logprobs else None
    finish = FINISH.get(said.finish, said.finish)
    choices = [{"text": said.text, "index": at, "finish_reason": finish, "logprobs": logprobs} for at in range(said.n)]
    answer = {"id": "cmpl-7", "created": 1, "model": model, "object": "text_completion", "choices": choices}
    return json.dumps({**answer, "usage": USAGE}).encode()


def _old_stream(said: Said, model: str) -> list[bytes]:
    finish = FINISH.get(said.finish, said.finish)
    events: list[dict[str, Any]] = []
    for at in range(said.n):
        for piece in pieces(said.text):
            logprobs = _old_logprobs(piece) if said.logprobs else None
            events.append({"choices": [{"text": piece, "index": at, "finish_reason": None, "logprobs": logprobs}]})
        events.append({"choices": [{"text": "", "index": at, "finish_reason": finish, "logprobs": None}]})
    return _frames(events, said, {"id": "cmpl-7", "created": 1, "model": model, "object": "text_completion"})
