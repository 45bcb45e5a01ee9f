"""The ASGI application: routes, authentication and error bodies, wired to a runtime."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.accounts import Accounts
from router.core.errors import InternalError, MethodNotAllowed, NotFound, RouterError, Unauthenticated, stack_of
from router.core.types import Dialect, Limits, Principal
from router.runtime import Runtime
from router.server.auth import ANONYMOUS, Authenticator, is_foreign_page
from router.server.exchange import Exchange
from router.server.routes import adapters, decisions, models, operations, responses
from router.server.routes.decisions import Feedback
from router.server.routes.explain import Explain
from router.server.routes.inference import Inference
from router.server.routes.models import VERSION_HEADER
from router.server.routes.responses import Responses
from router.server.routes.sona import Select
from router.wire.dialects import codec

_log = logging.getLogger(__name__)

SERVED = (
    Dialect.CHAT,
    Dialect.COMPLETIONS,
    Dialect.EMBEDDINGS,
    Dialect.RESPONSES,
    Dialect.MESSAGES,
    Dialect.COUNT_TOKENS,
)
"""The dialects that callers may speak."""

_ENDPOINTS = {Dialect.RESPONSES: Responses}
"""Those that need more than `Inference` does."""

_UNLIMITED = Limits()

OPEN_PATHS = frozenset({"/health", "/ready"})
"""Paths that need no key: a probe has none, and they tell nothing of anybody's traffic."""


def create_app(runtime: Runtime) -> FastAPI:
    """Build the application on a runtime that is running."""
    app = FastAPI(title="sona-router", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False
    endpoints = {codec(one).path: _ENDPOINTS.get(one, Inference)(runtime, one) for one in SERVED}
    for path, endpoint in endpoints.items():
        app.router.routes.append(Route(path, endpoint, methods=["POST"]))
    app.router.routes.append(Route("/v1/route/explain", Explain(runtime), methods=["POST"]))
    app.router.routes.append(Route("/v1/decisions/{decision}/feedback", Feedback(runtime), methods=["POST"]))
    app.router.routes.append(Route("/v1/sona/select", Select(runtime, Dialect.CHAT), methods=["POST"]))
    app.include_router(models.build(runtime))
    app.include_router(adapters.build(runtime))
    app.include_router(decisions.build(runtime))
    app.include_router(operations.build(runtime))
    app.include_router(responses.build(runtime))
    server = runtime.config.server
    authenticator = Authenticator(server.keys, runtime.secret, runtime.ledger, host=server.host)
    app.add_middleware(Guard, authenticator=authenticator, accounts=runtime.accounts, endpoints=endpoints)
    app.add_exception_handler(RouterError, _router_error)
    app.add_exception_handler(HTTPException, _http_error)
    return app


class Guard:
    """Lets nobody without a key past, whatever the route, and no exception out: its message may quote a prompt."""

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, accounts: Accounts, endpoints: Mapping[str, ASGIApp]
    ) -> None:
        """`endpoints` take the POSTs of their paths: they are called without the walk through all routes and layers."""
        self._app = app
        self._endpoints = endpoints
        self._authenticator = authenticator
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 401; a bug that no endpoint caught is a 500, its stack without text in the log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        who: Principal | None = None
        """Whose answer says what the key may still ask for."""

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            if who is not None and message["type"] == "http.response.start":
                told = [(name.encode(), value.encode()) for name, value in self._accounts.headers(who)]
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        exchange = Exchange(scope, receive, send)
        try:
            if scope["path"] not in OPEN_PATHS:
                principal = scope["sona.principal"] = self._authenticator.principal(
                    exchange.headers.get("authorization"), exchange.headers.get("x-api-key")
                )
                if principal is ANONYMOUS and is_foreign_page(exchange.headers):
                    raise Unauthenticated(
                        "web pages from elsewhere need a key; make one with `sona-router keys create`"
                    )
                who = principal if principal.limits != _UNLIMITED else None
            endpoint = self._endpoints.get(scope["path"], self._app) if scope["method"] == "POST" else self._app
            await endpoint(scope, receive, noting)
        except RouterError as error:
            await exchange.error(error, [("x-request-id", exchange.request_id)], _body(exchange, error))
        except Exception as error:  # noqa: BLE001 the last of all resorts
            _log.error("request %s failed by a bug of the router\n%s", exchange.request_id, stack_of(error))
            if not started:
                bug = InternalError("the router failed; its log says how")
                await exchange.error(bug, [("x-request-id", exchange.request_id)], _body(exchange, bug))


def _body(exchange: Exchange, error: RouterError) -> bytes:
    """Encode an error in the shape of the API that the caller speaks: Anthropic's under its paths, or with its header."""
    error.request_id = exchange.request_id
    messages = codec(Dialect.MESSAGES)
    is_under = exchange.path == messages.path or exchange.path.startswith(f"{messages.path}/")
    is_told = exchange.path.startswith("/v1/models") and VERSION_HEADER in exchange.headers
    return messages.error(error) if is_under or is_told else error.body()


async def _router_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RouterError)
    exchange = Exchange(request.scope, request.receive, _nowhere)
    headers = {"x-should-retry": "false", "x-request-id": exchange.request_id}
    return Response(_body(exchange, error), error.http_status, headers, media_type="application/json")


async def _nowhere(_: Message) -> None:
    """Takes nothing: only the request's id is wanted."""


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    shown = MethodNotAllowed if status == 405 else NotFound
    what = "this path has other methods" if status == 405 else "this path is not served here"
    return await _router_error(request, shown(f"{what}; see the documentation for the endpoints there are"))
