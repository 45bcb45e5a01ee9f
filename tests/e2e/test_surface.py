"""The HTTP surface and the command line as strangers use them: wrong input, keys, headers, explain, metrics."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.fakes.cloud import chunk
from tests.fakes.gates import share_gates
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KEY = "sk-router-0123456789abcdef"
LIMITED = "sk-router-limited-0123456789"
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
CONTRACT_HEADERS = (
    "x-router-schema", "x-request-id", "x-router-decision-id", "x-router-locality", "x-router-target",
    "x-router-sensitivity", "x-router-entities", "x-router-reason", "x-router-attempts", "x-router-overhead-ms",
)  # fmt: skip


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("surface")
    for name, key in (("key", KEY), ("limited", LIMITED)):
        (folder / name).write_text(key)
    keys = [
        {"id": "team", "key": "file:key"},
        {"id": "small", "key": "file:limited", "models": ["auto"], "max_locality": "local"},
    ]
    config: dict[str, object] = {
        "server": {"keys": keys, "max_body_bytes": 2_000_000},
        "privacy": {"scan": {"deadline_ms": 4000}},
        "routing": {"auto": {"strategy": "cost", "among": ["ok"]}, "ttft_s": 2, "total_s": 5},
    }
    async with running(folder, config) as one:
        yield one


@pytest.fixture
async def http(stack: Stack) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


async def test_a_decision_can_be_asked_for_by_the_key_that_made_it(http: httpx.AsyncClient, stack: Stack) -> None:
    answer = await http.post("/v1/chat/completions", json=HELLO)
    path = f"/v1/decisions/{answer.headers['x-router-decision-id']}"
    decision = (await http.get(path)).json()
    assert decision["decision_id"] == answer.headers["x-router-decision-id"]
    assert decision["target"] == answer.headers["x-router-target"]
    assert decision["principal_id"] == "team"
    assert "capital" not in json.dumps(decision)
    assert (await http.get(path, headers={"authorization": f"Bearer {LIMITED}"})).status_code == 404
    assert error(await http.get("/v1/decisions/none"))["code"] == "not_found"


def error(response: httpx.Response) -> dict[str, Any]:
    body = response.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    return body


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "invalid_value"), (b"{", "invalid_value"), (b"\xff", "invalid_value"), (b"[1]", "invalid_value")],
)
async def test_what_is_not_json_is_a_400(http: httpx.AsyncClient, content: bytes, code: str) -> None:
    response = await http.post("/v1/chat/completions", content=content)
    assert response.status_code == 400
    assert error(response)["code"] == code


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": 1}]}, "messages[0].role"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": []}, "temperature"),
        ({"n": 0}, "n"),
        ({"tools": [1]}, "tools[0]"),
    ],
)
async def test_a_wrong_type_is_a_400_that_names_the_field(
    http: httpx.AsyncClient, change: dict[str, object], param: str
) -> None:
    response = await http.post("/v1/chat/completions", json={**HELLO, **change})
    assert response.status_code == 400
    assert error(response)["param"] == param


async def test_an_unknown_model_is_a_404_that_names_the_nearest(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json={**HELLO, "model": "garbag"})
    assert response.status_code == 404
    assert error(response)["code"] == "model_not_found"
    assert "'garbage'" in error(response)["message"]


async def test_no_error_repeats_what_a_caller_wrote(http: httpx.AsyncClient) -> None:
    answers = [
        await http.post("/v1/chat/completions", json={**HELLO, "model": "Maria-Gonzalez"}),
        await http.get("/v1/models/Maria-Gonzalez"),
        await http.get("/v1/responses/resp_MariaGonzalez"),
        await http.get("/Maria-Gonzalez"),
        await http.request("MARIA", "/v1/chat/completions"),
        await http.post("/v1/responses", json={"model": "ok", "input": "x", "previous_response_id": "resp_Maria"}),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers)
    assert "Maria" not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_body_is_a_413_and_the_router_lives(http: httpx.AsyncClient, chunked: bool) -> None:
    async def parts() -> AsyncGenerator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000_000

    content = parts() if chunked else b"x" * 100_000_000
    response = await http.post("/v1/chat/completions", content=content)
    assert response.status_code == 413
    assert error(response)["code"] == "request_too_large"
    assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic eDp5", f"Bearer {KEY}x"])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/models", "/v1/adapters", "/v1/route/explain", "/metrics", "/x"]
)
async def test_every_path_but_the_probes_wants_a_key(stack: Stack, path: str, authorization: str) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        method = "POST" if path.startswith(("/v1/chat", "/v1/route")) else "GET"
        response = await client.request(method, path, headers={"authorization": authorization})
    assert response.status_code == 401
    assert error(response)["code"] == "invalid_api_key"


async def test_a_text_in_the_model_field_reaches_no_record(http: httpx.AsyncClient, stack: Stack) -> None:
    text = "My SSN is 536-22-8799"
    assert (await http.post("/v1/chat/completions", json={**HELLO, "model": text})).status_code == 404
    huge = await http.post("/v1/chat/completions", json={**HELLO, "model": "x" * 1_000_000})
    assert huge.status_code == 400
    await http.post("/v1/chat/completions", json=HELLO)
    await asyncio.sleep(0.3)
    assert "536-22-8799" not in stack.records.read_text()


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/metrics/", "/v1/models//"])
async def test_no_path_redirects(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert "x-request-id" in response.headers


async def test_probes_need_no_key(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).json()["ready"] is True


async def test_a_limited_key_stays_within_its_limits(stack: Stack) -> None:
    headers = {"authorization": f"Bearer {LIMITED}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as client:
        refused = await client.post("/v1/chat/completions", json={**HELLO, "model": "ok"})
        assert refused.status_code == 403
        allowed = await client.post("/v1/chat/completions", json=HELLO)
        assert allowed.headers["x-router-locality"] == "local"


async def test_other_paths_are_404_and_other_methods_405_in_openai_s_json(http: httpx.AsyncClient) -> None:
    for path in ("/v1/nothing", "/v1/files", "/", "/docs", "/openapi.json"):
        response = await http.get(path)
        assert response.status_code == 404
        assert error(response)["code"] == "not_found"
    response = await http.get("/v1/chat/completions")
    assert response.status_code == 405
    assert error(response)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-router-locality", "mars"),
        ("x-router-max-cost-usd", "much"),
        ("x-router-task", "a b"),
        ("x-router-max-latency-ms", "-1"),
    ],
)
async def test_a_hint_that_makes_no_sense_is_a_400(http: httpx.AsyncClient, name: str, value: str) -> None:
    response = await http.post("/v1/chat/completions", json=HELLO, headers={name: value})
    assert response.status_code == 400
    assert error(response)["param"] == name


async def test_a_hint_narrows_to_local(http: httpx.AsyncClient, stack: Stack) -> None:
    before = len(stack.cloud.received)
    response = await http.post("/v1/chat/completions", json=HELLO, headers={"x-router-locality": "local"})
    assert response.headers["x-router-locality"] == "local"
    assert len(stack.cloud.received) == before


@pytest.mark.parametrize("stream", [False, True])
async def test_the_contract_s_headers_stand_on_answers_and_streams(http: httpx.AsyncClient, stream: bool) -> None:
    response = await http.post(
        "/v1/chat/completions", json={**HELLO, "stream": stream}, headers={"x-request-id": "my-id.1"}
    )
    assert response.status_code == 200
    assert [name for name in CONTRACT_HEADERS if name not in response.headers] == []
    assert response.headers["x-request-id"] == "my-id.1"
    assert response.headers["x-router-schema"] == "1"
    assert ("x-router-cost-usd" in response.headers) is not stream


async def test_an_insane_request_id_is_replaced(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/chat/completions", json=HELLO, headers={"x-request-id": "a b/" * 100})
    assert " " not in response.headers["x-request-id"]


async def test_explain_says_why_and_calls_nobody(http: httpx.AsyncClient, stack: Stack) -> None:
    before = len(stack.cloud.received)
    body = {**HELLO, "messages": [{"role": "user", "content": "My SSN is 536-22-8726"}]}
    response = await http.post("/v1/route/explain", json=body)
    explained = response.json()
    assert explained["decision"]["locality"] == "local"
    assert explained["verdict"]["rule"] == "sensitive"
    assert "US_SSN" in explained["scan"]["entities"]
    assert "536-22" not in response.text
    assert len(stack.cloud.received) == before


async def test_usage_comes_only_to_those_who_asked(http: httpx.AsyncClient) -> None:
    plain = await http.post("/v1/chat/completions", json={**HELLO, "stream": True})
    asked = await http.post(
        "/v1/chat/completions", json={**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    )
    assert '"usage": {' not in plain.text
    assert '"usage": {' in asked.text


async def test_a_cut_after_the_first_event_ends_with_an_error_event_and_no_done(
    http: httpx.AsyncClient, stack: Stack
) -> None:
    stack.cloud.frames = [chunk("ok", {"role": "assistant", "content": "word"}), b""]
    try:
        response = await http.post("/v1/chat/completions", json={**HELLO, "model": "ok", "stream": True})
    finally:
        stack.cloud.frames = None
    events = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert "[DONE]" not in events
    assert json.loads(events[-1])["error"]["code"] == "stream_interrupted"


async def test_a_client_who_leaves_cancels_the_cloud(http: httpx.AsyncClient, stack: Stack) -> None:
    stack.cloud.token_s, before = 0.1, stack.cloud.cancelled
    try:
        async with http.stream("POST", "/v1/chat/completions", json={**HELLO, "stream": True}) as response:
            async for _ in response.aiter_bytes():
                break
        async with asyncio.timeout(10):
            while stack.cloud.cancelled == before:
                await asyncio.sleep(0.02)
    finally:
        stack.cloud.token_s = 0.0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_who_leaves_before_the_answer_begins_cancels_the_cloud(
    http: httpx.AsyncClient, stack: Stack, stream: bool
) -> None:
    stack.cloud.mode, before = "hang", stack.cloud.cancelled
    started_s = asyncio.get_running_loop().time()
    try:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/v1/chat/completions", json={**HELLO, "stream": stream}, timeout=0.5)
        async with asyncio.timeout(1):  # the router itself gives up after 2 s
            while stack.cloud.cancelled == before:
                await asyncio.sleep(0.02)
    finally:
        stack.cloud.mode = None
    assert asyncio.get_running_loop().time() - started_s < 2


async def test_a_deadline_before_the_answer_begins_cancels_the_cloud(http: httpx.AsyncClient, stack: Stack) -> None:
    stack.cloud.mode, before = "hang", stack.cloud.cancelled
    try:
        answer = await http.post("/v1/chat/completions", json=HELLO)
    finally:
        stack.cloud.mode = None
    assert int(answer.headers["x-router-attempts"]) > 1
    async with asyncio.timeout(1):
        while stack.cloud.cancelled == before:
            await asyncio.sleep(0.02)


async def test_metrics_and_records_count_and_hold_no_text(http: httpx.AsyncClient, stack: Stack) -> None:
    secret = "536-22-8727"
    body = {**HELLO, "messages": [{"role": "user", "content": f"My SSN is {secret}, remember the zebra"}]}
    await http.post("/v1/chat/completions", json=body)
    metrics = (await http.get("/metrics")).text
    for name in ("sona_requests_total", "sona_overhead_seconds", "sona_scan_seconds", "sona_ttft_seconds",
                 "sona_entities_total", "sona_adapter_selections_total", "sona_event_loop_lag_seconds"):  # fmt: skip
        assert name in metrics
    async with asyncio.timeout(10):
        while "US_SSN" not in (records := stack.records.read_text()):
            await asyncio.sleep(0.05)
    for text in (metrics, records, stack.router.log.read_text()):
        assert secret not in text
        assert "zebra" not in text
        assert KEY not in text
        assert "sk-test-cloud-key" not in text


async def test_while_large_prompts_are_scanned_health_is_answered_between(http: httpx.AsyncClient) -> None:
    large = {**HELLO, "messages": [{"role": "user", "content": "The committee met again. " * 30_000}]}
    scans = [asyncio.create_task(http.post("/v1/route/explain", json=large)) for _ in range(4)]
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    answered = 0
    while not all(task.done() for task in scans):
        assert (await http.get("/health")).status_code == 200
        answered += 1
    elapsed_s = loop.time() - started_s
    for task in scans:
        assert task.result().status_code in (200, 503)
    assert answered / elapsed_s > 10, f"{answered} in {elapsed_s:.1f} s"


def cli(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "router", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


BASE: dict[str, Any] = {
    "providers": {"cloud": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}},
    "models": {"m": {"deployments": [{"provider": "cloud", "model": "x"}]}},
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"privcy": {}}, "did you mean 'privacy'"),
        ({"server": {"prot": 1}}, "did you mean 'port'"),
        ({"server": {"host": "0.0.0.0"}}, "server.keys"),
        ({"server": {"keys": [{"id": "a", "key": "in the open"}]}}, "env:NAME"),
        ({"providers": {"cloud": {"kind": "openai_compatibel", "base_url": "http://x"}}}, "openai_compatible"),
        (
            {"providers": {"cloud": {"kind": "openai_compatible", "base_url": "http://x", "api_key": "env:NOT_SET"}}},
            "NOT_SET",
        ),
        ({"providers": {"cloud": {"kind": "openai_compatible", "base_ulr": "http://x"}}}, "base_url"),
        ({"models": {"m": {"deployments": [{"provider": "clod", "model": "x"}]}}}, "did you mean 'cloud'"),
        ({"routing": {"auto": {"strategy": "costs"}}}, "did you mean 'cost'"),
        ({"routing": {"auto": {"among": ["n"]}}}, "model group 'n'"),
        ({"privacy": {"entities": {"US_SNN": {}}}}, "US_SSN"),
        ({"privacy": {"scan": {"workers": 0}}}, "privacy.scan.workers"),
        ({"local": {"managed": "nowhere.yaml"}}, "nowhere.yaml"),
        ({"local": {"url": "http://x", "managed": "y"}}, "not both"),
    ],
)
def test_a_wrong_configuration_stops_with_2_and_says_where_and_what(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump({**BASE, **change}))
    for command in (("check-config", str(file)), ("serve", "--config", str(file))):
        done = cli(*command)
        assert done.returncode == 2
        assert says in done.stderr
        assert "router.yaml" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_good_configuration_passes_and_explain_answers_from_the_command_line(tmp_path: Path) -> None:
    share_gates(tmp_path / "var" / "scan")
    file = tmp_path / "router.yaml"
    file.write_text(yaml.safe_dump({**BASE, "local": {"url": "http://127.0.0.1:1"}}))
    assert cli("check-config", str(file)).returncode == 0
    done = cli("explain", "--config", str(file), stdin=json.dumps(HELLO))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decision"]["target"] == "cloud/x"
    bad = cli("explain", "--config", str(file), stdin="{")
    assert bad.returncode == 1
    assert "not valid JSON" in bad.stderr


async def test_the_dry_run_of_the_selection_sends_and_keeps_nothing(http: httpx.AsyncClient, stack: Stack) -> None:
    canary = "536-90-4399"
    called = len(stack.cloud.requests)
    asked = {"model": "auto", "messages": [{"role": "user", "content": f"My social security number is {canary}."}]}
    answer = await http.post("/v1/sona/select", json=asked)
    assert answer.status_code == 200
    await http.post("/v1/chat/completions", json=HELLO)
    async with asyncio.timeout(10):
        while not stack.records.exists():
            await asyncio.sleep(0.05)
    seen = "\n".join([answer.text, (await http.get("/metrics")).text, stack.records.read_text()])
    logs = [stack.router.log.read_text(), stack.host.log.read_text() if stack.host is not None else ""]
    assert canary not in "\n".join([seen, *logs])
    assert all(canary.encode() not in one.everything for one in stack.cloud.requests[called:])
