"""`GET /v1/models`: what a client may ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter, Request, Response

from router.core.errors import ModelNotFound
from router.core.plugin import nearest
from router.core.types import Principal
from router.routing.candidates import AUTO, LOCAL, LOCAL_BASE
from router.runtime import Runtime
from router.server.exchange import NOBODY

VERSION_HEADER = "anthropic-version"
"""With it, a client asks for Anthropic's shape."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, in OpenAI's shape."""

    id: str
    created: int
    owned_by: str
    object: str = "model"


def _anthropic(model: Model) -> dict[str, str]:
    """Say the same in Anthropic's shape; a name's date is that of the router's start, for it has no other."""
    created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.id, "display_name": model.id, "created_at": created, "lifecycle": "active"}


def models(runtime: Runtime, caller: Principal) -> list[Model]:
    """List every model name that works now for a caller."""
    named = [(AUTO, "sona-router"), *((name, "cloud") for name in runtime.planner.group_names)]
    named += [(name, "local") for name in runtime.planner.own_names]
    if runtime.host is not None:
        local = runtime.directory.models_for(caller.tenant)
        named += [(LOCAL, "local"), (LOCAL_BASE, "local"), *((name, "adapter") for name in sorted(local.current))]
        named += [(one, "adapter") for one in sorted(local.ids)]
    allowed = caller.allowed_models
    return [
        Model(id=name, created=runtime.started_unix_s, owned_by=owner)
        for name, owner in named
        if allowed is None or name in allowed
    ]


def build(runtime: Runtime) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    async def list_models(request: Request) -> Response:
        if VERSION_HEADER in request.headers:
            listed = [_anthropic(model) for model in models(runtime, _caller(request))]
            first, last = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
            ends = {"first_id": first, "last_id": last}
            return _json({"data": listed, "has_more": False, **ends})
        return _json({"object": "list", "data": models(runtime, _caller(request))})

    async def one_model(model: str, request: Request) -> Response:
        known = {entry.id: entry for entry in models(runtime, _caller(request))}
        if model not in known:
            raise ModelNotFound(f"there is no such model{nearest(model, sorted(known))}", param="model")
        return _json(_anthropic(known[model]) if VERSION_HEADER in request.headers else known[model])

    routes.add_api_route("/v1/models", list_models, methods=["GET"])
    routes.add_api_route("/v1/models/{model:path}", one_model, methods=["GET"])
    return routes


def _caller(request: Request) -> Principal:
    return request.scope.get("sona.principal", NOBODY)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
