"""The HTTP surface: routes, the key, and errors as OpenAI's JSON."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_inference.gateway import retry_after
from local_inference.host import Host
from local_inference.settings import is_loopback
from router.core.clock import monotonic_s
from router.core.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RouterError,
    Unauthenticated,
    stack_of,
)

_log = logging.getLogger(__name__)
_MAX_WAIT_S = 60.0
_JSON = "application/json"


def create_app(host: Host) -> ASGIApp:
    """Build the application; `host` must run while it serves."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_facts(app, host)
    _add_orders(app, host)
    for path in ("/v1/chat/completions", "/v1/completions"):
        app.router.routes.append(Route(path, endpoint=Guarded(host.gateway), methods=["POST"]))
    app.add_exception_handler(RouterError, _router_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_query)
    return Keyed(app, host.settings.api_key.get_secret_value() if host.settings.api_key else None)


def _add_facts(app: FastAPI, host: Host) -> None:
    """Add the routes that tell about the host."""

    @app.get("/health")
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction] FastAPI calls it
        return _json({"status": "ok"})

    @app.get("/ready")
    async def ready() -> Response:  # pyright: ignore[reportUnusedFunction]
        readiness = host.readiness()
        return _json(readiness, 200 if readiness.ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(host.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models")
    async def models() -> Response:  # pyright: ignore[reportUnusedFunction]
        return _json({"object": "list", "data": host.models()})

    @app.get("/v1/adapters")
    async def adapters(  # pyright: ignore[reportUnusedFunction]
        after: int | None = None, wait_s: Annotated[float, Query(ge=0)] = 0.0
    ) -> Response:
        if after is not None:
            await _newer(host, after, min(wait_s, _MAX_WAIT_S))
        return _json(host.listing())


def _add_orders(app: FastAPI, host: Host) -> None:
    """Add the routes that change an adapter; each answers with all of its versions."""
    operations = host.operations

    def told(target: str) -> Response:
        return _json(host.listing(target.partition("@")[0]))

    @app.post("/v1/adapters/{adapter}:rollback")
    async def rollback(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.roll_back(adapter)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:pin")
    async def pin(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.pin(adapter, pinned=True)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:unpin")
    async def unpin(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.pin(adapter, pinned=False)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:disable")
    async def disable(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.disable(adapter)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:enable")
    async def enable(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.enable(adapter)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:rescan")
    async def rescan(adapter: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.rescan(adapter)
        return told(adapter)

    @app.post("/v1/adapters/{adapter}:vote")
    async def vote(adapter: str, good: bool) -> Response:  # pyright: ignore[reportUnusedFunction]
        await operations.vote(adapter, good=good)
        return told(adapter)


async def _newer(host: Host, revision: int, wait_s: float) -> None:
    """Wait until the catalog is newer than a revision, or the time is over."""
    deadline_s = monotonic_s() + wait_s
    while host.catalog.revision <= revision and not host.closing and (left_s := deadline_s - monotonic_s()) > 0:
        await host.changes.wait(left_s)


def _json(value: object, status: int = 200) -> Response:
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a file's name or key that is no text: shown as far as it is one
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        data = text.encode("utf-8", "replace")
    return Response(data, status, media_type=_JSON)


class Keyed:
    """Asks for the key on every /v1 route and /metrics; compares in constant time. Without one, no web page is answered."""

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode() if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _guarded(scope) and (refusal := self._refusal(scope)) is not None:
            await _respond(send, Unauthenticated(refusal))
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        if self._expected is None:
            return "web pages aren't answered without a key; set `api_key`" if _is_for_a_page(scope) else None
        if hmac.compare_digest(_header(scope, b"authorization") or b"", self._expected):
            return None
        return "missing or wrong API key; send `Authorization: Bearer <key>`"


def _guarded(scope: Scope) -> bool:
    path = str(scope["path"])
    return path.startswith("/v1") or path == "/metrics"


def _header(scope: Scope, name: bytes) -> bytes | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), None)


def _is_for_a_page(scope: Scope) -> bool:
    """Say whether a browser asks for a page: it names the page's origin, or the host by a name of the internet's.

    A name without a dot is nobody's there.
    """
    if _header(scope, b"origin") is not None:
        return True
    asked = _header(scope, b"host")
    try:
        host = "localhost" if asked is None else urlsplit(f"//{asked.decode('latin-1')}").hostname or ""
    except ValueError:  # a bracket that isn't closed
        return True
    return not is_loopback(host) and (not host or "." in host or ":" in host)


class Guarded:
    """Turns what a raw ASGI handler raises into an error answer, as long as none was started."""

    def __init__(self, handler: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._handler(scope, receive, sending)
        except RouterError as error:
            if started:
                raise
            await _respond(send, error)
        except Exception as error:  # the last resort: a bug of ours must not look like the caller's
            if started:
                raise
            _log.error("bug while answering path=%s\n%s", scope["path"], stack_of(error))
            await _respond(send, InternalError("internal error; see the engine host's log"))


async def _respond(send: Send, error: RouterError) -> None:
    headers = [(b"content-type", _JSON.encode()), *retry_after(error)]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": error.body()})


async def _router_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RouterError)
    headers = {name.decode(): value.decode() for name, value in retry_after(error)}
    return Response(error.body(), error.http_status, headers, media_type=_JSON)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        return await _router_error(request, MethodNotAllowed(f"{request.method} is not allowed on {path}"))
    if error.status_code == 404:
        return await _router_error(request, NotFound(f"there is no route {path}"))
    return await _router_error(request, InvalidRequest("the request can't be read"))


async def _bad_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return await _router_error(request, InvalidRequest(f"query parameter '{name}': {first['msg']}", param=name))
