"""`/v1/decisions/{id}`: what was decided about a request of the caller's own, and why; and what the caller says of it."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from router.core.errors import InvalidRequest, NotFound, RouterError
from router.providers.local import EngineHost
from router.record.feedback import KEPT as RATABLE
from router.record.feedback import Heard
from router.record.recent import KEPT
from router.runtime import Runtime
from router.server.exchange import NOBODY, ClientGone, Exchange

_MAX_BYTES = 4096
_BODY_S = 10.0
_GOOD = 0.5
"""From this score on an answer counts as liked."""


class _Rating(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a feedback."""

    score: float


class Feedback:
    """Takes `{"score": 0..1}` of a decision of the caller's own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one exchange, over bare ASGI.

        Raises:
            RouterError: a bad body, or no such decision.
        """
        exchange = Exchange(scope, receive, send)
        try:
            rating = _rating(await exchange.body(_MAX_BYTES, _BODY_S))
            decision: str = scope["path_params"]["decision"]
            heard = self._runtime.feedback.rate(decision, exchange.principal.id, rating.score)
            if heard is Heard.UNKNOWN:
                raise NotFound(f"no answer of this key has this id among the latest {RATABLE}")
            if heard is Heard.FIRST and self._runtime.host is not None:
                record = self._runtime.recent.find(decision, exchange.principal.id)
                await vote(self._runtime.host, record, good=rating.score >= _GOOD)
            payload = msgspec.json.encode({"decision_id": decision, "score": rating.score})
            await exchange.json(200, payload, [("x-request-id", exchange.request_id)])
        except ClientGone:
            return


class _Answered(msgspec.Struct):
    """Of a decision record: who answered."""

    target: str | None = None


async def vote(host: EngineHost, record: bytes | None, *, good: bool) -> None:
    """Tell the engine host what a caller thought of an adapter's answer: a version on trial is judged by it."""
    target = (msgspec.json.decode(record, type=_Answered).target if record is not None else None) or ""
    adapter = target.removeprefix("local/")
    if adapter == target or "@" not in adapter:
        return
    with suppress(RouterError):  # it goes on by what others think
        await host.order(adapter, "vote", {"good": str(good).lower()})


def _rating(data: bytes) -> _Rating:
    try:
        rating = msgspec.json.decode(data, type=_Rating)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest('send {"score": n} with a number from 0 (useless) to 1 (right)', param="score") from None
    if not 0 <= rating.score <= 1:
        raise InvalidRequest("'score' must be from 0 (useless) to 1 (right)", param="score")
    return rating


def build(runtime: Runtime) -> APIRouter:
    """Make the route to read one."""
    routes = APIRouter()

    async def decision(decision: str, request: Request) -> Response:
        principal = request.scope.get("sona.principal", NOBODY)
        found = runtime.recent.find(decision, principal.id)
        if found is None:
            message = f"no decision of this key has this id among the latest {KEPT}; older ones are in the records"
            raise NotFound(message)
        return Response(found, media_type="application/json")

    routes.add_api_route("/v1/decisions/{decision}", decision, methods=["GET"])
    return routes
