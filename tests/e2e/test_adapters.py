"""Adapters through the router: who may see, use and change them, over the API and on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from router import compose
from router.cli import app
from router.config.load import load
from router.core.errors import RouterError
from router.server.app import create_app
from tests.fakes.engine_tiny_model import write_adapter
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

ADMIN, LAW, SALES, NARROW, NOTHING = (
    f"sk-{name}-0123456789abcdef" for name in ("admin", "law", "sales", "narrow", "nothing")
)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("adapters")
    keys: list[dict[str, object]] = []
    for name, key, more in (
        ("ops", ADMIN, {"admin": True}),
        ("law", LAW, {"tenant": "law", "budget": {"day_usd": 5}}),
        ("sales", SALES, {"tenant": "sales"}),
        ("narrow", NARROW, {"models": ["auto", "query", "contract"]}),
        ("nothing", NOTHING, {"models": ["gone"]}),
    ):
        (folder / name).write_text(key)
        keys.append({"id": name, "key": f"file:{name}", **more})
    write_adapter(folder / "adapters" / "contract", card="description: Sums up contracts.\ntenants: [law]")
    write_adapter(folder / "adapters" / "query", seed=2, card="description: Writes SQL queries.")
    host: dict[str, object] = {"engine": {"kind": "fake"}, "poll_s": 0.1}
    async with running(folder, {"server": {"keys": keys}, "privacy": {"scan": {"deadline_ms": 4000}}}, host) as one:
        yield one


@pytest.fixture
async def http(stack: Stack) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def ask(http: httpx.AsyncClient, key: str, model: str, text: str = "sum up this contract") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return await http.post("/v1/chat/completions", json=body, headers=bearer(key))


async def test_a_tenant_neither_sees_nor_reaches_an_adapter_of_others(http: httpx.AsyncClient) -> None:
    for key, sees in ((LAW, True), (SALES, False)):
        for path in ("/v1/models", "/v1/adapters"):
            assert ("contract" in (await http.get(path, headers=bearer(key))).text) == sees, (path, sees)
        assert ((await http.get("/v1/adapters/contract", headers=bearer(key))).status_code == 200) == sees
    assert (await ask(http, LAW, "contract")).headers["x-router-adapter"] == "contract"
    hidden, unknown = await ask(http, SALES, "contract"), await ask(http, SALES, "zzzzzzzz")
    assert hidden.status_code == 404
    assert hidden.json() == unknown.json()
    id = (await http.get("/v1/adapters/contract", headers=bearer(LAW))).json()["data"][0]
    assert (await ask(http, SALES, f"contract@{id['version']}")).json() == unknown.json()
    chosen = await ask(http, SALES, "local")
    assert chosen.status_code == 200
    assert chosen.headers["x-router-adapter"] != "contract"


async def test_a_key_for_some_models_is_shown_those_alone(http: httpx.AsyncClient) -> None:
    for key, names in ((NARROW, ["auto", "query"]), (NOTHING, [])):
        for shape in ({}, {"anthropic-version": "2023-06-01"}):
            answer = await http.get("/v1/models", headers={**bearer(key), **shape})
            assert answer.status_code == 200
            assert [model["id"] for model in answer.json()["data"]] == names
    assert (await http.get("/v1/models/local", headers=bearer(NARROW))).status_code == 404


async def test_metrics_tell_a_tenant_nothing_of_another_s_keys_and_adapters(http: httpx.AsyncClient) -> None:
    assert (await ask(http, LAW, "contract")).status_code == 200
    assert (await ask(http, SALES, "query")).status_code == 200
    for key, sees in ((ADMIN, True), (LAW, True), (SALES, False)):
        text = (await http.get("/metrics", headers=bearer(key))).text
        assert ('target="local/contract@' in text) == sees
        assert ("contract" in text) == sees
        assert ('sona_budget_remaining_usd{key="law"} 5.0' in text) == sees
        assert 'target="local/query@' in text
        assert "sona_requests_total{" in text


def _orders(stack: Stack) -> list[str]:
    """All routes that change something about adapters, as the router's own table lists them."""
    config, source = load(stack.router_file, lambda loc: None if "keys" in loc else "not-a-real-key-0000")
    runtime = compose.build(config, source, engine=compose.engine_host(config), records=False)
    table = [(route.path, getattr(route, "methods", set())) for route in create_app(runtime).routes]  # type: ignore[attr-defined]
    return [path for path, methods in table if path.startswith("/v1/adapters") and methods - {"GET", "HEAD"}]


async def test_only_a_key_that_may_administer_changes_anything(http: httpx.AsyncClient, stack: Stack) -> None:
    before = (await http.get("/v1/adapters", headers=bearer(ADMIN))).json()["data"]
    orders = _orders(stack)
    assert len(orders) == 7
    for path in orders:
        url = path.replace("{adapter}", "query") + "?good=true"
        assert (await http.post(url)).status_code == 401, path
        refused = await http.post(url, headers=bearer(SALES))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_required"), path
    assert (await http.get("/v1/adapters", headers=bearer(ADMIN))).json()["data"] == before
    for verb in ("pin", "unpin", "vote?good=true", "rescan", "disable", "enable"):
        assert (await http.post(f"/v1/adapters/query:{verb}", headers=bearer(ADMIN))).status_code == 200, verb
    nothing_before = await http.post("/v1/adapters/query:rollback", headers=bearer(ADMIN))
    assert (nothing_before.status_code, nothing_before.json()["error"]["code"]) == (400, "invalid_value")
    unknown = await http.post("/v1/adapters/a%2Fb%20c:pin", headers=bearer(ADMIN))
    assert unknown.status_code == 404


async def test_the_command_line_adds_shows_rolls_back_and_removes(stack: Stack, tmp_path: Path) -> None:
    model = tmp_path / "new"
    write_adapter(model, seed=3, card="description: one\nlicense: mit\nmetrics: {exact: 0.9}")
    host, into = str(stack.folder / "host.yaml"), str(stack.adapters)
    there = ["--url", stack.url, "--key", ADMIN]

    def run(*words: str, code: int = 0) -> str:
        shown = CliRunner().invoke(app, ["adapters", *words])
        assert shown.exit_code == code, shown.output
        return shown.output

    def current() -> str:
        data = json.loads(run("show", "new", "--json", *there))["data"]
        return next(info["version"] for info in data if info["current"])

    keyless = CliRunner().invoke(app, ["adapters", "list", "--url", stack.url], env={"SONA_KEY": ""}).exception
    assert isinstance(keyless, RouterError)
    assert "--key" in keyless.message
    added = run("add", str(model), "--into", into, "--host-config", host, *there)
    assert "license: mit" in added
    assert "metrics: exact 0.9" in added
    first = current()
    write_adapter(model, seed=4)
    run("add", str(model), "--into", into, "--host-config", host, *there)
    assert current() != first
    assert re.search(rf"^\* new +{first} +ready", run("rollback", "new", *there), re.MULTILINE)
    assert "pinned" in run("pin", "new", *there)
    assert "contract" in run("list", *there)
    write_adapter(tmp_path / "pair" / "german", seed=7)
    write_adapter(tmp_path / "pair" / "french", seed=8)
    pair = run("add", str(tmp_path / "pair"), "--into", into, "--host-config", host, "--wait-s", "20", *there)
    assert re.findall(r"^pair\.(\w+)@", pair, re.MULTILINE) == ["french", "german"]
    write_adapter(model, use_dora=True)
    assert run("doctor", str(model), "--host-config", host, code=1) == ""  # said by a process of its own
    assert "removed" in run("remove", "new", "--into", into)
    assert not (stack.adapters / "new").exists()
