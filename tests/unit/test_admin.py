"""Who may change adapters: a key that is an administrator's, or a person at the router's own machine."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from router.core.errors import AdminRequired
from router.core.types import Principal
from router.server.auth import ANONYMOUS
from router.server.exchange import NOBODY
from router.server.routes.adapters import require_admin


def asked(principal: Principal | None, **headers: str) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/adapters/x:pin", "headers": raw, "query_string": b""}
    return Request({**scope, **({"sona.principal": principal} if principal else {})})


@pytest.mark.parametrize(
    "request_",
    [
        asked(Principal(id="ops", admin=True), host="router.example.com"),
        asked(Principal(id="ops", admin=True), host="router.example.com", origin="https://console.example.com"),
        asked(ANONYMOUS, host="127.0.0.1:8080"),
        asked(ANONYMOUS, host="localhost:8080"),
        asked(ANONYMOUS, host="[::1]:8080"),
        asked(ANONYMOUS, host="127.0.0.1:8080", origin="http://127.0.0.1:8080"),
    ],
)
def test_administrators_are_let_through(request_: Request) -> None:
    require_admin(request_)


@pytest.mark.parametrize(
    "request_",
    [
        asked(None, host="127.0.0.1:8080"),
        asked(NOBODY, host="127.0.0.1:8080"),
        asked(Principal(id="team"), host="127.0.0.1:8080"),
        asked(ANONYMOUS, host="127.0.0.1:8080", origin="https://evil.example.com"),
        asked(ANONYMOUS, host="127.0.0.1:8080", origin="http://127.0.0.1:9999"),
        asked(ANONYMOUS, host="127.0.0.1:8080", origin="null"),
        asked(ANONYMOUS, host="evil.example.com", origin="http://evil.example.com"),
        asked(ANONYMOUS, host="evil.example.com"),
        asked(ANONYMOUS, host="[::1"),
        asked(ANONYMOUS, host="127.0.0.1:8080", origin="http://[::1"),
        asked(ANONYMOUS),
    ],
)
def test_others_and_web_pages_from_elsewhere_are_not(request_: Request) -> None:
    with pytest.raises(AdminRequired):
        require_admin(request_)
