"""Routes in vLLM's own API process that see and free adapters' weights; imported by vLLM, never by the host.

vLLM's unload route forgets a name and leaves the weights in memory. Its engine can do more than its HTTP says: this is
an ASGI middleware (`--middleware`) that adds what is missing. Middleware stands before vLLM's own check of the key, which
guards some paths only: `/invocations`, `/tokenize`, `/metrics` and others answer anybody on this machine, with whoever's
adapter. So the key is checked here for all of them, and only callers on this machine are heard.
Source: vllm/v1/engine/async_llm.py, vllm/entrypoints/serve/middleware/{register,authenticate}.py in 0.32.0.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Protocol, cast

import msgspec

PREFIX = "/sona/"
_HERE = frozenset({"127.0.0.1", "::1"})
_MAX_BODY_BYTES = 65_536
_TRIES, _PAUSE_S = 20, 0.05

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, object]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Lora(Protocol):
    lora_int_id: int


class Running(Protocol):
    lora_name: str | None


class Outputs(Protocol):
    request_states: Mapping[str, Running]


class Client(Protocol):
    """vLLM's `AsyncLLM`."""

    output_processor: Outputs

    async def remove_lora(self, lora_id: int) -> bool: ...
    async def list_loras(self) -> set[int]: ...
    async def collective_rpc(self, method: str, *, args: tuple[object, ...] = ()) -> list[object]: ...


class Models(Protocol):
    """vLLM's register of names."""

    lora_requests: dict[str, Lora]


class State(Protocol):
    """`app.state` of vLLM's FastAPI application."""

    engine_client: Client
    openai_serving_models: Models


class Application(Protocol):
    state: State


class Command(msgspec.Struct):
    """Body of a command: which adapter, by its engine-side name."""

    name: str


class Slots(msgspec.Struct):
    host: list[int]
    device: list[int]


class AdminRoutes:
    """Lets nobody past but who has the key; answers paths under `/sona/`, all others go on to vLLM."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._expected = f"Bearer {os.environ['VLLM_API_KEY']}".encode()
        self._numbers: dict[str, int] = {}
        """vLLM's number of each name seen, also of those that vLLM has forgotten."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._may(scope):
            await _refuse(scope, send)
        elif scope["type"] != "http" or not str(scope["path"]).startswith(PREFIX):
            await self._app(scope, receive, send)
        else:
            status, body = await self._do(scope, receive)
            await _answer(send, status, body)

    def _may(self, scope: Scope) -> bool:
        client = cast("tuple[str, int] | None", scope.get("client"))
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        given = next((value for name, value in headers if name == b"authorization"), b"")
        return client is not None and client[0] in _HERE and hmac.compare_digest(given, self._expected)

    async def _do(self, scope: Scope, receive: Receive) -> tuple[int, object]:
        app = cast(Application, scope["app"])
        client, models = app.state.engine_client, app.state.openai_serving_models
        self._numbers.update({name: lora.lora_int_id for name, lora in models.lora_requests.items()})
        path, method = str(scope["path"]).removeprefix(PREFIX), scope["method"]
        if (method, path) == ("GET", "adapters"):
            return 200, await self._memory(client, models)
        try:
            name = msgspec.json.decode(await _body(receive), type=Command).name
        except msgspec.DecodeError as error:
            return 400, {"error": {"message": str(error)}}
        number = self._numbers.get(name)
        match method, path:
            case "POST", "free":
                models.lora_requests.pop(name, None)
                return await self._free(client, name, number)
            case "POST", "evict":
                return await self._free(client, name, number)
            case "POST", "vacate":
                freed = number is not None and all(await client.collective_rpc("free_adapter_slot", args=(number,)))
                return 200, {"freed": freed}
            case "POST", "time":
                times = await client.collective_rpc("time_adapter_slot", args=(number,)) if number else []
                return 200, {"activate_ms": max((float(str(time)) for time in times), default=None)}
            case _:
                return 404, {"error": {"message": "there is no such route"}}

    async def _memory(self, client: Client, models: Models) -> object:
        """Name what is in memory; weights without a name are counted."""
        told = await client.collective_rpc("adapter_slots")
        slots = msgspec.convert(told[0], Slots)
        names = {lora.lora_int_id: name for name, lora in models.lora_requests.items()}
        host = [names[number] for number in slots.host if number in names]
        return {
            "host": host,
            "device": [names[number] for number in slots.device if number in names],
            "unnamed": len(slots.host) - len(host),
        }

    async def _free(self, client: Client, name: str, number: int | None) -> tuple[int, object]:
        """Remove an adapter's weights, and look whether they are gone; 409 = requests still use it."""
        if number is None:
            return 200, {"freed": True}
        for _ in range(_TRIES):
            users = sum(one.lora_name == name for one in client.output_processor.request_states.values())
            if not users:
                await client.remove_lora(number)
                if number not in await client.list_loras():
                    return 200, {"freed": True}
            await asyncio.sleep(_PAUSE_S)
        return 409, {"error": {"message": f"requests still use '{name}'"}}


async def _body(receive: Receive) -> bytes:
    data = b""
    while len(data) <= _MAX_BODY_BYTES:
        message = await receive()
        data += cast(bytes, message.get("body", b""))
        if not message.get("more_body"):
            break
    return data


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(send, 401, {"error": {"message": "only the engine host may ask this"}})


async def _answer(send: Send, status: int, body: object) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
