"""Masking and conversations over real HTTP: what the cloud sees, what comes back, and when."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx
import pytest

from tests.fakes.cloud import completion
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

LOCAL_KEY = "sk-router-local-0123456789"
MASK_KEY = "sk-router-mask-0123456789"
PLACEHOLDER = re.compile(r"<[A-Z_]+_[A-Z2-7]{6,}>")
ANSWERS = 500


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("masking")
    (folder / "local").write_text(LOCAL_KEY)
    (folder / "mask").write_text(MASK_KEY)
    keys = [{"id": "local", "key": "file:local"}, {"id": "mask", "key": "file:mask", "on_sensitive": "mask"}]
    config: dict[str, object] = {
        "server": {"keys": keys},
        "privacy": {"scan": {"deadline_ms": 8000}},
        "routing": {"auto": {"strategy": "cost", "among": ["ok"]}, "fallback_local": False},
    }
    async with running(folder, config) as one:
        one.cloud.answer = echo
        yield one


def echo(body: dict[str, object]) -> str:
    """Repeat the last message."""
    return cast("list[dict[str, str]]", body["messages"])[-1]["content"]


def client(stack: Stack, key: str = MASK_KEY) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=60)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


async def ask(
    http: httpx.AsyncClient, *messages: dict[str, str], headers: dict[str, str] | None = None, **more: object
) -> httpx.Response:
    body = {"model": "auto", "messages": messages, **more}
    return await http.post("/v1/chat/completions", json=body, headers=headers)


def said(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def seen(stack: Stack) -> list[str]:
    """Take what the cloud got since the last time: the placeholders of each request."""
    bodies = [body.decode() for body in stack.cloud.received]
    stack.cloud.received.clear()
    return [" ".join(sorted(set(PLACEHOLDER.findall(body)))) for body in bodies]


async def test_the_turns_of_a_conversation_reuse_placeholders_and_two_conversations_do_not(stack: Stack) -> None:
    first = user("Write to maria.gonzalez@example.com")
    second = user("And once more to maria.gonzalez@example.com")
    seen(stack)
    async with client(stack) as http:
        for _ in range(2):
            answer = said(await ask(http, first))
            assert answer == first["content"]
            assert said(await ask(http, first, assistant(answer), second)) == second["content"]
        (one, one_later, two, two_later) = seen(stack)
        assert one == one_later != two == two_later
        named = [said(await ask(http, second, headers={"x-router-session": name})) for name in ("a", "a", "b")]
        assert set(named) == {second["content"]}
        a, a_later, b = seen(stack)
        assert a == a_later != b


async def test_500_requests_at_once_get_their_own_values_back(stack: Stack) -> None:
    gate = asyncio.Semaphore(50)

    async def one(http: httpx.AsyncClient, number: int) -> str:
        async with gate:
            return said(await ask(http, user(f"Write to canary{number}@example.com")))

    async with client(stack) as http:
        answers = await asyncio.gather(*(one(http, number) for number in range(ANSWERS)))
    assert answers == [f"Write to canary{number}@example.com" for number in range(ANSWERS)]
    assert not any(b"canary" in body for body in stack.cloud.received)
    placeholders = seen(stack)
    assert len(set(placeholders)) == len(placeholders)


async def test_arguments_of_a_tool_call_and_json_answers_stay_json(stack: Stack) -> None:
    name = 'Password: "x\\y9Z!qq"7'

    def call(body: dict[str, object]) -> str:
        (placeholder,) = set(PLACEHOLDER.findall(json.dumps(body)))
        stack.cloud.payload = completion(
            "ok",
            json.dumps({"value": placeholder}),
            tool_calls=[
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": json.dumps({"a": [placeholder]})},
                }
            ],
        )
        return ""

    stack.cloud.answer = call
    try:
        async with client(stack) as http:
            for _ in range(2):  # the first only learns the placeholder
                response = await ask(
                    http, user(name), headers={"x-router-session": "j"}, response_format={"type": "json_object"}
                )
    finally:
        stack.cloud.answer, stack.cloud.payload = echo, None
    message: dict[str, Any] = response.json()["choices"][0]["message"]
    value = json.loads(message["content"])["value"]
    assert value in name
    assert len(value) >= 8
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"a": [value]}


async def test_masked_chunks_come_as_the_cloud_sends_them(stack: Stack) -> None:
    stack.cloud.token_s = 0.2
    arrived: list[float] = []
    text = ""
    loop = asyncio.get_running_loop()
    prompt = "Tell maria.gonzalez@example.com that it works as it should"
    body = {"model": "auto", "messages": [user(prompt)], "stream": True}
    try:
        async with client(stack) as http, http.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    arrived.append(loop.time())
                    choices = json.loads(line[6:])["choices"]
                    text += "".join(choice["delta"].get("content") or "" for choice in choices)
    finally:
        stack.cloud.token_s = 0.0
    assert text == prompt
    assert len(arrived) >= 10
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrived)]
    assert sorted(gaps)[len(gaps) // 2] > 0.1, "the chunks came together"


async def test_a_conversation_stays_local_when_its_client_trims_the_history(stack: Stack) -> None:
    secret, harmless = user("My SSN is 536-22-8726"), user("Write a haiku about the rain.")
    async with client(stack, LOCAL_KEY) as http:
        for named in ({"headers": {"x-router-session": "t1"}}, {"user": "customer-81"}):
            before = await ask(http, harmless, **named)  # type: ignore[arg-type]
            assert before.headers["x-router-locality"] == "cloud"
            assert (await ask(http, secret, **named)).headers["x-router-locality"] == "local"  # type: ignore[arg-type]
            after = await ask(http, harmless, **named)  # type: ignore[arg-type]
            assert after.headers["x-router-locality"] == "local"
            assert after.headers["x-router-reason"] == "policy:session"
            assert after.headers["x-router-sensitivity"] == "public"
        assert (await ask(http, harmless)).headers["x-router-locality"] == "cloud"
        explained = await http.post(
            "/v1/route/explain", json={"model": "auto", "messages": [harmless], "user": "customer-81"}
        )
        assert explained.json()["verdict"]["rule"] == "session"
