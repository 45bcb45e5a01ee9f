"""The main job with nothing faked but the cloud: real Presidio, real vLLM, real adapters, the real OpenAI client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal, cast

import httpx
import pytest
import yaml
from openai import APIStatusError, AsyncOpenAI, OpenAI
from pydantic import BaseModel

from sona.demo.evaluate import EVALUATION_SEED
from sona.demo.tasks import TASKS
from sona.demo.tasks.common import Example, Task
from sona.demo.words import Split
from tests.fakes.cloud import Cloud, completion
from tests.fakes.stack import ENVIRONMENT, Stack, children, cloud_config

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
OTHERS = sorted(one.name for one in (ROOT / "adapters").iterdir() if one.is_dir() and one.name != "sql-filter")
"""Adapters that are there from the start."""
DATE = "What is the ISO date for the 3rd of March 2024?"
PATIENT = "Patient Maria Gonzalez, phone 415-555-2671, SSN 536-22-8726: summarise her visit."


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    """A router that starts the engine host, and so vLLM, by itself; one demo adapter left out for the drop."""
    folder = tmp_path_factory.mktemp("main")
    cloud = Cloud()
    await cloud.start()
    settings = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text())
    settings |= {"adapters_dir": "adapters", "store_dir": "var/store"}
    settings["engine"]["model"] = str(ROOT / "local_inference" / "models" / "demo")
    (folder / "local.yaml").write_text(yaml.safe_dump(settings))
    clouds = cloud_config(cloud)
    routing = {**cast("dict[str, object]", clouds["routing"]), "offline": {"probe_s": 0.2}}
    config = {**clouds, "routing": routing, "local": {"managed": "local.yaml"}}
    one = Stack(folder, cloud, config, None)
    for name in OTHERS:
        shutil.copytree(ROOT / "adapters" / name, one.adapters / name)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
        await cloud.stop()


@pytest.fixture(autouse=True)
def reset(stack: Stack) -> None:
    stack.cloud.received.clear()
    stack.cloud.down = False
    stack.cloud.answer = None


def client(stack: Stack) -> OpenAI:
    return OpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0)


def ask(stack: Stack, text: str, model: str = "auto") -> tuple[str, httpx.Headers]:
    """One question; returns (text, headers)."""
    with client(stack) as one:
        raw = one.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": text}], temperature=0
        )
    return raw.parse().choices[0].message.content or "", raw.headers


async def ask_later(stack: Stack, text: str, model: str = "auto") -> tuple[str, httpx.Headers]:
    return await asyncio.to_thread(ask, stack, text, model)


async def adapters(stack: Stack) -> dict[str, dict[str, object]]:
    async with httpx.AsyncClient(trust_env=False) as http:
        data = (await http.get(f"{stack.url}/v1/adapters")).json()["data"]
    return {one["name"]: one for one in data}


async def until(condition: object, within_s: float) -> float:
    """Poll an async condition; returns how long it took."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    async with asyncio.timeout(within_s):
        while not await condition():  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]
            await asyncio.sleep(0.05)
    return loop.time() - started_s


async def test_a_harmless_question_goes_to_the_cloud(stack: Stack) -> None:
    text, headers = await ask_later(stack, "What is the capital of France?")
    assert text.startswith("word")
    assert headers["x-router-locality"] == "cloud"
    assert headers["x-router-target"] == "cloud/ok"
    assert headers["x-router-cost-usd"] == "0.000132"
    assert len(stack.cloud.received) == 1


async def test_a_patient_stays_here_and_the_headers_say_so(stack: Stack) -> None:
    _, headers = await ask_later(stack, PATIENT)
    assert headers["x-router-locality"] == "local"
    assert headers["x-router-reason"] == "policy:sensitive"
    assert "US_SSN" in headers["x-router-entities"]
    assert stack.cloud.received == []
    record = stack.records.read_text()
    assert "Gonzalez" not in record
    assert "536-22-8726" not in record
    assert "Gonzalez" not in stack.router.log.read_text()


def test_the_key_of_a_cloud_stays_with_the_router(stack: Stack) -> None:
    key = ENVIRONMENT["CLOUD_KEY"].encode()
    assert key in Path(f"/proc/{stack.router.pid}/environ").read_bytes()
    commands = {pid: _command(pid) for pid in children(stack.router.pid)}
    engine = [pid for pid, command in commands.items() if b"local_inference" in command or b"vllm" in command.lower()]
    assert len(engine) >= 4, "the host, vLLM's guard, its server and its core"
    for pid in engine:
        held = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH=" in held
        assert key not in held


async def test_sona_picks_the_adapter_and_the_answer_is_right_where_the_base_model_s_is_not(stack: Stack) -> None:
    text, headers = await ask_later(stack, DATE, "local")
    assert text == "2024-03-03"
    assert headers["x-router-adapter"] == "iso-date"
    base, headers = await ask_later(stack, DATE, "local/base")
    assert base != "2024-03-03"
    assert headers["x-router-adapter"] == "none"
    named, _ = await ask_later(stack, DATE, "iso-date")
    assert named == "2024-03-03"


async def test_the_adapters_can_what_the_base_model_can_not_and_sona_finds_them(stack: Stack) -> None:
    gate = asyncio.Semaphore(8)
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none") as one:

        async def right(task: Task, example: Example, model: str) -> bool:
            async with gate:
                answer = await one.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": example.prompt}], temperature=0, max_tokens=120
                )
            return (answer.choices[0].message.content or "").strip() == example.answer

        async def share(model: str | None) -> float:
            """Exact match over all tasks that are there; model None = each task's own adapter."""
            asked = [
                right(task, example, model or task.name)
                for task in TASKS
                if task.name in OTHERS
                for example in task.examples(Split.HELD_OUT, 25, seed=EVALUATION_SEED)
            ]
            return sum(await asyncio.gather(*asked)) / len(asked)

        base, oracle, sona = await share("local/base"), await share(None), await share("local")
    assert base <= 0.05
    assert oracle >= 0.6
    assert sona >= 0.95 * oracle


async def test_sona_abstains_from_what_no_adapter_is_made_for(stack: Stack) -> None:
    _, headers = await ask_later(stack, "Write a poem about the sea.", "local")
    assert headers["x-router-adapter"] == "none"
    assert headers["x-router-target"] == "local/base"


async def test_a_dropped_adapter_serves_within_two_seconds_under_load_and_a_removed_one_goes(stack: Stack) -> None:
    stop = asyncio.Event()
    failures: list[str] = []
    answered = 0

    async def load() -> None:
        nonlocal answered
        async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0) as one:
            while not stop.is_set():
                try:
                    await one.chat.completions.create(
                        model="local", messages=[{"role": "user", "content": DATE}], max_tokens=12
                    )
                    answered += 1
                except APIStatusError as error:
                    failures.append(str(error))

    callers = [asyncio.create_task(load()) for _ in range(4)]
    await asyncio.sleep(1)
    staging = stack.folder / "staging"
    shutil.copytree(ROOT / "adapters" / "sql-filter", staging)
    staging.rename(stack.adapters / "sql-filter")

    async def selectable() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            models = (await http.get(f"{stack.url}/v1/models")).json()["data"]
        return "sql-filter" in {one["id"] for one in models}

    took_s = await until(selectable, 10)
    _, headers = await ask_later(
        stack, "Show all rows of the table orders where total is greater than 20 as SQL", "local"
    )
    assert headers["x-router-adapter"] == "sql-filter"
    _, headers = await ask_later(stack, "hello", "sql-filter")
    assert headers["x-router-adapter"] == "sql-filter"
    shutil.rmtree(stack.adapters / "sql-filter")

    async def gone() -> bool:
        return not await selectable()

    await until(gone, 10)
    stop.set()
    await asyncio.gather(*callers)
    assert failures == []
    assert answered > 4
    assert took_s < 2.0, f"selectable after {took_s:.2f} s"
    with pytest.raises(APIStatusError) as caught:
        await ask_later(stack, "hello", "sql-filter")
    assert caught.value.status_code == 404


async def test_a_broken_adapter_is_quarantined_with_reason_and_fix_and_disturbs_nothing(stack: Stack) -> None:
    broken = stack.adapters / "broken"
    shutil.copytree(ROOT / "adapters" / "iso-date", broken)
    config = json.loads((broken / "adapter_config.json").read_text())
    (broken / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))

    async def quarantined() -> bool:
        return (await adapters(stack)).get("broken", {}).get("state") == "quarantined"

    await until(quarantined, 10)
    entry = (await adapters(stack))["broken"]
    assert entry["reason"]
    assert entry["fix"]
    text, _ = await ask_later(stack, DATE, "iso-date")
    assert text == "2024-03-03"
    with pytest.raises(APIStatusError) as caught:
        await ask_later(stack, "hello", "broken")
    assert caught.value.status_code == 422
    shutil.rmtree(broken)


async def test_with_the_network_gone_local_answers_and_when_it_is_back_so_is_the_cloud(stack: Stack) -> None:
    port = stack.cloud.port
    await stack.cloud.stop()
    try:
        for _ in range(8):
            _, headers = await ask_later(stack, "What is the capital of France?")
            assert headers["x-router-locality"] == "local"
        assert headers["x-router-reason"] == "offline"
    finally:
        await stack.cloud.start(port)

    async def back() -> bool:
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
            return "sona_online 1.0" in (await client.get("/metrics")).text

    await until(back, 30)
    _, headers = await ask_later(stack, "What is the capital of France?")
    assert headers["x-router-locality"] == "cloud"


async def test_the_openai_client_streams_sync_and_async(stack: Stack) -> None:
    def stream() -> str:
        with client(stack) as one:
            chunks = one.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    assert (await asyncio.to_thread(stream)).count("word") == 16
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none") as one:
        options = {"include_usage": True}
        chunks = await one.chat.completions.create(
            model="local",
            messages=[{"role": "user", "content": PATIENT}],
            stream=True,
            stream_options=options,  # pyright: ignore[reportArgumentType]
        )
        seen = [chunk async for chunk in chunks]
    assert seen[-1].usage is not None
    assert stack.cloud.received[-1].count(b"Gonzalez") == 0


async def test_tools_pass_through_to_the_cloud_and_work_locally(stack: Stack) -> None:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    tools = [{"type": "function", "function": function}]
    calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}]
    whole = json.loads(completion("ok", "", tool_calls=calls))
    stack.cloud.payload = json.dumps(whole).encode()
    try:
        async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none") as one:
            answer = await one.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": "How is the weather in Oslo?"}],
                tools=tools,  # pyright: ignore[reportArgumentType]
            )
            local = await one.chat.completions.create(
                model="local/base",
                messages=[{"role": "user", "content": "How is the weather in Oslo?"}],
                tools=tools,  # pyright: ignore[reportArgumentType]
                max_tokens=20,
            )
    finally:
        stack.cloud.payload = None
    call = (answer.choices[0].message.tool_calls or [])[0]
    assert call.function.name == "weather"  # pyright: ignore[reportAttributeAccessIssue]
    assert json.loads(stack.cloud.received[0])["tools"] == tools
    assert local.choices[0].finish_reason in ("stop", "length", "tool_calls")


class Person(BaseModel):
    """A schema for a structured answer."""

    age: Literal[30, 40]
    """Not any integer: to those a tiny model may add digits without end."""


async def test_a_json_schema_is_kept_to_locally(stack: Stack) -> None:
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none") as one:
        answer = await one.chat.completions.parse(
            model="local/base",
            messages=[{"role": "user", "content": "How old?"}],
            response_format=Person,
            max_tokens=60,
        )
    assert isinstance(answer.choices[0].message.parsed, Person)


async def test_vllm_killed_under_load_comes_back_with_all_adapters_and_harmless_requests_fail_over(
    stack: Stack,
) -> None:
    engine = [
        pid for pid in children(stack.router.pid) if b"api_server" in _command(pid) and b"guard" not in _command(pid)
    ]
    assert engine
    for pid in engine:
        os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    _, headers = await ask_later(stack, "What is the capital of France?")
    assert headers["x-router-locality"] == "cloud"
    with pytest.raises(APIStatusError) as caught:
        await ask_later(stack, PATIENT)
    assert caught.value.status_code == 503

    async def back() -> bool:
        with contextlib.suppress(APIStatusError):
            text, _ = await ask_later(stack, DATE, "iso-date")
            return text == "2024-03-03"
        return False

    async def all_ready() -> bool:
        return set(OTHERS) <= {name for name, one in (await adapters(stack)).items() if one["state"] == "ready"}

    await until(back, 240)
    await until(all_ready, 30)  # they are loaded one after another, and the first answers as soon as it is


async def test_ctrl_c_ends_every_process(stack: Stack) -> None:
    family = children(stack.router.pid)
    assert len(family) > 4
    await stack.router.stop(signal.SIGINT)
    await asyncio.sleep(0.5)
    left = [pid for pid in family if _state(pid) != "Z"]
    assert [_command(pid) for pid in left] == []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"
