"""Who may ask vLLM anything: the engine host alone, on every path, also on those that vLLM itself leaves open."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from local_inference.engines._vllm_admin import AdminRoutes, Message

pytestmark = pytest.mark.anyio

KEY = "the-key-of-this-start"
PATHS = ["/v1/completions", "/invocations", "/tokenize", "/metrics", "/version", "/health", "/sona/adapters", "/"]


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> AdminRoutes:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    return AdminRoutes(PlainTextResponse("vLLM's"))  # pyright: ignore[reportArgumentType] the same by looser types


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, "", "Bearer", f"Bearer {KEY}x", KEY])
async def test_nobody_without_the_key_is_answered_on_any_path(routes: AdminRoutes, path: str, key: str | None) -> None:
    headers = {} if key is None else {"authorization": key}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(routes), base_url="http://127.0.0.1") as http:  # pyright: ignore[reportArgumentType]
        for method in ("GET", "POST", "OPTIONS"):
            assert (await http.request(method, path, headers=headers)).status_code == 401


async def test_nobody_from_another_machine_is_answered_and_the_engine_host_is(routes: AdminRoutes) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    for client, status in (("192.0.2.7", 401), ("127.0.0.1", 200)):
        transport = httpx.ASGITransport(routes, client=(client, 1))  # pyright: ignore[reportArgumentType]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http:
            assert (await http.post("/v1/completions")).status_code == status


async def test_a_socket_without_the_key_is_closed(routes: AdminRoutes) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await routes(
        {"type": "websocket", "path": "/v1/realtime", "headers": [], "client": ("127.0.0.1", 1)}, receive, send
    )
    assert sent == [{"type": "websocket.close", "code": 1008}]
