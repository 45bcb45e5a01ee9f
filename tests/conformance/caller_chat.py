"""Chat completions and completions, asked by the `openai` package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import openai

from tests.conformance.callers import MARK, PDF, PNG, UNKNOWN, Ask, Got, function, noted, refused
from tests.conformance.model import SCHEMA, Call, Turn

_FINISH = {"content_filter": "filter"}
_OURS = ("reasoning_content", "thinking_blocks", "extra_content")


def usage(given: Any) -> dict[str, int | None]:
    """Read counts as OpenAI's chat completions have them."""
    if given is None:
        return {}
    prompt, completion = given.prompt_tokens_details, given.completion_tokens_details
    return {
        "input": given.prompt_tokens,
        "output": given.completion_tokens,
        "cached": prompt.cached_tokens if prompt else None,
        "written": prompt.cache_write_tokens if prompt else None,
        "reasoning": completion.reasoning_tokens if completion else None,
    }


def _message(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": turn.text}


class Chat:
    """Chat completions."""

    name = "chat"
    title = "Chat completions"
    lacks: Mapping[str, str] = {}

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """See `Caller`."""
        messages = [{"role": role, "content": text} for role, text in (("system", ask.system), ("developer", ask.developer)) if text]  # fmt: skip
        messages += [_message(turn) for turn in ask.turns]
        if ask.image or ask.mark or ask.file:
            part: dict[str, Any] = {"type": "text", "text": ask.turns[-1].text, **(MARK if ask.mark else {})}
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            inner = {"filename": "towns.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
            file: dict[str, Any] = {"type": "file", "file": inner}
            content = [part, *([image] if ask.image else []), *([file] if ask.file else [])]
            messages[-1] = {"role": "user", "content": content}
        messages += [*ask.history]
        messages += [{"role": "tool", "tool_call_id": key, "content": text} for key, text in ask.results.items()]
        body: dict[str, Any] = {"model": model, "messages": messages}
        if ask.tools:
            body["tools"] = [{"type": "function", "function": function(name)} for name in ask.tools]
        if ask.choice in ("none", "required"):
            body["tool_choice"] = ask.choice
        elif ask.choice:
            body["tool_choice"] = {"type": "function", "function": {"name": ask.choice}}
        if ask.alone:
            body["parallel_tool_calls"] = False
        if ask.schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
        if ask.json:
            body["response_format"] = {"type": "json_object"}
        simple = {"stop": ask.stop and [ask.stop], "max_completion_tokens": ask.limit, "n": ask.n, "seed": ask.seed}
        simple["temperature"] = ask.temperature
        simple |= {"logprobs": ask.logprobs, "reasoning_effort": ask.effort}
        body |= {name: value for name, value in simple.items() if value}
        if ask.unknown:
            body["extra_body"] = {UNKNOWN: 1}
        return body

    async def ask(self, body: dict[str, Any], *, stream: bool) -> Got:
        """See `Caller`."""
        create = self._client.chat.completions.with_raw_response.create
        try:
            if not stream:
                raw = await create(**body)
                got = self._whole(raw.parse())
                got.raw = raw.content
            else:
                raw = await create(**body, stream=True, stream_options={"include_usage": True})
                got = await self._streamed(raw.parse())
        except openai.APIStatusError as error:
            return refused(error)
        except openai.APIError as error:
            return Got(problem=f"in the stream: {error.message}")
        got.sent = raw.http_request.content
        return noted(got, raw.headers)

    def _whole(self, answer: Any) -> Got:
        choice = answer.choices[0]
        message = choice.message.model_dump(exclude_none=True)
        got = self._got(message, choice.finish_reason, len(answer.choices), answer.usage)
        got.logprobs = bool(choice.logprobs and choice.logprobs.content)
        return got

    def _got(self, message: dict[str, Any], finish: str, choices: int, counted: Any) -> Got:
        calls = [
            Call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls") or ()
        ]
        return Got(
            text=message.get("content") or "",
            thought=message.get("reasoning_content") or "",
            calls=calls,
            finish=_FINISH.get(finish, finish),
            choices=choices,
            usage=usage(counted),
            history=[message],
        )

    async def _streamed(self, chunks: Any) -> Got:
        messages: dict[int, dict[str, Any]] = {}
        finishes: dict[int, str] = {}
        counted, logprobs = None, False
        async for chunk in chunks:
            counted = chunk.usage or counted
            for choice in chunk.choices:
                into = messages.setdefault(choice.index, {"role": "assistant", "content": ""})
                _add(into, choice.delta.model_dump(exclude_none=True))
                if choice.finish_reason:
                    assert choice.index not in finishes, "a second finish reason"
                    finishes[choice.index] = choice.finish_reason
                logprobs = logprobs or bool(choice.logprobs and choice.logprobs.content)
        assert finishes.keys() == messages.keys(), "a choice without a finish reason"
        got = self._got(messages[0], finishes[0], len(messages), counted)
        got.logprobs = logprobs
        return got


def _add(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Put a chunk's delta to what there is, as clients do."""
    into["content"] += delta.get("content") or ""
    if "reasoning_content" in delta:
        into["reasoning_content"] = into.get("reasoning_content", "") + delta["reasoning_content"]
    if "thinking_blocks" in delta:
        into["thinking_blocks"] = [*into.get("thinking_blocks", []), *delta["thinking_blocks"]]
    calls = into.setdefault("tool_calls", []) if "tool_calls" in delta else []
    for call in delta.get("tool_calls") or ():
        index = call.pop("index")
        assert index <= len(calls), "an index was left out"
        if index == len(calls):
            calls.append(call)
        else:
            calls[index]["function"]["arguments"] += call["function"]["arguments"]


class Completions:
    """The older completions."""

    name = "completions"
    title = "Completions"
    lacks: Mapping[str, str] = {
        **dict.fromkeys(("system", "developer", "turns"), "a prompt is one text, without roles"),
        **dict.fromkeys(
            ("calls", "calls_streamed", "results", "named", "required", "none", "parallel"), "completions have no tools"
        ),
        **dict.fromkeys(("schema", "json"), "completions have no response format"),
        **dict.fromkeys(("image", "file"), "a prompt is text"),
        **dict.fromkeys(("effort", "kept"), "completions have no reasoning"),
        "mark": "a prompt has no place for marks",
    }

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """See `Caller`."""
        body: dict[str, Any] = {"model": model, "prompt": ask.turns[-1].text}
        simple = {"stop": ask.stop and [ask.stop], "max_tokens": ask.limit, "n": ask.n, "seed": ask.seed}
        simple["temperature"] = ask.temperature
        body |= {name: value for name, value in {**simple, "logprobs": int(ask.logprobs)}.items() if value}
        if ask.unknown:
            body["extra_body"] = {UNKNOWN: 1}
        return body

    async def ask(self, body: dict[str, Any], *, stream: bool) -> Got:
        """See `Caller`."""
        create = self._client.completions.with_raw_response.create
        try:
            if not stream:
                raw = await create(**body)
                answer = raw.parse()
                got = self._got(answer.choices, answer.usage)
                got.raw = raw.content
            else:
                raw = await create(**body, stream=True, stream_options={"include_usage": True})
                chunks: Any = raw.parse()
                choices: list[Any] = []
                counted = None
                async for chunk in chunks:
                    counted = chunk.usage or counted
                    choices += chunk.choices
                got = self._got(choices, counted)
        except openai.APIStatusError as error:
            return refused(error)
        except openai.APIError as error:
            return Got(problem=f"in the stream: {error.message}")
        got.sent = raw.http_request.content
        return noted(got, raw.headers)

    def _got(self, choices: list[Any], counted: Any) -> Got:
        """Read choices, or pieces of them."""
        first = [choice for choice in choices if choice.index == 0]
        finishes = [choice.finish_reason for choice in first if choice.finish_reason]
        assert len(finishes) == 1, "not one finish reason"
        return Got(
            text="".join(choice.text for choice in first),
            finish=_FINISH.get(finishes[0], finishes[0]),
            choices=len({choice.index for choice in choices}),
            logprobs=any(choice.logprobs and choice.logprobs.token_logprobs for choice in first),
            usage=usage(counted),
        )
