"""Amazon Bedrock's Converse and ConverseStream, with Claude behind them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import unquote

from router.selftest.dialects.bedrock import event
from tests.conformance.model import CACHED, INPUT, OUTPUT, SIGNATURE, WRITTEN, Call, Heard, Said, Turn, pieces
from tests.fakes.aws import Spec

STOPS = {
    "stop": "end_turn",
    "sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "filter": "content_filtered",
}
USAGE = {
    "inputTokens": INPUT - CACHED - WRITTEN,
    "outputTokens": OUTPUT,
    "totalTokens": INPUT + OUTPUT,
    "cacheReadInputTokens": CACHED,
    "cacheWriteInputTokens": WRITTEN,
}


@cache
def _spec() -> Spec:
    return Spec("Converse")


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request, after Amazon's own model of the service found nothing wrong with it."""
    problems = _spec().problems(body, unquote(path.split("/")[-2]))
    assert problems == "", problems
    config, inference = body.get("toolConfig") or {}, body.get("inferenceConfig") or {}
    more = body.get("additionalModelRequestFields") or {}
    choice = config.get("toolChoice") or {"auto": {}}
    wanted = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure")
    turns: list[Turn] = []
    for message in body["messages"]:
        turns += _turns(message)
    picked = "required" if "any" in choice else choice["tool"]["name"] if "tool" in choice else "auto"
    return Heard(
        system="".join(block.get("text", "") for block in body.get("system") or ()),
        turns=turns,
        tools=[tool["toolSpec"]["name"] for tool in config.get("tools") or () if "toolSpec" in tool],
        choice="none" if more.get("tool_choice") == {"type": "none"} else picked,
        schema=json.loads(wanted["jsonSchema"]["schema"]) if wanted else None,
        stops=inference.get("stopSequences") or [],
        temperature=inference.get("temperature"),
        limit=inference.get("maxTokens"),
        thinks=(more.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        marks=json.dumps(body).count('"cachePoint"'),
        fields=frozenset(body),
    )


def _turns(message: dict[str, Any]) -> list[Turn]:
    turn = Turn(role=message["role"])
    results: list[Turn] = []
    for block in message["content"]:
        if "text" in block:
            turn.text += block["text"]
        elif "image" in block:
            turn.image = block["image"]["source"]["bytes"]
        elif "document" in block:
            turn.file = block["document"]["source"]["bytes"]
        elif "reasoningContent" in block:
            thought = block["reasoningContent"]["reasoningText"]
            turn.thought += thought["text"]
            turn.signature += thought.get("signature", "")
        elif "toolUse" in block:
            used = block["toolUse"]
            turn.calls = [*turn.calls, Call(used["toolUseId"], used["name"], used["input"])]
        elif "toolResult" in block:
            result = block["toolResult"]
            text = "".join(one.get("text", "") for one in result["content"])
            results.append(Turn(role="tool", answers=result["toolUseId"], text=text))
    return results or [turn]


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    content: list[dict[str, Any]] = []
    if said.thought:
        thought = {"text": said.thought, "signature": SIGNATURE}
        content.append({"reasoningContent": {"reasoningText": thought}})
    content += [{"text": said.text}] if said.text else []
    content += [{"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in said.calls]
    output = {"message": {"role": "assistant", "content": content}}
    answer = {"output": output, "stopReason": STOPS[said.finish], "usage": USAGE, "metrics": {"latencyMs": 1}}
    return json.dumps(answer).encode()


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream."""
    frames = [event("messageStart", {"role": "assistant"})]
    index = 0

    def block(deltas: list[dict[str, Any]], start: dict[str, Any] | None = None) -> None:
        nonlocal index
        if start is not None:
            frames.append(event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        frames.extend(event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas)
        frames.append(event("contentBlockStop", {"contentBlockIndex": index}))
        index += 1

    if said.thought:
        thoughts = [{"reasoningContent": {"text": piece}} for piece in pieces(said.thought)]
        block([*thoughts, {"reasoningContent": {"signature": SIGNATURE}}])
    if said.text:
        block([{"text": piece} for piece in pieces(said.text)])
    for call in said.calls:
        arguments = pieces(json.dumps(call.arguments))
        used = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        block([{"toolUse": {"input": piece}} for piece in arguments], used)
    frames.append(event("messageStop", {"stopReason": STOPS[said.finish]}))
    frames.append(event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}))
    return frames
