"""Google's generateContent."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.model import CACHED, INPUT, OUTPUT, SIGNATURE, THINKING, Call, Heard, Said, Turn, pieces
from tests.fakes import gemini as fake

FINISH = {"stop": "STOP", "sequence": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
USAGE = {
    "promptTokenCount": INPUT,
    "cachedContentTokenCount": CACHED,
    "candidatesTokenCount": OUTPUT - THINKING,
    "thoughtsTokenCount": THINKING,
    "totalTokenCount": INPUT + OUTPUT,
}
_MODES = {"AUTO": "auto", "NONE": "none"}


def hear(path: str, body: dict[str, Any]) -> Heard:
    """Understand a request."""
    fake.check(body, path.rpartition("/")[2].partition(":")[0])
    config = body.get("generationConfig") or {}
    calling = ((body.get("toolConfig") or {}).get("functionCallingConfig")) or {}
    mode = calling.get("mode", "AUTO")
    names = calling.get("allowedFunctionNames") or ["required"]
    turns: list[Turn] = []
    for content in body["contents"]:
        turns += _turns(content)
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    return Heard(
        system="".join(part["text"] for part in (body.get("systemInstruction") or {"parts": []})["parts"]),
        turns=turns,
        tools=[one["name"] for one in declared],
        choice=_MODES.get(mode, names[0]),
        schema=config.get("responseJsonSchema"),
        json=config.get("responseMimeType") == "application/json",
        stops=config.get("stopSequences") or [],
        limit=config.get("maxOutputTokens"),
        n=config.get("candidateCount") or 1,
        logprobs=bool(config.get("responseLogprobs")),
        seed=config.get("seed"),
        temperature=config.get("temperature"),
        thinks=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        fields=frozenset(body),
    )


def _turns(content: dict[str, Any]) -> list[Turn]:
    turn = Turn(role="assistant" if content["role"] == "model" else "user")
    results: list[Turn] = []
    for part in content["parts"]:
        signature = part.get("thoughtSignature", "")
        turn.signature += signature if signature != "skip_thought_signature_validator" else ""
        if part.get("thought"):
            turn.thought += part["text"]
        elif "text" in part:
            turn.text += part["text"]
        elif "inlineData" in part:
            blob = part["inlineData"]
            if blob["mimeType"] == "application/pdf":
                turn.file = blob["data"]
            else:
                turn.image = blob["data"]
        elif "functionCall" in part:
            call = part["functionCall"]
            turn.calls = [*turn.calls, Call(call["id"], call["name"], call["args"])]
        elif "functionResponse" in part:
            result = part["functionResponse"]
            text = str(result["response"].get("result", result["response"]))
            results.append(Turn(role="tool", answers=result["id"], text=text))
    return results or [turn]


def _events(said: Said, model: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in pieces(said.thought)]
    parts += [{"text": piece} for piece in pieces(said.text)]
    for call in said.calls:
        signed = {"thoughtSignature": SIGNATURE} if call is said.calls[0] else {}
        called = {"id": call.id, "name": call.name, "args": call.arguments}
        parts.append({"functionCall": called, **signed})
    events: list[dict[str, Any]] = []
    for at in range(said.n):
        for part in parts:
            more: dict[str, Any] = {}
            if said.logprobs and "text" in part and not part.get("thought"):
                chosen = [{"token": part["text"], "tokenId": 1, "logProbability": -0.5}]
                more = {"logprobsResult": {"chosenCandidates": chosen}}
            events.append({"candidates": [{"index": at, "content": {"role": "model", "parts": [part]}, **more}]})
        events.append({"candidates": [{"index": at, "finishReason": FINISH[said.finish]}]})
    return [{**event, "usageMetadata": USAGE, "modelVersion": model, "responseId": "r-1"} for event in events]


def whole(said: Said, model: str, path: str) -> bytes:
    """Write a whole answer."""
    return json.dumps(fake.whole(_events(said, model))).encode()


def stream(said: Said, model: str, path: str) -> list[bytes]:
    """Write a stream."""
    return [f"data: {json.dumps(event)}\r\n\r\n".encode() for event in _events(said, model)]
