"""`GET /v1/decisions/{id}`: what was decided about a request of the caller's own, and why."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from router.core.errors import NotFound
from router.record.recent import KEPT
from router.runtime import Runtime
from router.server.exchange import NOBODY


def build(runtime: Runtime) -> APIRouter:
    """Make the route."""
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
