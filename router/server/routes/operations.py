"""`GET /health`, `GET /ready`, `GET /metrics`: for those who run the router."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from fastapi import APIRouter, Request, Response

from router.core.types import Principal
from router.runtime import Runtime
from router.server.exchange import NOBODY


def _seen_by(runtime: Runtime, principal: Principal) -> Callable[[Mapping[str, str]], bool]:
    """Say which samples a caller may see who is no administrator: none that names another tenant's keys or adapters."""
    keys = runtime.accounts.keys_of(principal.tenant)
    adapters = {info.name for info in runtime.directory.visible(principal).data}

    def may_see(labels: Mapping[str, str]) -> bool:
        target = labels.get("target", "")
        adapter = labels.get("adapter") or (target.removeprefix("local/") if target.startswith("local/") else "")
        is_own = adapter in ("", "none", "base") or adapter.partition("@")[0] in adapters
        return is_own and ("key" not in labels or labels["key"] in keys)

    return may_see


def build(runtime: Runtime) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    async def health() -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready() -> Response:
        state = await runtime.readiness()
        return Response(msgspec.json.encode(state), 200 if state.ready else 503, media_type="application/json")

    async def metrics(request: Request) -> Response:
        health = runtime.health
        runtime.metrics.clouds(health.seen(), health.refused_keys(), health.online_ratio)
        runtime.metrics.canaries(runtime.canaries.ratios)
        runtime.metrics.sinks(runtime.recorder.states())
        if runtime.ledger is not None:
            runtime.metrics.ledger(runtime.ledger.state())
        runtime.metrics.budgets(runtime.accounts.left_by_key())
        principal: Principal = request.scope.get("sona.principal", NOBODY)
        text = runtime.metrics.render(None if principal.admin else _seen_by(runtime, principal))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    routes.add_api_route("/health", health, methods=["GET"])
    routes.add_api_route("/ready", ready, methods=["GET"])
    routes.add_api_route("/metrics", metrics, methods=["GET"])
    return routes
