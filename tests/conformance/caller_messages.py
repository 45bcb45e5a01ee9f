"""Messages, asked by the `anthropic` package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anthropic

from tests.conformance.callers import MARK, PDF, PNG, UNKNOWN, Ask, Got, function, noted, refused
from tests.conformance.model import SCHEMA, Call

_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_LIMIT = 16_000
_BUDGET = 4_000


class Messages:
    """See `Caller`."""

    name = "messages"
    title = "Messages"
    lacks: Mapping[str, str] = {
        "developer": "messages have no such role",
        "json": "messages have no JSON without a schema",
        "n": "a message is one answer",
        "logprobs": "messages have no log probabilities",
        "seed": "messages have no seed",
    }

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """See `Caller`."""
        turns: list[Any] = [{"role": turn.role, "content": turn.text} for turn in ask.turns]
        if ask.image or ask.mark or ask.file:
            part: dict[str, Any] = {"type": "text", "text": ask.turns[-1].text, **(MARK if ask.mark else {})}
            source = {"type": "base64", "media_type": "image/png", "data": PNG}
            attached = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
            content = [part, *([{"type": "image", "source": source}] if ask.image else [])]
            content += [attached] if ask.file else []
            turns[-1] = {"role": "user", "content": content}
        if ask.history:
            turns.append({"role": "assistant", "content": [*ask.history]})
        if ask.results:
            kind = "tool_result"
            results = [{"type": kind, "tool_use_id": key, "content": text} for key, text in ask.results.items()]
            turns.append({"role": "user", "content": results})
        body: dict[str, Any] = {"model": model, "max_tokens": ask.limit or _LIMIT, "messages": turns}
        if ask.system:
            body["system"] = ask.system
        if ask.tools:
            body["tools"] = [_tool(name) for name in ask.tools]
        if ask.choice in ("none", "required"):
            body["tool_choice"] = {"type": "none" if ask.choice == "none" else "any"}
        elif ask.choice:
            body["tool_choice"] = {"type": "tool", "name": ask.choice}
        if ask.alone:
            body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
        if ask.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if ask.temperature:
            body["extra_body"] = {"temperature": ask.temperature}  # the client has no argument for it any more
        if ask.stop:
            body["stop_sequences"] = [ask.stop]
        if ask.effort:
            body["thinking"] = {"type": "enabled", "budget_tokens": _BUDGET}
        if ask.unknown:
            body["extra_body"] = {UNKNOWN: 1}
        return body

    async def ask(self, body: dict[str, Any], *, stream: bool) -> Got:
        """See `Caller`."""
        create = self._client.messages.with_raw_response.create
        try:
            if not stream:
                raw = await create(**body)
                message: Any = await raw.parse()
                got = _got([block.model_dump(exclude_none=True) for block in message.content], message)
                got.raw = await raw.read()
            else:
                raw = await create(**body, stream=True)
                got = await _streamed(await raw.parse())
        except anthropic.APIStatusError as error:
            return refused(error)
        except anthropic.APIError as error:
            return Got(problem=f"in the stream: {error.message}")
        got.sent = raw.http_request.content
        return noted(got, raw.headers)


def _tool(name: str) -> dict[str, Any]:
    declared = function(name)
    return {"name": name, "description": declared["description"], "input_schema": declared["parameters"]}


def _got(blocks: list[dict[str, Any]], message: Any) -> Got:
    counted, details = message.usage, getattr(message.usage, "output_tokens_details", None)
    cached, written = counted.cache_read_input_tokens, counted.cache_creation_input_tokens
    total = None if counted.input_tokens is None else counted.input_tokens + (cached or 0) + (written or 0)
    return Got(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        thought="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=[Call(one["id"], one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"],
        finish=_FINISH.get(message.stop_reason, "filter" if message.stop_reason == "refusal" else message.stop_reason),
        usage={
            "input": total,
            "output": counted.output_tokens,
            "cached": cached,
            "written": written,
            "reasoning": details.thinking_tokens if details else None,
        },
        history=blocks,
    )


async def _streamed(events: Any) -> Got:
    blocks: list[dict[str, Any]] = []
    written: dict[int, str] = {}
    message: Any = None
    is_open = is_over = False
    async for event in events:
        assert not is_over, "an event after the last one"
        match event.type:
            case "message_start":
                message = event.message
            case "content_block_start":
                assert (event.index, is_open) == (len(blocks), False), "blocks aren't one after another"
                blocks.append(event.content_block.model_dump(exclude_none=True))
                is_open = True
            case "content_block_delta":
                assert (event.index, is_open) == (len(blocks) - 1, True), "a piece of a block that isn't open"
                delta = event.delta
                match delta.type:
                    case "text_delta":
                        blocks[-1]["text"] += delta.text
                    case "thinking_delta":
                        blocks[-1]["thinking"] += delta.thinking
                    case "signature_delta":
                        blocks[-1]["signature"] += delta.signature
                    case _:
                        written[event.index] = written.get(event.index, "") + delta.partial_json
            case "content_block_stop":
                is_open = False
            case "message_delta":
                message.stop_reason = event.delta.stop_reason
                given = event.usage.model_dump(exclude_none=True)
                message.usage = message.usage.model_copy(update={**given, "output_tokens_details": event.usage.output_tokens_details})  # fmt: skip
            case _:
                is_over = event.type == "message_stop"
    assert (is_over, is_open) == (True, False), "the stream has no end"
    for index, text in written.items():
        blocks[index]["input"] = json.loads(text or "{}")
    return _got(blocks, message)
