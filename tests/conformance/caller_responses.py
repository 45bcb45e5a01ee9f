"""Responses, asked by the `openai` package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import openai

from tests.conformance.callers import MARK, PDF, PNG, UNKNOWN, Ask, Got, function, noted, refused
from tests.conformance.model import SCHEMA, Call, Turn

_ENDS = {"max_output_tokens": "length", "content_filter": "filter"}


class Responses:
    """See `Caller`. What the model thought, said and called goes back as the items that came."""

    name = "responses"
    title = "Responses"
    lacks: Mapping[str, str] = {
        "stop": "responses have no stop texts",
        "n": "a response has one answer",
        "seed": "responses have no seed",
    }

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """See `Caller`."""
        items: list[Any] = [{"role": "developer", "content": ask.developer}] if ask.developer else []
        items += [_item(turn) for turn in ask.turns]
        if ask.image or ask.mark or ask.file:
            part: dict[str, Any] = {"type": "input_text", "text": ask.turns[-1].text, **(MARK if ask.mark else {})}
            image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
            data = f"data:application/pdf;base64,{PDF}"
            file: dict[str, Any] = {"type": "input_file", "filename": "towns.pdf", "file_data": data}
            content = [part, *([image] if ask.image else []), *([file] if ask.file else [])]
            items[-1] = {"role": "user", "content": content}
        items += [*ask.history]
        items += [{"type": "function_call_output", "call_id": key, "output": text} for key, text in ask.results.items()]
        body: dict[str, Any] = {"model": model, "input": items, "store": False}
        if ask.system:
            body["instructions"] = ask.system
        if ask.tools:
            body["tools"] = [{"type": "function", "strict": False, **function(name)} for name in ask.tools]
        if ask.choice in ("none", "required"):
            body["tool_choice"] = ask.choice
        elif ask.choice:
            body["tool_choice"] = {"type": "function", "name": ask.choice}
        if ask.alone:
            body["parallel_tool_calls"] = False
        if ask.schema:
            body["text"] = {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA}}
        if ask.json:
            body["text"] = {"format": {"type": "json_object"}}
        if ask.temperature:
            body["temperature"] = ask.temperature
        if ask.limit:
            body["max_output_tokens"] = ask.limit
        if ask.logprobs:
            body["include"] = ["message.output_text.logprobs"]
        if ask.effort:
            body["reasoning"] = {"effort": ask.effort}
        if ask.unknown:
            body["extra_body"] = {UNKNOWN: 1}
        return body

    async def ask(self, body: dict[str, Any], *, stream: bool) -> Got:
        """See `Caller`."""
        create = self._client.responses.with_raw_response.create
        try:
            if not stream:
                raw = await create(**body)
                got = _whole(raw.parse())
                got.raw = raw.content
            else:
                raw = await create(**body, stream=True)
                got = await _streamed(raw.parse())
        except openai.APIStatusError as error:
            return refused(error)
        except openai.APIError as error:
            return Got(problem=f"in the stream: {error.message}")
        got.sent = raw.http_request.content
        return noted(got, raw.headers)


def _item(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": turn.text}


def _whole(answer: Any) -> Got:
    items = answer.output
    calls = [Call(one.call_id, one.name, json.loads(one.arguments)) for one in items if one.type == "function_call"]
    thoughts = [part.text for one in items if one.type == "reasoning" for part in [*one.summary, *(one.content or ())]]
    said = [part for one in items if one.type == "message" for part in one.content]
    counted = answer.usage
    finish = "tool_calls" if calls else "stop"
    if answer.status == "incomplete":
        finish = _ENDS[answer.incomplete_details.reason]
    return Got(
        text=answer.output_text,
        thought="".join(thoughts),
        calls=calls,
        finish=finish,
        logprobs=any(getattr(part, "logprobs", None) for part in said),
        usage={
            "input": counted.input_tokens,
            "output": counted.output_tokens,
            "cached": getattr(counted.input_tokens_details, "cached_tokens", None),
            "written": getattr(counted.input_tokens_details, "cache_write_tokens", None),
            "reasoning": getattr(counted.output_tokens_details, "reasoning_tokens", None),
        }
        if counted
        else {},
        history=[one.model_dump(exclude_none=True) for one in items],
    )


async def _streamed(events: Any) -> Got:
    """Take the answer from its last event, and hold the pieces before it against that."""
    text, thought = "", ""
    names: dict[int, tuple[str, str]] = {}
    arguments: dict[int, str] = {}
    final, numbers, logprobs = None, list[int](), False
    async for event in events:
        numbers.append(event.sequence_number)
        assert final is None, "an event after the last one"
        match event.type:
            case "response.output_text.delta":
                text += event.delta
                logprobs = logprobs or bool(event.logprobs)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                thought += event.delta
            case "response.output_item.added" if event.item.type == "function_call":
                names[event.output_index] = (event.item.call_id, event.item.name)
            case "response.function_call_arguments.delta":
                arguments[event.output_index] = arguments.get(event.output_index, "") + event.delta
            case "response.completed" | "response.incomplete":
                final = event.response
            case _:
                pass
    assert numbers == [*range(len(numbers))], "the events aren't numbered in order"
    assert final is not None, "no last event"
    got = _whole(final)
    calls = [Call(call_id, name, json.loads(arguments[at])) for at, (call_id, name) in sorted(names.items())]
    assert (text, calls, thought) == (got.text, got.calls, got.thought), "the pieces aren't the whole"
    return got
