"""OpenAI's client through the real router to vendors with dialects of their own: Cohere's, and Amazon Bedrock's."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessage, ChatCompletionToolParam
from openai.types.shared_params import ResponseFormatJSONSchema

from router.selftest.dialects import bedrock, cohere
from tests.fakes.aws import Spec, signature_holds
from tests.fakes.scripted import Asked, Reply, Scripted, scripted
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

FIXTURES = Path(__file__).parent.parent / "fixtures"
SECRET_KEY, REGION = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"
CASES = ("text", "tools", "thinking", "json", "echo", "busy", "cut")
VENDORS = ("co", "br")
SPEC = Spec("Converse")
MAIL = "maria.gonzalez@example.com"
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NOW: ChatCompletionToolParam = {"type": "function", "function": {"name": "now"}}
FORMAT: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {"name": "place", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
HI: Any = {"role": "user", "content": "What is the weather like today?"}


def claude(case: str) -> str:
    return f"eu.anthropic.claude-sonnet-4-5-{case}-v1:0"


def words(asked: Asked) -> str:
    """Say what the last message says."""
    content = json.loads(asked.body)["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def answer(asked: Asked) -> Reply:
    """Play both vendors; the model's name says what happens."""
    if asked.path == "/v2/chat":
        body = json.loads(asked.body)
        return _cohere(body["model"], words(asked), stream=body["stream"])
    _, _, model, action = asked.path.split("/")
    assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")
    assert SPEC.problems(json.loads(asked.body), unquote(model)) == ""
    case = unquote(model).split("-")[4]
    return _bedrock(case, words(asked) if case == "echo" else "", stream=action == "converse-stream")


def _cohere(case: str, text: str, *, stream: bool) -> Reply:
    if case == "busy":
        return Reply([b'{"message": "slow down"}'], status=429)
    text = {"json": '{"city": "Bonn"}', "echo": text}.get(case, "word by word")
    if case in ("text", "tools", "thinking"):
        frames = (FIXTURES / "cohere" / f"{case}.sse").read_bytes().split(b"\n\n")
        pieces = [frame + b"\n\n" for frame in frames if frame]
        whole = (FIXTURES / "cohere" / f"{case}.json").read_bytes()
    else:
        pieces, whole = list(cohere.events("m", text)), cohere.whole("m", text)
    return (
        Reply(pieces[:3] if case == "cut" else pieces, content_type="text/event-stream") if stream else Reply([whole])
    )


def _bedrock(case: str, text: str, *, stream: bool) -> Reply:
    if case == "busy":
        return Reply([b'{"message": "slow down"}'], status=400, headers={"x-amzn-errortype": "ThrottlingException"})
    text = {"json": '{"city": "Bonn"}', "echo": text}.get(case, "word by word")
    if case in ("text", "tools", "thinking"):
        events = json.loads((FIXTURES / "bedrock" / f"{case}.events.json").read_text())
        pieces = [bedrock.event(kind, fields) for kind, fields in events]
        whole = (FIXTURES / "bedrock" / f"{case}.json").read_bytes()
    else:
        pieces, whole = list(bedrock.events("m", text)), bedrock.whole("m", text)
    return (
        Reply(pieces[:3] if case == "cut" else pieces, content_type=bedrock.STREAM_TYPE) if stream else Reply([whole])
    )


@pytest.fixture(scope="module")
async def vendors() -> AsyncGenerator[Scripted]:
    async with scripted(answer) as server:
        yield server


@pytest.fixture(scope="module")
async def stack(vendors: Scripted, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("vendors")
    (folder / "id").write_text("AKIDEXAMPLE")
    (folder / "secret").write_text(SECRET_KEY)
    models: dict[str, object] = {}
    for case in CASES:
        models[f"co-{case}"] = {"deployments": [{"provider": "cohere", "model": case}]}
        models[f"br-{case}"] = {"deployments": [{"provider": "bedrock", "model": claude(case)}]}
    keys = {"access_key_id": "file:id", "secret_access_key": "file:secret"}
    config: dict[str, object] = {
        "providers": {
            "cohere": {"kind": "cohere", "base_url": vendors.url, "api_key": "env:CLOUD_KEY"},
            "bedrock": {"kind": "bedrock", "region": REGION, "base_url": vendors.url, **keys},
        },
        "models": models,
        "privacy": {"on_sensitive": "mask", "scan": {"deadline_ms": 8000}},
        "routing": {"auto": {"strategy": "cost", "among": ["co-text"]}},
    }
    async with running(folder, config, host=None) as one:
        yield one


@pytest.fixture
async def client(stack: Stack) -> AsyncGenerator[openai.AsyncOpenAI]:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="any", http_client=http, max_retries=0) as one:
        yield one


def sent(vendors: Scripted) -> dict[str, Any]:
    return json.loads(vendors.requests[-1].body)


def said(chunks: list[ChatCompletionChunk], field: str = "content") -> str:
    return "".join(getattr(choice.delta, field, None) or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_is_the_same_whole_and_streamed(client: openai.AsyncOpenAI, vendor: str) -> None:
    whole = await client.chat.completions.create(model=f"{vendor}-text", messages=[HI])
    stream = await client.chat.completions.create(
        model=f"{vendor}-text", messages=[HI], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == said(chunks) == "Guten Tag 👋"
    assert whole.choices[0].finish_reason == chunks[-2].choices[0].finish_reason == "stop"
    assert whole.usage == chunks[-1].usage
    assert whole.usage is not None
    assert whole.usage.prompt_tokens_details is not None
    assert (whole.usage.prompt_tokens, whole.usage.prompt_tokens_details.cached_tokens) == (100, 85)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_calls_make_a_round_trip(
    client: openai.AsyncOpenAI, vendors: Scripted, vendor: str, stream: bool
) -> None:
    model, tools = f"{vendor}-tools", [WEATHER, NOW]
    if stream:
        async with client.chat.completions.stream(model=model, messages=[HI], tools=tools) as events:
            message = cast("ChatCompletionMessage", (await events.get_final_completion()).choices[0].message)
    else:
        message = (await client.chat.completions.create(model=model, messages=[HI], tools=tools)).choices[0].message
    calls = message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["weather", "now"]
    assert [json.loads(call.function.arguments) for call in calls if call.type == "function"] == [
        {"city": "Köln", "days": 1.0},
        {},
    ]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in calls]
    back: Any = message.model_dump(exclude_none=True, exclude={"parsed"})
    await client.chat.completions.create(model=f"{vendor}-text", messages=[HI, back, *results], tools=tools)
    messages = sent(vendors)["messages"]
    if vendor == "co":
        assert [turn["role"] for turn in messages] == ["user", "assistant", "tool", "tool"]
        assert messages[1]["tool_plan"] == "I'll look."
        assert [call["id"] for call in messages[1]["tool_calls"]] == [call.id for call in calls]
    else:
        assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
        assert [next(iter(block)) for block in messages[1]["content"]] == ["text", "toolUse", "toolUse"]
        assert [next(iter(block)) for block in messages[2]["content"]] == ["toolResult", "toolResult"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_reasoning_is_asked_for_and_comes_back(
    client: openai.AsyncOpenAI, vendors: Scripted, vendor: str
) -> None:
    model = f"{vendor}-thinking"
    whole = await client.chat.completions.create(model=model, messages=[HI], reasoning_effort="low")
    asked = sent(vendors)
    stream = await client.chat.completions.create(model=model, messages=[HI], reasoning_effort="low", stream=True)
    thoughts = whole.choices[0].message.to_dict()["reasoning_content"]
    assert said([chunk async for chunk in stream], "reasoning_content") == thoughts
    if vendor == "co":
        assert asked["thinking"] == {"type": "enabled", "token_budget": 1024}
        assert thoughts == "A document says it."
    else:
        assert asked["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
        assert thoughts == "Two and two."
        back: Any = whole.choices[0].message.model_dump(exclude_none=True)
        await client.chat.completions.create(model=model, messages=[HI, back, HI])
        recorded = json.loads((FIXTURES / "bedrock" / "thinking.json").read_text())
        assert sent(vendors)["messages"][1] == recorded["output"]["message"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_by_a_schema(client: openai.AsyncOpenAI, vendors: Scripted, vendor: str) -> None:
    whole = await client.chat.completions.create(model=f"{vendor}-json", messages=[HI], response_format=FORMAT)
    assert json.loads(whole.choices[0].message.content or "") == {"city": "Bonn"}
    asked = sent(vendors)
    schema = FORMAT["json_schema"].get("schema")
    if vendor == "co":
        assert asked["response_format"] == {"type": "json_object", "json_schema": schema}
    else:
        assert json.loads(asked["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]) == schema


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_masked_values_stay_here_and_come_back(
    client: openai.AsyncOpenAI, vendors: Scripted, vendor: str, stream: bool
) -> None:
    message: Any = {"role": "user", "content": f"Write a short note to {MAIL} about the meeting."}
    if stream:
        pieces = await client.chat.completions.create(model=f"{vendor}-echo", messages=[message], stream=True)
        text = said([chunk async for chunk in pieces])
    else:
        whole = await client.chat.completions.create(model=f"{vendor}-echo", messages=[message])
        text = whole.choices[0].message.content
    assert text == message["content"]
    assert MAIL.encode() not in vendors.requests[-1].body


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_knobs_that_were_dropped_are_named(client: openai.AsyncOpenAI, vendor: str, stream: bool) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=f"{vendor}-text", messages=[HI], logit_bias={"1": 1}, user="u", stream=stream
    )
    assert raw.headers["x-router-dropped"] == "logit_bias,user"


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_feature_that_the_vendor_lacks_is_a_400(client: openai.AsyncOpenAI, vendor: str) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model=f"{vendor}-text", messages=[HI], n=2)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_vendor_that_is_too_busy_is_a_429(client: openai.AsyncOpenAI, vendor: str) -> None:
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(model=f"{vendor}-busy", messages=[HI])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stream_that_is_cut_is_an_explicit_error(client: openai.AsyncOpenAI, vendor: str) -> None:
    stream = await client.chat.completions.create(model=f"{vendor}-cut", messages=[HI], stream=True)
    with pytest.raises(openai.APIError, match=r"(?i)stream|interrupt|ended"):
        [chunk async for chunk in stream]
