"""Same dialect in and out: what the cloud gets is what the caller sent, but for the model's name and masked spans."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from tests.fakes.cloud import Cloud, completion
from tests.fakes.stack import Stack, cloud_config, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KEYS = {"free": "sk-router-free-0123456789", "mask": "sk-router-mask-0123456789"}
PLACEHOLDER = re.compile(r"<[A-Z_]+_[A-Z2-7]{6,}>")
SECRET = "maria.gonzalez@example.com"
BODIES = 200
AT_ONCE = 16
OWN_HEADERS = {"host", "content-type", "content-length", "authorization", "user-agent", "accept", "accept-encoding"}
"""All that an upstream gets of headers."""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("fidelity")
    for name, key in KEYS.items():
        (folder / name).write_text(key)
    async with running(folder, config, host=None) as one:
        yield one


def config(cloud: Cloud) -> dict[str, object]:
    """A provider without quirks, one with; a key whose requests leave as they are, one whose are masked."""
    base: dict[str, Any] = cloud_config(cloud)
    quirky = {"kind": "openai_compatible", "vendor": "groq", "base_url": cloud.url}
    return {
        "providers": {**base["providers"], "groq": quirky},
        "models": {**base["models"], "quirky": {"deployments": [{"provider": "groq", "model": "ok"}]}},
        "server": {
            "keys": [{"id": "free", "key": "file:free"}, {"id": "mask", "key": "file:mask", "on_sensitive": "mask"}]
        },
        "privacy": {
            "scan": {"deadline_ms": 20_000},
            "rules": [{"name": "free", "keys": ["free"], "then": "allow"}],
        },
        "routing": {"fallback_local": False},
    }


@pytest.fixture
async def http(stack: Stack) -> AsyncGenerator[httpx.AsyncClient]:
    stack.cloud.received.clear()
    stack.cloud.requests.clear()
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as client:
        yield client


# -- bodies

TEXTS = (
    "What is a comet?", "Explain \"quotes\" and \\ backslashes", "línea\nnueva\ttab", "日本語のテキスト", "🜁🜂 emoji 👩‍🚀", "",
    "a/b</script>", "\u2028\u2029 separators", "é vs e\u0301", "null", "{\"json\": [1, 2.50]}",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, 10**18 + 7, 0.1, 1.0, -0.0, 1e-7, 1e300, 5e-324, 123456.789, True, False, None)
KEYS_UNKNOWN = ("x_new", "beta_feature", "reasoning", "provider", "prompt_cache_key", "ключ", "a b", "$ref", "thinking")
KNOWN: dict[str, tuple[object, ...]] = {
    "temperature": (0, 1, 0.7, 2.0), "top_p": (1, 0.1), "n": (1, 2), "seed": (1, 2**40), "stop": ("x", ["a", "b"]),
    "max_tokens": (1, 5000), "presence_penalty": (0.5, -2), "user": ("abc", ""), "logit_bias": ({}, {"50256": -100}),
}  # fmt: skip
CHAT_ONLY: dict[str, tuple[object, ...]] = {
    "max_completion_tokens": (7,), "response_format": ({"type": "json_object"},), "reasoning_effort": ("low",),
    "service_tier": ("flex",), "store": (False, True), "metadata": ({"k": "v"},), "parallel_tool_calls": (False,),
    "tools": ([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x-order": [1]}}}],),
    "modalities": (["text"],), "verbosity": ("low",), "prediction": ({"type": "content", "content": "abc"},),
}  # fmt: skip


def anything(chance: random.Random, depth: int = 0) -> object:
    """Make any JSON value."""
    kind = chance.random()
    if depth > 3 or kind < 0.35:
        return chance.choice(TEXTS)
    if kind < 0.65:
        return chance.choice(NUMBERS)
    if kind < 0.8:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {f"{chance.choice(KEYS_UNKNOWN)}{at}": anything(chance, depth + 1) for at in range(chance.randrange(4))}


def turns(chance: random.Random) -> list[dict[str, Any]]:
    """Make a conversation, with tools, thinking and fields that nobody knows."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"q": "a\\u00e9"}'}, "x": 1}
    pool: list[dict[str, Any]] = [
        {"role": "system", "content": chance.choice(TEXTS)},
        {"role": "developer", "content": chance.choice(TEXTS), "x_new": anything(chance)},
        {"role": "user", "content": chance.choice(TEXTS), "name": "ann"},
        {"role": "user", "content": [{"type": "text", "text": chance.choice(TEXTS), "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "ok", "reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "a"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": chance.choice(TEXTS)},
    ]  # fmt: skip
    return [chance.choice(pool) for _ in range(chance.randrange(1, 6))]


def made(chance: random.Random, own: dict[str, Any], known: dict[str, tuple[object, ...]]) -> dict[str, Any]:
    """Make a body: its own fields, some known ones, some unknown ones, in any order."""
    body = {"model": "ok", **own}
    body |= {name: chance.choice(values) for name, values in known.items() if chance.random() < 0.4}
    body |= {name: anything(chance) for name in KEYS_UNKNOWN if chance.random() < 0.3}
    if chance.random() < 0.3:
        body |= {"stream": True, **({"stream_options": {"x": 1}} if chance.random() < 0.5 else {})}
    order = list(body)
    chance.shuffle(order)
    return {name: body[name] for name in order}


def chat(chance: random.Random) -> dict[str, Any]:
    return made(chance, {"messages": turns(chance)}, {**KNOWN, **CHAT_ONLY})


def prompt(chance: random.Random) -> dict[str, Any]:
    own = {"prompt": chance.choice((chance.choice(TEXTS[:5]), ["one", "two"]))}
    return made(chance, own, {**KNOWN, "suffix": ("end",), "echo": (True, False), "best_of": (2,), "logprobs": (3,)})


def vector(chance: random.Random) -> dict[str, Any]:
    own = {"input": chance.choice((chance.choice(TEXTS[:5]), ["one", "two"]))}
    body = made(chance, own, {"dimensions": (3,), "user": ("abc",)})
    return {name: value for name, value in body.items() if name not in ("stream", "stream_options")}


Make = Callable[[random.Random], dict[str, Any]]
DIALECTS: dict[str, Make] = {"/v1/chat/completions": chat, "/v1/completions": prompt, "/v1/embeddings": vector}


def expected(body: dict[str, Any]) -> dict[str, Any]:
    """What a cloud should get: a stream is asked for its usage too, and nothing else changes."""
    if not body.get("stream"):
        return body
    options = {**body.get("stream_options", {}), "include_usage": True}
    return {**body, "stream_options": options}


def exact(value: object) -> str:
    """Write a value so that order and kinds of numbers show."""
    return json.dumps(value)


async def exchange(
    stack: Stack, http: httpx.AsyncClient, path: str, body: dict[str, Any], key: str, **headers: str
) -> str:
    """Send one body; return what the cloud got for it."""
    before = len(stack.cloud.received)
    sent = {"authorization": f"Bearer {KEYS[key]}", "content-type": "application/json", **headers}
    response = await http.post(path, content=json.dumps(body), headers=sent)
    assert response.status_code == 200, response.text
    (received,) = stack.cloud.received[before:]
    return received.decode()


@pytest.mark.parametrize("path", DIALECTS)
async def test_the_cloud_gets_the_caller_s_json_whatever_is_in_it(
    stack: Stack, http: httpx.AsyncClient, path: str
) -> None:
    for number in range(BODIES):
        body = DIALECTS[path](random.Random(number))
        received = await exchange(stack, http, path, body, "free")
        assert exact(json.loads(received)) == exact(expected(body)), number


TEXT_FIELDS = ("content", "text", "prompt", "input")


def planted(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Put a value that must be masked into one of the texts."""
    places: list[tuple[Any, Any]] = []

    def walk(holder: Any) -> None:
        for at, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(value, (dict, list)):
                walk(value)
            elif isinstance(value, (int, float)) and abs(value) >= 10**6:
                holder[at] = 1  # long numbers may be somebody's, and be masked
            elif isinstance(value, str) and (value in ("one", "two") or at in TEXT_FIELDS):
                places.append((holder, at))

    copy = json.loads(json.dumps(body))
    walk(copy)
    if places:
        holder, at = chance.choice(places)
        holder[at] = f"Write to {SECRET} today"
    return copy


@pytest.mark.parametrize("path", DIALECTS)
async def test_masked_spans_are_all_that_differs(stack: Stack, http: httpx.AsyncClient, path: str) -> None:
    masked = 0
    for number in range(BODIES // 4):
        chance = random.Random(1000 + number)
        small = {
            name: value
            for name, value in DIALECTS[path](chance).items()
            if name in ("model", "messages", "prompt", "input", "stream", "temperature", "x_new", "tools")
        }
        body = planted(small, chance)
        received = await exchange(stack, http, path, body, "mask")
        assert SECRET not in received
        masked += len(PLACEHOLDER.findall(received))
        # A name stands in many bodies, and is masked too.
        restored = PLACEHOLDER.sub(lambda found: "ann" if "PERSON" in found.group() else SECRET, received)
        assert exact(json.loads(restored)) == exact(expected(body)), number
    assert masked > BODIES // 8


@pytest.mark.parametrize("key", ["free", "mask"])
async def test_over_twenty_turns_each_body_begins_with_the_one_before(
    stack: Stack, http: httpx.AsyncClient, key: str
) -> None:
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief — naïve ☕"}]
    before = ""
    for turn in range(20):
        messages.append(
            {"role": "user", "content": f"Turn {turn}: write to {SECRET} and to person{turn % 3}@example.com"}
        )
        body = {"model": "ok", "tools": CHAT_ONLY["tools"][0], "messages": messages}
        received = await exchange(stack, http, "/v1/chat/completions", body, key, **{"x-router-session": "one"})
        assert received.startswith(before), turn
        assert (SECRET in received) is (key == "free")
        before = received.removesuffix("]}")
        messages.append({"role": "assistant", "content": f"Done {turn}", "reasoning_content": "hm"})


async def test_of_the_caller_s_headers_none_travels(stack: Stack, http: httpx.AsyncClient) -> None:
    theirs = {
        "x-custom": "secret-header", "cookie": "a=secret-header", "openai-organization": "secret-header",
        "openai-beta": "secret-header", "x-stainless-lang": "secret-header", "traceparent": "secret-header",
        "idempotency-key": "secret-header", "user-agent": "secret-header", "x-request-id": "secret-header",
        "anthropic-beta": "secret-header", "x-api-key": "secret-header", "accept-language": "secret-header",
    }  # fmt: skip
    for path, make in DIALECTS.items():
        await exchange(stack, http, path, make(random.Random(1)), "free", **theirs)
    for headers in stack.cloud.headers[-len(DIALECTS) :]:
        assert set(headers) <= OWN_HEADERS, set(headers) - OWN_HEADERS
        assert "secret-header" not in "".join(headers.values())
        assert headers["authorization"] == "Bearer sk-test-cloud-key-0001"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_s_bytes_come_back_as_they_were_sent(
    stack: Stack, http: httpx.AsyncClient, stream: bool
) -> None:
    odd = completion("ok", "hi")[:-1] + b',  "x_new": {"b":1.50, "a":[ ]} }'
    stack.cloud.payload = odd
    try:
        body = {"model": "ok", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        sent = {"authorization": f"Bearer {KEYS['free']}"}
        response = await http.post("/v1/chat/completions", json=body, headers=sent)
    finally:
        stack.cloud.payload = None
    if stream:
        assert b'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk"' in response.content
    else:
        assert response.content == odd


@pytest.mark.parametrize("stream", [False, True])
async def test_knobs_that_a_vendor_refuses_are_left_out_and_named(
    stack: Stack, http: httpx.AsyncClient, stream: bool
) -> None:
    body = {
        "model": "quirky",
        "messages": [{"role": "user", "content": "Hi", "name": "ann"}],
        "logit_bias": {"1": 1},
        "top_k": 4,
        "stream": stream,
    }
    response = await http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEYS['free']}"})
    assert response.status_code == 200, response.text
    assert response.headers["x-router-dropped"] == "logit_bias,name"
    got = json.loads(stack.cloud.received[-1])
    assert (got["messages"], got["top_k"]) == ([{"role": "user", "content": "Hi"}], 4)
    assert "logit_bias" not in got


async def test_a_feature_that_a_vendor_lacks_is_refused_not_dropped(stack: Stack, http: httpx.AsyncClient) -> None:
    body = {"model": "quirky", "messages": [{"role": "user", "content": "Hi"}], "n": 3}
    response = await http.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEYS['free']}"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "unsupported_feature"
    assert stack.cloud.received == []


async def test_many_at_once_get_each_its_own(stack: Stack, http: httpx.AsyncClient) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            body = {"model": "ok", "messages": [{"role": "user", "content": f"number {number} please"}], "seed": number}
            sent = {"authorization": f"Bearer {KEYS['free']}"}
            assert (await http.post("/v1/chat/completions", json=body, headers=sent)).status_code == 200

    await asyncio.gather(*(one(number) for number in range(64)))
    got = [json.loads(body) for body in stack.cloud.received]
    assert sorted(body["seed"] for body in got) == list(range(64))
    assert all(body["messages"][0]["content"] == f"number {body['seed']} please" for body in got)
