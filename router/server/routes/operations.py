"""`GET /health`, `GET /ready`, `GET /metrics`: for those who run the router."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Response

from router.runtime import Runtime


def build(runtime: Runtime) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    async def health() -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready() -> Response:
        state = await runtime.readiness()
        return Response(msgspec.json.encode(state), 200 if state.ready else 503, media_type="application/json")

    async def metrics() -> Response:
        health = runtime.health
        runtime.metrics.clouds(health.seen(), health.refused_keys(), health.online_ratio)
        runtime.metrics.canaries(runtime.canaries.ratios)
        runtime.metrics.sinks(runtime.recorder.states())
        if runtime.ledger is not None:
            runtime.metrics.ledger(runtime.ledger.state())
        runtime.metrics.budgets(runtime.accounts.left_by_key())
        return Response(runtime.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes.add_api_route("/health", health, methods=["GET"])
    routes.add_api_route("/ready", ready, methods=["GET"])
    routes.add_api_route("/metrics", metrics, methods=["GET"])
    return routes
