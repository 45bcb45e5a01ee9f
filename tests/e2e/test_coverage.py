"""Every part of every request is accounted for, and the documentation's table says what is so."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from router import compose
from router.config.load import load
from router.server.app import create_app
from tests.leaks.coverage import HEADERS, PAGE, SPOILED, Row, Survey, page
from tests.leaks.endpoints import ENDPOINTS
from tests.leaks.site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

NO_TEXT = frozenset(
    (
        "/v1/responses/{response_id}",  # DELETE has no body
        "/v1/decisions/{decision}/feedback",  # one number, and nothing else is taken
        # Orders about adapters stand in the path; no body is read, and they go to the engine host alone.
        *(
            f"/v1/adapters/{{adapter}}:{order}"
            for order in ("rollback", "pin", "unpin", "disable", "enable", "rescan", "vote")
        ),
    )
)
"""Routes whose bodies hold no text of a caller's; each needs a reason here."""

SENDS_NOTHING = frozenset({"/v1/sona/select"})
"""Routes that read a text and neither send nor keep it, so that there is no decision to tell of; `test_surface` looks."""

TRAVELLING = ("header `anthropic-version`", "header `anthropic-beta`")
"""Headers that may travel, so that what isn't of their shape is refused."""

COUNTED_HERE = "/v1/messages/count_tokens"
"""Its model here isn't Anthropic's, so that this process counts whatever is asked."""


def missing(app: FastAPI) -> set[str]:
    """Find the routes that take a body and aren't in the table."""
    routes = [route for route in app.router.routes if isinstance(route, Route)]
    assert len(routes) == len(app.router.routes), "a mount or another kind of route: teach this test to walk it"
    takes_a_body = {route.path for route in routes if (route.methods or {"POST"}) - {"GET", "HEAD"}}
    return takes_a_body - NO_TEXT - SENDS_NOTHING - {endpoint.path for endpoint in ENDPOINTS}


@pytest.fixture(scope="module")
async def rows(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[list[Row]]:
    changes = {"privacy": {"scan": {"deadline_ms": 10_000}}, "routing": {"ttft_s": 20, "total_s": 20}}
    site = Site(tmp_path_factory.mktemp("coverage") / "site", changes)
    try:
        await site.start()
        yield await Survey(site).rows()
    finally:
        await site.stop()


def test_every_route_that_takes_a_body_is_in_the_table_and_a_new_one_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(f"record: {{path: {tmp_path}}}\nsona: {{enabled: false}}\n")
    config, source = load(file)
    app = create_app(compose.build(config, source, engine=None, records=False))
    assert missing(app) == set(), "give each new route a row in tests/leaks/endpoints.py"

    async def unscanned(request: Request) -> Response:
        return Response(await request.body())

    app.router.routes.append(Route("/v1/new", unscanned, methods=["POST"]))
    assert missing(app) == {"/v1/new"}


async def test_no_cell_is_empty_and_every_field_is_read_refused_or_kept(rows: list[Row]) -> None:
    for row in rows:
        assert all(row), row
        around = row.field.startswith("header ") or row.field == "query string"
        for cell in (row.local, row.mask):
            kept = re.fullmatch(r"found, (local|masked)|unreadable:\w+, local|refused \(4\d\d\)", cell)
            stays = cell == "cloud, without it" or (row.field in TRAVELLING and cell == "refused (400)")
            stays = stays or (row.endpoint == COUNTED_HERE and cell == "local")
            assert stays if around else kept, row
        assert row.local != "found, masked", row


async def test_every_endpoint_is_asked_for_headers_the_query_and_broken_bodies(rows: list[Row]) -> None:
    for endpoint in ENDPOINTS:
        fields = {row.field for row in rows if row.endpoint == endpoint.path}
        assert fields >= {
            "model",
            "query string",
            *endpoint.fields,
            *SPOILED,
            *(f"header `{name}`" for name in HEADERS),
        }


async def test_harmless_words_still_reach_the_cloud_from_every_readable_field(rows: list[Row]) -> None:
    for row in rows:
        if row.local == "found, local" and not row.harmless.startswith("unreadable:"):
            assert row.harmless == ("local" if row.endpoint == COUNTED_HERE else "cloud"), row


async def test_the_documentation_holds_this_very_table(rows: list[Row]) -> None:
    assert PAGE.read_text() == page(rows), "run `python -m tests.leaks.coverage --write`"
