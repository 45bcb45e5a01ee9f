"""`/v1/adapters`: which LoRA adapters there are, and orders about them, which only an administrator may give."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response

from router.core.adapters import AdapterListing
from router.core.errors import AdapterNotFound, AdminRequired, InvalidRequest, NotFound
from router.core.types import Principal
from router.providers._http import is_loopback
from router.runtime import Runtime
from router.server.auth import ANONYMOUS
from router.server.exchange import NOBODY


def build(runtime: Runtime) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    async def order(request: Request, adapter: str, verb: str, **query: str) -> Response:
        require_admin(request)
        if runtime.host is None:
            raise AdapterNotFound("there is no local engine, and so there are no adapters; set 'local' to have one")
        told = await runtime.host.order(adapter, verb, query)
        await runtime.directory.agrees(adapter.partition("@")[0], told)
        return _json(told)

    async def list_adapters(request: Request) -> Response:
        return _json(runtime.directory.visible(_caller(request)))

    async def show(request: Request, adapter: str) -> Response:
        visible = runtime.directory.visible(_caller(request))
        data = tuple(info for info in visible.data if adapter in (info.name, info.id))
        if not data:
            raise NotFound("there is no such adapter")
        return _json(msgspec.structs.replace(visible, data=data))

    async def rollback(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "rollback")

    async def pin(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "pin")

    async def unpin(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "unpin")

    async def disable(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "disable")

    async def enable(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "enable")

    async def rescan(request: Request, adapter: str) -> Response:
        return await order(request, adapter, "rescan")

    async def vote(request: Request, adapter: str) -> Response:
        good = request.query_params.get("good", "")
        if good not in ("true", "false"):
            raise InvalidRequest("query parameter 'good' must be true or false", param="good")
        return await order(request, adapter, "vote", good=good)

    routes.add_api_route("/v1/adapters", list_adapters, methods=["GET"])
    routes.add_api_route("/v1/adapters/{adapter}", show, methods=["GET"])
    routes.add_api_route("/v1/adapters/{adapter}:rollback", rollback, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:pin", pin, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:unpin", unpin, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:disable", disable, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:enable", enable, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:rescan", rescan, methods=["POST"])
    routes.add_api_route("/v1/adapters/{adapter}:vote", vote, methods=["POST"])
    return routes


def require_admin(request: Request) -> None:
    """Let administrators through. A router without keys trusts its machine's users, not the web pages they look at.

    Raises:
        AdminRequired: the key may not administer, or a web page from elsewhere asks.
    """
    caller = _caller(request)
    if not caller.admin:
        raise AdminRequired("this key may not change adapters; give it `admin: true` under server.keys")
    if caller is not ANONYMOUS:
        return
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}")
        page = urlsplit(request.headers.get("origin", f"//{host.netloc}"))
        is_here = is_loopback(host.hostname or "") and page.netloc == host.netloc
    except ValueError:  # no host at all
        is_here = False
    if not is_here:
        raise AdminRequired("a web page from elsewhere may not change adapters")


def _caller(request: Request) -> Principal:
    return request.scope.get("sona.principal", NOBODY)


def _json(listing: AdapterListing) -> Response:
    return Response(msgspec.json.encode(listing), media_type="application/json")
