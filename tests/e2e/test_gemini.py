"""OpenAI's own client against the whole router with Gemini behind it, by key and on Vertex AI."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, APIStatusError, AsyncOpenAI
from pydantic import BaseModel

from router.wire.outbound.gemini import NOT_OURS
from tests.fakes import gemini as fakes
from tests.fakes.cloud import Cloud
from tests.fakes.gemini import KEY, Gemini, Json, error, fixture
from tests.fakes.stack import Stack

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

MODEL = "gemini-3-flash-preview"
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
QUESTION: Any = {"role": "user", "content": "What is the weather in the two towns?"}


class Site:
    """The router and what stands behind it."""

    def __init__(self, stack: Stack, fake: Gemini) -> None:
        self.stack = stack
        self.fake = fake
        self.client = AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0)


@asynccontextmanager
async def running(folder: Path, privacy: dict[str, object]) -> AsyncGenerator[Site]:
    """Start a router with Gemini behind it, by key and on Vertex AI, and no local engine."""
    async with fakes.gemini() as fake:
        (folder / "key").write_text(KEY)
        (folder / "account.json").write_text(fake.account())
        config: dict[str, object] = {
            "local": None,
            "providers": {
                "google": {"kind": "gemini", "base_url": f"{fake.url}/v1beta", "api_key": "file:key"},
                "vertex": {"kind": "gemini", "base_url": fake.url, "credentials": "file:account.json"},
            },
            "models": {
                "flash": {"deployments": [{"provider": "google", "model": MODEL}]},
                "vertex": {"deployments": [{"provider": "vertex", "model": "gemini-2.5-flash"}]},
            },
            "privacy": privacy,
            "routing": {"retries": 0, "breaker": {"failures": 1000, "error_ratio": 1}},
            "record": {"path": "var"},
        }
        stack = Stack(folder, Cloud(), config, None)
        try:
            await stack.start()
            site = Site(stack, fake)
            yield site
            await site.client.close()
        finally:
            await stack.stop()


@pytest.fixture(scope="module")
async def scanning(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Site]:
    privacy: dict[str, object] = {"on_sensitive": "mask", "scan": {"deadline_ms": 8000}}
    async with running(tmp_path_factory.mktemp("gemini"), privacy) as one:
        yield one


def fresh(site: Site) -> Site:
    fake = site.fake
    fake.script, fake.refusals, fake.cut_at = (lambda model, body: fixture("text")), [], None
    fake.requests.clear()
    return site


@pytest.fixture
def site(scanning: Site) -> Site:
    return fresh(scanning)


async def records(site: Site, count: int) -> list[dict[str, Any]]:
    """The last decision records; they are written a moment after the answer."""
    await asyncio.sleep(0.3)
    return [json.loads(line) for line in site.stack.records.read_text().splitlines()][-count:]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["flash", "vertex"])
async def test_whole_and_streamed_answers_have_text_usage_and_a_known_cost(site: Site, model: str) -> None:
    raw = await site.client.chat.completions.with_raw_response.create(model=model, messages=[QUESTION], user="u")
    whole = raw.parse()
    assert whole.choices[0].message.content == "Guten Tag 👋"
    assert whole.usage is not None
    assert whole.usage.prompt_tokens_details is not None
    assert whole.usage.prompt_tokens_details.cached_tokens == 64
    assert raw.headers["x-router-dropped"] == "user"
    assert raw.headers["x-router-target"].startswith("google/" if model == "flash" else "vertex/")
    stream = await site.client.chat.completions.create(
        model=model, messages=[QUESTION], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(one.delta.content or "" for chunk in chunks for one in chunk.choices) == "Guten Tag 👋"
    assert chunks[-1].usage == whole.usage
    for record in await records(site, 2):
        assert float(record["cost_usd"]) > 0
        assert record["usage"]["cached_input_tokens"] == 64


class Town(BaseModel):
    name: str
    inhabitants: int


async def test_a_schema_is_sent_as_it_is_and_its_answer_parsed(site: Site) -> None:
    text = '{"name": "Bonn", "inhabitants": 336465}'
    site.fake.script = lambda model, body: [answer([{"text": text}], "STOP")]
    parsed = await site.client.chat.completions.parse(model="flash", messages=[QUESTION], response_format=Town)
    assert parsed.choices[0].message.parsed == Town(name="Bonn", inhabitants=336465)
    config = site.fake.requests[0].body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["required"] == ["name", "inhabitants"]


async def test_thoughts_come_back_beside_the_content(site: Site) -> None:
    site.fake.script = lambda model, body: fixture("tools")
    whole = await site.client.chat.completions.create(
        model="flash", messages=[QUESTION], tools=[WEATHER], reasoning_effort="low"
    )
    assert whole.choices[0].message.model_dump()["reasoning_content"] == "Two cities, two calls."
    assert site.fake.requests[0].body["generationConfig"]["thinkingConfig"] == {
        "thinkingLevel": "LOW",
        "includeThoughts": True,
    }


def answer(parts: list[Json], finish: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, **({"finishReason": finish} if finish else {})}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL, "responseId": "r"}


class Loop:
    """A model that calls twice, in two steps, before it answers; it knows the signatures that it gave out."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.signatures = [base64.b64encode(chance.randbytes(size)).decode() for size in (150, 700, 2000)]
        self.seen: list[list[str | None]] = []

    def __call__(self, model: str, body: Json) -> list[Json]:
        parts = [part for turn in body["contents"] for part in turn["parts"]]
        calls = [part for part in parts if "functionCall" in part]
        self.seen.append([part.get("thoughtSignature") for part in calls])
        step = sum("functionResponse" in part for part in parts)
        if step == 2:
            return [
                answer([{"text": "Sun "}]),
                answer([{"text": "in both.", "thoughtSignature": self.signatures[2]}], "STOP"),
            ]
        town = {"functionCall": {"name": "weather", "args": {"city": ("Bonn", "Trier")[step]}}}
        return [
            answer([{"text": "Let me see."}]),
            answer([{**town, "thoughtSignature": self.signatures[step]}], "STOP"),
        ]


async def looped(site: Site, *, stream: bool, keeps_extras: bool = True) -> list[Any]:
    """Ask, call the tools and ask again, for three turns; return the conversation."""
    messages: list[Any] = [QUESTION]
    for _ in range(3):
        message = await (asked_as_stream if stream else asked_whole)(site, messages)
        for call in message.get("tool_calls") or ():
            assert json.loads(call["function"]["arguments"])["city"] in ("Bonn", "Trier")
            if not keeps_extras:
                del call["extra_content"]
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": "sun"} for call in message.get("tool_calls") or ()
        ]
    assert messages[-1]["content"] == "Sun in both."
    return messages


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_of_tools_gives_every_signature_back_untouched(site: Site, stream: bool) -> None:
    loop = site.fake.script = Loop(1)
    messages = await looped(site, stream=stream)
    assert messages[-1]["extra_content"]["google"]["thought_signature"] == loop.signatures[2]
    assert loop.seen == [[], loop.signatures[:1], loop.signatures[:2]]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_loop_of_a_client_that_loses_signatures_works_all_the_same(site: Site, stream: bool) -> None:
    loop = site.fake.script = Loop(1)
    await looped(site, stream=stream, keeps_extras=False)
    assert loop.seen == [[], [NOT_OURS], [NOT_OURS, NOT_OURS]]


async def test_text_in_a_signature_s_place_keeps_the_conversation_at_home(site: Site) -> None:
    site.fake.script = Loop(1)
    messages: list[Any] = [QUESTION, await asked_whole(site, [QUESTION])]
    signed = messages[1]["tool_calls"][0]
    hidden = random.Random(1).randbytes(700) + b"My SSN is 536-22-8726, and so on"
    signed["extra_content"]["google"]["thought_signature"] = base64.b64encode(hidden).decode()
    messages.append({"role": "tool", "tool_call_id": signed["id"], "content": "sun"})
    with pytest.raises(APIStatusError) as caught:
        await asked_whole(site, messages)
    assert caught.value.status_code == 503
    assert len(site.fake.requests) == 1


async def asked_whole(site: Site, messages: list[Any]) -> dict[str, Any]:
    whole = await site.client.chat.completions.create(model="flash", messages=messages, tools=[WEATHER])
    return whole.choices[0].message.model_dump(exclude_none=True)


async def asked_as_stream(site: Site, messages: list[Any]) -> dict[str, Any]:
    """Fold a stream with the client's own accumulator, as applications do."""
    async with site.client.chat.completions.stream(model="flash", messages=messages, tools=[WEATHER]) as stream:
        final = await stream.get_final_completion()
    message = final.choices[0].message.model_dump(exclude_none=True)
    for call in message.get("tool_calls") or ():
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    return message


# --- what is masked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_masked_value_never_leaves_and_comes_back_in_text_and_calls(site: Site, stream: bool) -> None:
    def echo(model: str, body: Json) -> list[Json]:
        text = body["contents"][0]["parts"][0]["text"]
        pieces = [answer([{"text": text[start : start + 5]}]) for start in range(0, len(text), 5)]
        return [*pieces, answer([{"functionCall": {"name": "weather", "args": {"city": text}}}], "STOP")]

    site.fake.script = echo
    messages: list[Any] = [{"role": "user", "content": "Write to maria.gonzalez@example.com about it"}]
    message = await (asked_as_stream if stream else asked_whole)(site, messages)
    assert message["content"] == messages[0]["content"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"])["city"] == messages[0]["content"]
    assert "maria.gonzalez" not in json.dumps(site.fake.requests[0].body)


# --- what fails -------------------------------------------------------------------------------------------------------

FAILURES: dict[str, tuple[tuple[int, Json], int, str]] = {
    "refused": (error(400, "INVALID_ARGUMENT"), 400, "upstream_rejected"),
    "a bad key": (error(400, "INVALID_ARGUMENT", fakes.KEY_INVALID), 502, "upstream_auth_failed"),
    "a quota": (error(429, "RESOURCE_EXHAUSTED"), 429, "upstream_rate_limited"),
    "down": (error(503, "UNAVAILABLE"), 502, "upstream_unavailable"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("refusal", "status", "code"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_has_its_code(
    site: Site, refusal: tuple[int, Json], status: int, code: str, stream: bool
) -> None:
    site.fake.refusals = [refusal]
    with pytest.raises(APIStatusError) as caught:
        await site.client.chat.completions.create(model="flash", messages=[QUESTION], stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_google_blocks_is_filtered(site: Site, stream: bool) -> None:
    site.fake.script = lambda model, body: fixture("blocked")
    with pytest.raises(APIStatusError) as caught:
        await site.client.chat.completions.create(model="flash", messages=[QUESTION], stream=stream)
    assert (caught.value.status_code, caught.value.code) == (400, "content_filter")


async def test_a_stream_that_is_cut_ends_with_an_error(site: Site) -> None:
    site.fake.cut_at = 500
    stream = await site.client.chat.completions.create(model="flash", messages=[QUESTION], stream=True)
    with pytest.raises(APIError) as caught:
        async for _ in stream:
            pass
    assert caught.value.code == "stream_interrupted"


async def test_what_gemini_cannot_do_is_the_caller_s_error_by_name(site: Site) -> None:
    with pytest.raises(APIStatusError) as caught:
        await site.client.chat.completions.create(model="flash", messages=[QUESTION], extra_body={"guided_regex": "a*"})
    assert (caught.value.status_code, caught.value.code, caught.value.param) == (
        400,
        "unsupported_feature",
        "guided_regex",
    )
    assert site.fake.requests == []
