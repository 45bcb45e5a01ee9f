"""`POST /v1/route/explain`: the decision about a request of any dialect, and its reasons."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope, Send

from router.core.errors import InvalidRequest
from router.core.types import Dialect, Request
from router.record.trace import Trace
from router.runtime import Runtime
from router.server.exchange import Exchange
from router.server.routes.inference import Endpoint
from router.server.routes.responses import goes_on


class Explain:
    """Takes the body of a chat request, or of the dialect that the query names (`?dialect=messages`)."""

    def __init__(self, runtime: Runtime) -> None:
        self._by_dialect = {dialect.value: _Explain(runtime, dialect) for dialect in Dialect}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one exchange, over bare ASGI.

        Raises:
            InvalidRequest: there is no such dialect.
        """
        named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("dialect", [Dialect.CHAT.value])
        endpoint = self._by_dialect.get(named[-1])
        if endpoint is None:
            raise InvalidRequest(f"'dialect' must be one of: {', '.join(self._by_dialect)}", param="dialect")
        await endpoint(scope, receive, send)


class _Explain(Endpoint):
    """Explains requests of one dialect; calls no model, and leaves no record."""

    async def respond(self, exchange: Exchange, request: Request, trace: Trace) -> None:
        """Explain."""
        request = await whole(request, self._runtime)
        explained = await self._runtime.pipeline.explain(request, trace)
        await exchange.json(200, msgspec.json.encode(explained), trace.headers(final=False))


async def whole(request: Request, runtime: Runtime) -> Request:
    """Put in what a request goes on from, where its dialect has that.

    Raises:
        RouterError: that isn't kept here.
    """
    if request.dialect is not Dialect.RESPONSES:
        return request
    return (await goes_on(runtime.responses, request, runtime.config.server.max_body_bytes)).request
