"""Anthropic's API at the router, spoken by Anthropic's own SDK: natively to Anthropic, translated to others, locally."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import anthropic
import httpx
import pytest
from anthropic.types import MessageParam, ToolParam
from pydantic import TypeAdapter

from tests.fakes.cloud import chunk, usage_chunk
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KEY = "sk-router-0123456789abcdef"
MASK_KEY = "sk-router-mask-0123456789"
QUESTION = "What is the capital of France?"
HELLO: list[MessageParam] = [{"role": "user", "content": QUESTION}]
SECRET: list[MessageParam] = [{"role": "user", "content": "My SSN is 536-22-8726"}]
TOOL: ToolParam = {
    "name": "weather",
    "description": "Says the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SIGNATURE = base64.b64encode(random.Random(1).randbytes(300)).decode()
NATIVE, TRANSLATED = "claude", "ok"


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("messages")
    (folder / "key").write_text(KEY)
    (folder / "mask").write_text(MASK_KEY)
    keys = [{"id": "team", "key": "file:key"}, {"id": "mask", "key": "file:mask", "on_sensitive": "mask"}]
    config: dict[str, object] = {
        "server": {"keys": keys},
        "privacy": {"scan": {"deadline_ms": 8000}},
        "routing": {"auto": {"strategy": "cost", "among": ["ok"]}, "fallback_local": False, "ttft_s": 2, "total_s": 5},
    }
    async with running(folder, config) as one:
        yield one


@pytest.fixture(autouse=True)
def fresh(stack: Stack) -> Iterator[None]:
    """Let no test's script reach the next one."""
    yield
    cloud = stack.cloud
    cloud.payload = cloud.events = cloud.cut = cloud.answer = cloud.mode = None
    cloud.received.clear()
    cloud.headers.clear()


@pytest.fixture
async def client(stack: Stack) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=stack.url, api_key=KEY, max_retries=0) as one:
        yield one


def sent(stack: Stack) -> dict[str, Any]:
    return json.loads(stack.cloud.received[-1])


def frames(*events: dict[str, object]) -> list[bytes]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def block(index: int, start: dict[str, object], *deltas: dict[str, object]) -> list[dict[str, object]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def native_stream(*blocks: list[dict[str, object]], stop: str = "end_turn") -> list[bytes]:
    message = {"id": "msg_7", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}  # fmt: skip
    return frames(
        {"type": "message_start", "message": message},
        {"type": "ping"},
        *(event for one in blocks for event in one),
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )


THOUGHT = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Two cities, "},
    {"type": "thinking_delta", "thinking": "two calls."},
    {"type": "signature_delta", "signature": SIGNATURE},
)
CALLS = [
    block(
        index,
        {"type": "tool_use", "id": f"toolu_{index}", "name": "weather", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"city":'},
        {"type": "input_json_delta", "partial_json": f' "{city}"}}'},
    )
    for index, city in ((1, "Köln"), (2, "Bonn"))
]


def calling(number: int, **function: str) -> dict[str, object]:
    head = {"id": f"call_{number}", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": number, **head, "function": function}]}


INTERLEAVED = [
    chunk("ok", {"role": "assistant", "content": ""}),
    chunk("ok", {"reasoning_content": "Two cities, "}),
    chunk("ok", {"reasoning_content": "two calls."}),
    chunk("ok", calling(0, name="weather", arguments="")),
    chunk("ok", calling(0, arguments='{"city":')),
    chunk("ok", calling(1, name="weather", arguments='{"ci')),
    chunk("ok", calling(0, arguments=' "Köln"}')),
    chunk("ok", calling(1, arguments='ty": "Bonn"}')),
    chunk("ok", {}, "tool_calls"),
    usage_chunk("ok"),
    b"data: [DONE]\n\n",
]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
async def test_whole_and_streamed_answers_are_read_by_the_sdk(client: anthropic.AsyncAnthropic, model: str) -> None:
    whole = await client.messages.create(model=model, max_tokens=64, messages=HELLO)
    async with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert whole.type == "message"
    assert whole.role == "assistant"
    assert whole.stop_reason == message.stop_reason == "end_turn"
    (said,) = whole.content
    assert said.type == "text"
    assert said.text == text
    assert message.content[0].type == "text"
    assert whole.usage.output_tokens == message.usage.output_tokens > 0
    assert whole.usage.input_tokens == message.usage.input_tokens > 0


async def test_the_synchronous_client_works_with_either_kind_of_key(stack: Stack) -> None:
    def ask(key: dict[str, str]) -> None:
        with anthropic.Anthropic(base_url=stack.url, max_retries=0, **key) as one:  # type: ignore[arg-type]
            assert one.messages.create(model=NATIVE, max_tokens=5, messages=HELLO).content
            with one.messages.stream(model=TRANSLATED, max_tokens=5, messages=HELLO) as stream:
                assert stream.get_final_text()

    for key in ({"api_key": KEY}, {"auth_token": KEY}):
        await asyncio.to_thread(ask, key)


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
async def test_thinking_and_parallel_calls_of_a_stream_come_back_in_order(
    client: anthropic.AsyncAnthropic, stack: Stack, model: str
) -> None:
    stack.cloud.events = native_stream(THOUGHT, *CALLS, stop="tool_use") if model == NATIVE else INTERLEAVED
    indexes: list[tuple[str, int]] = []
    async with client.messages.stream(
        model=model, max_tokens=9000, messages=HELLO, tools=[TOOL], thinking={"type": "enabled", "budget_tokens": 4096}
    ) as stream:
        async for event in stream:
            if event.type in ("content_block_start", "content_block_stop"):
                indexes.append((event.type, event.index))
        message = await stream.get_final_message()
    assert indexes == [(f"content_block_{what}", index) for index in range(3) for what in ("start", "stop")]
    thought, *calls = message.content
    assert thought.type == "thinking"
    assert thought.thinking == "Two cities, two calls."
    assert thought.signature == (SIGNATURE if model == NATIVE else "")
    assert [call.input for call in calls if call.type == "tool_use"] == [{"city": "Köln"}, {"city": "Bonn"}]
    assert message.stop_reason == "tool_use"


async def test_a_caller_who_did_not_ask_for_thinking_gets_none(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    stack.cloud.events = INTERLEAVED
    async with client.messages.stream(model=TRANSLATED, max_tokens=9000, messages=HELLO, tools=[TOOL]) as stream:
        message = await stream.get_final_message()
    assert [one.type for one in message.content] == ["tool_use", "tool_use"]


async def test_a_native_answer_comes_back_byte_by_byte(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    payload = b'{"type":"message", "id":"msg_9", "role":"assistant","model":"claude-x", "new_field": [1.0],' + (
        b'"content":[{"type":"text","text":"Ja \\u00fc"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}'
    )
    stack.cloud.payload = payload
    raw = await client.messages.with_raw_response.create(model=NATIVE, max_tokens=5, messages=HELLO)
    assert raw.http_response.content == payload
    stack.cloud.payload = None
    stack.cloud.events = native_stream(THOUGHT, *CALLS)
    async with client.messages.with_streaming_response.create(
        model=NATIVE, max_tokens=5, messages=HELLO, stream=True
    ) as response:
        assert await response.read() == b"".join(stack.cloud.events)


# --- requests ---------------------------------------------------------------------------------------------------------


def generated(chance: random.Random, model: str) -> dict[str, Any]:
    """Make a request of many of the API's features, and some that nobody knows yet."""
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    text = {"type": "text", "text": "The river runs north and the bridge is old."}
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": chance.choice(["Hi", [text], [text, {**text, **cached}]])}]
    }
    for _ in range(chance.randrange(3)):
        call = f"toolu_{chance.randrange(99)}"
        thought = {"type": "thinking", "thinking": "Hm.", "signature": base64.b64encode(chance.randbytes(200)).decode()}
        used = {"type": "tool_use", "id": call, "name": "weather", "input": {"city": "Bonn", "days": 1.5}}
        body["messages"] += [
            {"role": "assistant", "content": [thought, text, used]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": call, "content": [text], "is_error": False}],
            },
        ]
    extras: list[tuple[str, Any]] = [
        ("system", [{**text, **cached}]), ("temperature", 0.5), ("top_k", 40), ("stop_sequences", ["END"]),
        ("tools", [{**TOOL, **cached}, {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]),
        ("thinking", {"type": "enabled", "budget_tokens": 2048}), ("service_tier", "auto"), ("a_new_field", {"deep": [1, None]}),
        ("context_management", {"edits": [{"type": "clear_tool_uses_20250919"}]}), ("metadata", {"user_id": "u-1"}),
        ("mcp_servers", []), ("output_config", {"effort": "high"}), ("stream", True),
    ]  # fmt: skip
    chance.shuffle(extras)
    fields = [("max_tokens", 4096), ("model", model), *extras[: chance.randrange(len(extras))], *body.items()]
    chance.shuffle(fields)
    return dict(fields)


async def test_60_generated_requests_reach_anthropic_as_they_are_but_for_the_model(stack: Stack) -> None:
    chance = random.Random(11)
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=60) as http:
        for _ in range(60):
            body = generated(chance, "claude-group")
            response = await http.post("/v1/messages", json=body)
            assert response.status_code == 200, response.text
            assert response.headers["x-router-locality"] == "cloud"
            expected = json.dumps({**body, "model": "claude"}, separators=(",", ":"), ensure_ascii=False)
            assert stack.cloud.received[-1].decode() == expected
            assert stack.cloud.headers[-1]["anthropic-beta"] == "context-1m-2025-08-07"
            assert stack.cloud.headers[-1]["x-api-key"] != KEY


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
async def test_the_prefix_of_20_turns_never_changes(stack: Stack, client: anthropic.AsyncAnthropic, model: str) -> None:
    messages: list[Any] = []
    before = b""
    for turn in range(20):
        messages.append({"role": "user", "content": [{"type": "text", "text": f"Turn {turn}: go on."}]})
        answer = await client.messages.create(model=model, max_tokens=64, system="Be brief.", messages=messages)
        body = stack.cloud.received[-1].split(b'"messages":', 1)[1]
        kept = body[: body.rindex(b"]") if model == NATIVE else body.rindex(f"Turn {turn}".encode())]
        assert body.startswith(before)
        before = kept if model == TRANSLATED else kept.rpartition(b"}")[0]
        messages.append({"role": "assistant", "content": [one.model_dump(exclude_none=True) for one in answer.content]})


CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 32_000,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "You help with software. Be brief.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [
        {
            "name": name,
            "description": f"{name}: works on files of the project.",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **cast("Any", TOOL["input_schema"]),
            },
        }
        for name in "Task Bash Glob Grep Read Edit Write NotebookEdit WebFetch TodoWrite Skill BashOutput KillShell Ask Plan".split()
    ],
    "metadata": {"user_id": f"user_{'0a1b2c3d' * 8}_account__session_8b3a9a52-7a0f-4ce1-9d0b-2f5d1c9e4a77"},
    "thinking": {"type": "enabled", "budget_tokens": 31_999},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>Be careful.</system-reminder>"},
                {"type": "text", "text": "list the files", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I'd list them.", "signature": SIGNATURE},
                {"type": "tool_use", "id": "toolu_01A", "name": "Bash", "input": {"command": "ls"}},
                {"type": "tool_use", "id": "toolu_01B", "name": "Bash", "input": {"command": "pwd"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "main.py", "is_error": False},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_01B",
                    "content": "no such command",
                    "is_error": True,
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
    ],
}
BETAS = ["claude-code-20250219", "interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"]


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED, "local"])
async def test_a_request_like_claude_code_s_works_with_every_target(
    client: anthropic.AsyncAnthropic, stack: Stack, model: str
) -> None:
    async with client.beta.messages.stream(model=model, betas=cast("Any", BETAS), **CLAUDE_CODE) as stream:
        message = await stream.get_final_message()
        headers = stream.response.headers
    assert message.content[0].type == "text"
    assert headers["x-router-locality"] == ("local" if model == "local" else "cloud")
    if model == NATIVE:
        body = sent(stack)
        assert body == {**CLAUDE_CODE, "model": "claude", "stream": True}
        assert stack.cloud.headers[-1]["anthropic-beta"] == ",".join(BETAS)
    elif model == TRANSLATED:
        body = sent(stack)
        assert "cache_control" not in json.dumps(body)
        assert "billing" not in json.dumps(body)
        assert [one["role"] for one in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
        assert body["messages"][-1]["content"] == [{"type": "text", "text": "Error: no such command"}]
        assert headers["x-router-dropped"] == "cache_control,system.x-anthropic-billing-header,thinking_blocks"
        openai = pytest.importorskip("openai.types.chat.completion_create_params")
        adapter = TypeAdapter(openai.CompletionCreateParamsStreaming)
        adapter.validate_python(body)


async def test_an_image_is_never_sent_for_it_can_not_be_read(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG" + bytes(500)).decode()}
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    raw = await client.messages.with_raw_response.create(
        model=NATIVE, max_tokens=5, messages=[{"role": "user", "content": cast("Any", content)}]
    )
    assert raw.headers["x-router-locality"] == "local"
    assert not stack.cloud.received


async def test_a_document_that_is_text_is_read_and_sent(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    for text, locality in (("The bridge is old.", "cloud"), ("My SSN is 536-22-8726", "local")):
        source = {"type": "text", "media_type": "text/plain", "data": text}
        content = [{"type": "document", "source": source, "title": "Report"}, {"type": "text", "text": "Sum it up."}]
        raw = await client.messages.with_raw_response.create(
            model=NATIVE, max_tokens=5, messages=[{"role": "user", "content": cast("Any", content)}]
        )
        assert raw.headers["x-router-locality"] == locality


async def test_what_only_anthropic_can_do_is_refused_elsewhere_by_name(client: anthropic.AsyncAnthropic) -> None:
    tools: Any = [{"type": "web_search_20250305", "name": "web_search"}]
    assert await client.messages.create(model=NATIVE, max_tokens=5, messages=HELLO, tools=tools)
    with pytest.raises(anthropic.BadRequestError, match="tools\\[0\\]") as caught:
        await client.messages.create(model=TRANSLATED, max_tokens=5, messages=HELLO, tools=tools)
    assert caught.value.body["error"]["code"] == "unsupported_feature"  # type: ignore[index]


# --- privacy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_sensitive_request_is_answered_locally_in_anthropic_s_shape(
    client: anthropic.AsyncAnthropic, stack: Stack, stream: bool
) -> None:
    if stream:
        async with client.messages.stream(model=NATIVE, max_tokens=64, messages=SECRET) as answer:
            message = await answer.get_final_message()
            headers = answer.response.headers
    else:
        raw = await client.messages.with_raw_response.create(model=NATIVE, max_tokens=64, messages=SECRET)
        message, headers = await raw.parse(), raw.headers
    assert headers["x-router-locality"] == "local"
    assert message.content[0].type == "text"
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert not stack.cloud.received


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
async def test_masked_values_come_back_in_streams_and_stay_the_same_over_turns(stack: Stack, model: str) -> None:
    def echo(body: dict[str, Any]) -> str:
        content = body["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    stack.cloud.answer = cast("Any", echo)
    words = "Write to maria.gonzalez@example.com"
    mark = {"cache_control": {"type": "ephemeral"}}
    first: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": words, **mark}]}
    async with anthropic.AsyncAnthropic(base_url=stack.url, api_key=MASK_KEY, max_retries=0) as client:
        async with client.messages.stream(model=model, max_tokens=64, messages=[cast("Any", first)]) as stream:
            assert await stream.get_final_text() == words
        later: list[Any] = [
            {"role": "user", "content": words},  # the mark has moved on
            {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
            {"role": "user", "content": [{"type": "text", "text": words, **mark}]},
        ]
        whole = await client.messages.create(model=model, max_tokens=64, messages=later)
    assert whole.content[0].type == "text"
    assert whole.content[0].text == words
    placeholders = [
        {
            word
            for word in json.dumps(json.loads(body)["messages"]).replace('"', " ").split()
            if word.startswith("<EMAIL")
        }
        for body in stack.cloud.received
    ]
    assert placeholders[0] == placeholders[1]
    assert len(placeholders[0]) == 1
    assert b"maria" not in b"".join(stack.cloud.received)


async def test_a_user_s_conversation_stays_local_when_its_history_is_trimmed(client: anthropic.AsyncAnthropic) -> None:
    localities: list[str] = []
    for messages in (HELLO, SECRET, HELLO):
        raw = await client.messages.with_raw_response.create(
            model=NATIVE, max_tokens=5, messages=messages, metadata={"user_id": "customer-81"}
        )
        localities.append(raw.headers["x-router-locality"])
    assert localities == ["cloud", "local", "local"]


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-version": "536-22-8726"},
        {"anthropic-version": "1984-03-12"},
        {"anthropic-beta": "536-22-8726"},
        {"anthropic-beta": "ssn-536-22-8726-2025-01-01"},
        {"anthropic-beta": "My SSN is 536-22-8726"},
        {"anthropic-beta": "maria.gonzalez@example.com"},
        {"anthropic-beta": "card-4556737586899855-2025-01-01"},
        {"anthropic-beta": ",".join(["context-1m-2025-08-07"] * 30)},
    ],
)
async def test_a_header_that_could_hold_text_is_refused(stack: Stack, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as http:
        body = {"model": NATIVE, "max_tokens": 5, "messages": HELLO}
        response = await http.post("/v1/messages", json=body, headers={"x-api-key": KEY, **headers})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == next(iter(headers))
    assert not stack.cloud.received


# --- counts -----------------------------------------------------------------------------------------------------------


async def test_tokens_are_counted_by_anthropic_or_estimated_here(
    client: anthropic.AsyncAnthropic, stack: Stack
) -> None:
    count = client.messages.with_raw_response.count_tokens
    native = await count(model=NATIVE, messages=HELLO)
    assert (await native.parse()).input_tokens == 4711
    assert sent(stack) == {"messages": HELLO, "model": "claude"}
    assert native.headers["x-router-target"] == "claude/claude"
    stack.cloud.received.clear()
    for model, messages in ((TRANSLATED, HELLO), ("local", HELLO), (NATIVE, SECRET)):
        own = await count(model=model, messages=messages, tools=[TOOL], system="Be brief.")
        assert 20 < (await own.parse()).input_tokens < 100
        assert own.headers["x-router-target"] == "counter/estimate"
        assert own.headers["x-router-locality"] == "local"
    stack.cloud.mode = "http-500"
    failed = await count(model=NATIVE, messages=HELLO)
    assert failed.headers["x-router-target"] == "counter/estimate"
    assert b"SSN" not in b"".join(stack.cloud.received)


async def test_what_would_be_masked_is_counted_here(stack: Stack) -> None:
    async with anthropic.AsyncAnthropic(base_url=stack.url, api_key=MASK_KEY, max_retries=0) as client:
        own = await client.messages.with_raw_response.count_tokens(model=NATIVE, messages=SECRET)
    assert own.headers["x-router-target"] == "counter/estimate"
    assert not stack.cloud.received


# --- errors -----------------------------------------------------------------------------------------------------------

FAILURES: list[tuple[dict[str, Any], type[anthropic.APIStatusError], str]] = [
    ({"model": "clade"}, anthropic.NotFoundError, "not_found_error"),
    ({"max_tokens": -1}, anthropic.BadRequestError, "invalid_request_error"),
    ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
    ({"model": "http-429"}, anthropic.RateLimitError, "rate_limit_error"),
    ({"model": "http-500"}, anthropic.InternalServerError, "api_error"),
    ({"model": "hang"}, anthropic.InternalServerError, "timeout_error"),
    ({"extra_body": {"temperature": "hot"}}, anthropic.BadRequestError, "invalid_request_error"),
]


@pytest.mark.parametrize(("change", "kind", "name"), FAILURES)
async def test_errors_are_the_sdk_s_own(
    client: anthropic.AsyncAnthropic, change: dict[str, Any], kind: type[anthropic.APIStatusError], name: str
) -> None:
    with pytest.raises(kind) as caught:
        await client.messages.create(**cast("Any", {"model": NATIVE, "max_tokens": 5, "messages": HELLO, **change}))
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == name
    assert body["error"]["code"]
    assert body["request_id"] == caught.value.request_id


async def test_a_bad_key_and_an_unknown_path_answer_in_anthropic_s_shape(stack: Stack) -> None:
    async with anthropic.AsyncAnthropic(base_url=stack.url, api_key="wrong-key-0123456789", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(model=NATIVE, max_tokens=5, messages=HELLO)
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, headers={"x-api-key": KEY}) as http:
        for path, code in (("/v1/messages/batches", "not_found"), ("/v1/messages", "method_not_allowed")):
            answer = (await http.get(path)).json()
            assert (answer["type"], answer["error"]["code"]) == ("error", code)
        plain = (await http.get("/v1/nothing")).json()
        assert "type" not in plain


async def test_models_are_listed_in_either_shape(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    listed = [model async for model in client.models.list()]
    assert {"auto", NATIVE, "local"} <= {model.id for model in listed}
    assert all(model.type == "model" and model.created_at for model in listed)
    assert (await client.models.retrieve(NATIVE)).display_name == NATIVE
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("nothing")
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, headers={"x-api-key": KEY}) as http:
        assert (await http.get("/v1/models")).json()["object"] == "list"


# --- cuts -------------------------------------------------------------------------------------------------------------


@contextmanager
def scripted(stack: Stack, events: list[bytes], cut: int) -> Iterator[None]:
    stack.cloud.events, stack.cloud.cut = events, cut
    try:
        yield
    finally:
        stack.cloud.events = stack.cloud.cut = None


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
async def test_a_stream_that_is_cut_anywhere_is_whole_or_an_error(stack: Stack, model: str) -> None:
    events = native_stream(THOUGHT, *CALLS, stop="tool_use") if model == NATIVE else INTERLEAVED
    size = len(b"".join(events))
    edges = [len(b"".join(events[:count])) for count in range(len(events))]
    chance = random.Random(3)
    cuts = [*edges, *(chance.randrange(size) for _ in range(60))]
    headers = {"x-api-key": KEY, "x-router-task": "chat"}
    body = {"model": f"{model}", "max_tokens": 5, "messages": HELLO, "tools": [TOOL], "stream": True}
    outcomes = {"whole": 0, "status": 0, "event": 0}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=60) as http:
        for cut in cuts:
            with scripted(stack, events, cut):
                response = await http.post("/v1/messages", json=body)
            last = response.text.rstrip().rpartition("\n\n")[2]
            if response.status_code != 200:
                assert response.json()["type"] == "error"
                outcomes["status"] += 1
            elif last.startswith("event: message_stop"):
                outcomes["whole"] += 1
                assert cut > size - 60
            else:
                assert last.startswith("event: error"), (cut, last)
                assert json.loads(last.partition("data: ")[2])["error"]["code"] == "stream_interrupted"
                outcomes["event"] += 1
    assert outcomes["status"] > 0
    assert outcomes["event"] > 20


async def test_an_error_event_in_the_middle_raises_in_the_sdk(client: anthropic.AsyncAnthropic, stack: Stack) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "SECRET"}}
    stack.cloud.events = [*native_stream(THOUGHT)[:5], *frames(error)]
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with client.messages.stream(model=NATIVE, max_tokens=5, messages=HELLO) as stream:
            await stream.get_final_message()
    assert "SECRET" not in str(caught.value.body)
    assert "stream_interrupted" in str(caught.value.body)
