"""`POST /v1/sona/select` over HTTP: the router's own application and selection, an engine host that only lists."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import uvicorn

from router import compose
from router.config.load import load
from router.core.adapters import AdapterCard, AdapterInfo, AdapterListing
from router.providers.local import EngineHost
from router.server.app import create_app
from sona.demo.tasks import TASKS
from sona.demo.words import Split

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

KEYS = {"acme": "sk-router-acme-0123456789abcdef", "other": "sk-router-other-0123456789abcdef"}
DATE = "whats 12 Feb 2021 as yyyy-mm-dd"
CALLERS = "".join(f"    - {{id: {one}, tenant: {one}, key: 'file:{one}'}}\n" for one in KEYS)


def cards() -> tuple[AdapterInfo, ...]:
    return tuple(
        AdapterInfo(
            name=task.name,
            version="1",
            state="ready",
            residency="device",
            card=AdapterCard(
                description=task.description,
                keywords=task.keywords,
                examples=tuple(example.prompt for example in task.examples(Split.TRAIN, 12)),
                tenants=("acme",) if task.name == "iso-date" else (),
                languages=("en",) if task.name == "ticket-triage" else (),
            ),
        )
        for task in TASKS
    )


@pytest.fixture(scope="module")
async def router(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("dry-run")
    for name, key in KEYS.items():
        (folder / name).write_text(key)
    file = folder / "router.yaml"
    file.write_text(
        f"server:\n  keys:\n{CALLERS}local: {{url: 'http://127.0.0.1:9'}}\nrecord: {{path: {folder}}}\n"
        "routing: {auto: {strategy: cost, among: []}}\n"
    )
    config, source = load(Path(file))
    runtime = compose.build(
        config, source, engine=EngineHost(("http://127.0.0.1:9",), None, connect_s=1), records=False
    )
    await runtime.directory.update(AdapterListing(revision=1, base_model="b", data=cards()))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(runtime), log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
        yield client
    server.should_exit = True
    await serving
    runtime.directory.close()


async def select(router: httpx.AsyncClient, *turns: str, tenant: str = "acme", **fields: object) -> httpx.Response:
    body = {"model": "local", "messages": [{"role": "user", "content": turn} for turn in turns], **fields}
    return await router.post("/v1/sona/select", json=body, headers={"authorization": f"Bearer {KEYS[tenant]}"})


async def test_a_dry_run_says_which_adapter_and_what_spoke_for_it(router: httpx.AsyncClient) -> None:
    answer = await select(router, DATE)
    told = answer.json()
    assert answer.status_code == 200
    assert told["selection"]["adapter"] == "iso-date@1"
    assert told["adapters"] == len(TASKS)
    best = told["selection"]["candidates"][0]
    assert best.keys() == {
        "adapter", "confidence", "score", "meaning", "words", "nearest", "against", "explained", "resident",
    }  # fmt: skip
    assert best["resident"]
    assert "2021" not in answer.text
    assert (await select(router, DATE)).json() == told


async def test_a_caller_of_another_tenant_gets_and_sees_none_of_it(router: httpx.AsyncClient) -> None:
    answer = await select(router, DATE, tenant="other")
    assert answer.json()["selection"]["adapter"] != "iso-date@1"
    assert "iso-date" not in answer.text


async def test_the_task_may_sit_in_an_earlier_turn(router: httpx.AsyncClient) -> None:
    told = (await select(router, DATE, "and 3 May?")).json()["selection"]
    assert told["adapter"] == "iso-date@1"


async def test_a_picture_is_left_to_the_base_model(router: httpx.AsyncClient) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    body = {"model": "local", "messages": [{"role": "user", "content": [{"type": "text", "text": DATE}, part]}]}
    answer = await router.post("/v1/sona/select", json=body, headers={"authorization": f"Bearer {KEYS['acme']}"})
    assert answer.json()["selection"]["reason"] == "no adapter for the modality"


async def test_a_request_in_a_language_that_a_card_does_not_list_rules_its_adapter_out(
    router: httpx.AsyncClient,
) -> None:
    german = "Bitte ordne diese Meldung ein: der Drucker im zweiten Stock druckt seit gestern nicht mehr."
    assert (await select(router, german)).json()["ruled_out"] == {"ticket-triage@1": "language"}
    english = "Please triage this ticket: the printer on the second floor hasn't printed since yesterday."
    assert (await select(router, english)).json()["ruled_out"] == {}


@pytest.mark.parametrize("body", [{}, {"model": "local"}, {"model": "local", "messages": []}])
async def test_a_body_that_is_no_chat_request_is_a_400(router: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await router.post("/v1/sona/select", json=body, headers={"authorization": f"Bearer {KEYS['acme']}"})
    assert answer.status_code == 400
    assert (await router.post("/v1/sona/select", json=body)).status_code == 401
