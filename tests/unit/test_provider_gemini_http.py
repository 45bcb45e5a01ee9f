"""The Gemini provider over real HTTP on loopback: by key, on Vertex AI with its tokens, and cut anywhere."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types
from pydantic import ValidationError

from router import compose
from router.config.load import Source, load
from router.config.schema import RouterConfig
from router.core.errors import (
    ConfigError,
    ContextTooLong,
    LocalityViolation,
    RouterError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality, Target
from router.providers._google import google_refusal
from router.providers.gemini import Config, Gemini, build, vertex_url
from tests.fakes import gemini as fakes
from tests.fakes import values
from tests.fakes.gemini import KEY, KEY_INVALID, error, fixture

pytestmark = pytest.mark.anyio

CLOCKS = Clocks(ttft_s=5, total_s=10)
USER = {"role": "user", "content": "hi"}
MODEL = "gemini-3-flash-preview"


def cleared(*, stream: bool = False, provider: str = "google", model: str = MODEL, **body: object) -> Cleared:
    target = Target(group="g", deployment="google/x", provider=provider, upstream_model=model, locality=Locality.ANY)
    full: Any = {"model": "g", "messages": [USER], **body}
    return values.cleared(target, full, stream=stream)


async def collect(provider: Gemini, permit: Cleared) -> list[Delta]:
    return [delta async for delta in provider.send(permit, CLOCKS)]


@asynccontextmanager
async def by_key(**config: object) -> AsyncGenerator[tuple[fakes.Gemini, Gemini]]:
    async with fakes.gemini() as fake:
        provider = build(Config.model_validate({"base_url": f"{fake.url}/v1beta", "api_key": KEY, **config}), "google")
        try:
            yield fake, provider
        finally:
            await provider.aclose()


@asynccontextmanager
async def on_vertex(**account: object) -> AsyncGenerator[tuple[fakes.Gemini, Gemini]]:
    async with fakes.gemini() as fake:
        row = {"base_url": fake.url, "credentials": fake.account(**account), "location": "europe-west4"}
        provider = build(Config.model_validate(row), "google")
        try:
            yield fake, provider
        finally:
            await provider.aclose()


# --- by key -----------------------------------------------------------------------------------------------------------


async def test_a_whole_answer_comes_back_over_http() -> None:
    async with by_key(headers={"X-Team": "a"}) as (fake, provider):
        (delta,) = await collect(provider, cleared(temperature=0.5, user="u"))
    assert json.loads(delta.payload)["choices"][0]["message"]["content"] == "Guten Tag 👋"
    assert delta.dropped == ("user",)
    (request,) = fake.requests
    assert request.path == f"/v1beta/models/{MODEL}:generateContent"
    assert (request.headers["x-goog-api-key"], request.headers["x-team"]) == (KEY, "a")
    assert "authorization" not in request.headers
    assert KEY not in request.path


async def test_a_stream_comes_back_over_http_and_names_what_was_left_out_once() -> None:
    async with by_key() as (fake, provider):
        fake.piece_bytes = 7
        deltas = await collect(provider, cleared(stream=True, user="u"))
    assert fake.requests[0].path == f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    assert [delta.dropped for delta in deltas] == [("user",), *[()] * (len(deltas) - 1)]
    assert deltas[-1].usage_only


@pytest.mark.parametrize(
    ("model", "path"),
    [("tunedModels/mine", "/v1beta/tunedModels/mine:"), ("a b?c", "/v1beta/models/a%20b%3Fc:")],
)
async def test_a_model_s_name_makes_the_path(model: str, path: str) -> None:
    async with by_key() as (fake, provider):
        fake.refusals = [error(503, "UNAVAILABLE")]
        with pytest.raises(UpstreamUnavailable):
            await collect(provider, cleared(model=model))
    assert fake.requests[0].path.startswith(path)


async def test_closing_the_generator_cancels_the_upstream() -> None:
    async with by_key() as (fake, provider):
        deltas = provider.send(cleared(stream=True), CLOCKS)
        assert await anext(deltas)
        await deltas.aclose()
    assert len(fake.requests) == 1


INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
ERRORS: dict[str, tuple[tuple[int, dict[str, Any]], type[RouterError], float | None]] = {
    "a wrong request": (error(400, "INVALID_ARGUMENT"), UpstreamRejected, None),
    "a bad key": (error(400, "INVALID_ARGUMENT", KEY_INVALID), UpstreamAuthFailed, None),
    "a service that isn't enabled": (
        error(403, "PERMISSION_DENIED", {**INFO, "reason": "SERVICE_DISABLED"}),
        UpstreamAuthFailed,
        None,
    ),
    "no billing": (error(400, "FAILED_PRECONDITION"), UpstreamAuthFailed, None),
    "no token": (error(401, "UNAUTHENTICATED"), UpstreamAuthFailed, None),
    "a quota": (error(429, "RESOURCE_EXHAUSTED", RETRY), UpstreamRateLimited, 34.07),
    "a quota without a time": (error(429, "RESOURCE_EXHAUSTED"), UpstreamRateLimited, None),
    "a model that isn't there": (error(404, "NOT_FOUND"), UpstreamUnavailable, None),
    "overload": (error(503, "UNAVAILABLE"), UpstreamUnavailable, None),
    "a fault": (error(500, "INTERNAL"), UpstreamUnavailable, None),
    "too late": (error(504, "DEADLINE_EXCEEDED"), UpstreamUnavailable, None),
    "given up": (error(499, "CANCELLED"), UpstreamUnavailable, None),
    "too large": (error(413, ""), ContextTooLong, None),
    "something else": ((400, {"oh": "SECRET"}), UpstreamRejected, None),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("answer", "kind", "wait_s"), ERRORS.values(), ids=ERRORS)
async def test_an_error_answer_becomes_our_error(
    answer: tuple[int, dict[str, Any]], kind: type[RouterError], wait_s: float | None, stream: bool
) -> None:
    async with by_key() as (fake, provider):
        fake.refusals = [answer]
        with pytest.raises(kind) as caught:
            await collect(provider, cleared(stream=stream))
    assert "SECRET" not in caught.value.message
    assert KEY not in caught.value.message
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"[[", b'{"error":[]}', b'{"error":null}', b'[{"error":{}}]', b"[" * 9_999]
)
def test_an_error_body_of_any_shape_is_read(body: bytes) -> None:
    assert isinstance(google_refusal("google", 500, body, None), UpstreamUnavailable)


async def test_a_bad_key_is_seen_by_its_reason_alone() -> None:
    async with by_key(api_key="wrong") as (_, provider):
        with pytest.raises(UpstreamAuthFailed):
            await collect(provider, cleared())


async def test_a_request_that_cannot_be_translated_is_never_sent() -> None:
    async with by_key() as (fake, provider):
        with pytest.raises(UnsupportedFeature):
            await collect(provider, cleared(functions=[{"name": "x"}]))
        with pytest.raises(LocalityViolation):
            await collect(provider, cleared(provider="other"))
    assert fake.requests == []


# --- cut anywhere -----------------------------------------------------------------------------------------------------


async def outcome(provider: Gemini) -> list[bytes] | RouterError:
    try:
        return [delta.payload for delta in await collect(provider, cleared(stream=True))]
    except RouterError as error:
        return error


def shown(payloads: list[bytes] | RouterError) -> str:
    assert isinstance(payloads, list)
    chunks = [json.loads(payload) for payload in payloads]
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize("clean", [False, True])
async def test_a_stream_that_is_cut_is_an_error_or_whole(clean: bool) -> None:
    """At every end of an event and at a hundred places within one; also where the cut looks like an end."""
    ends = [len(b"data: " + json.dumps(event).encode() + b"\r\n\r\n") for event in fixture("text")]
    edges = [sum(ends[:count]) for count in range(len(ends) + 1)]
    places = [*edges, *random.Random(3).choices(range(edges[-1]), k=100)]
    async with by_key() as (fake, provider):
        entire = shown(await outcome(provider))
        fake.clean_cut = clean
        for place in places:
            fake.cut_at = place
            got = await outcome(provider)
            if isinstance(got, RouterError):
                assert isinstance(got, UpstreamProtocolError | UpstreamUnavailable), place
            else:
                assert shown(got) == entire, place
                assert place == edges[-1]
                assert clean


async def test_a_whole_answer_that_is_cut_is_an_error() -> None:
    async with by_key() as (fake, provider):
        for place in random.Random(4).choices(range(400), k=25):
            fake.cut_at = place
            with pytest.raises((UpstreamProtocolError, UpstreamUnavailable)):
                await collect(provider, cleared())


async def test_a_stream_that_is_none_is_a_protocol_error() -> None:
    async with by_key() as (fake, provider):
        fake.refusals = [(200, {"events": []})]
        with pytest.raises(UpstreamProtocolError):
            await collect(provider, cleared(stream=True))


# --- the fake speaks as the vendor does -------------------------------------------------------------------------------


def asked_by_the_vendor_s_client(url: str) -> tuple[types.GenerateContentResponse, list[types.GenerateContentResponse]]:
    """Ask whole and streamed. The client's async half makes a class that its own library warns of, so this one isn't."""
    options = types.HttpOptions(base_url=url, api_version="v1beta")
    with genai.Client(api_key=KEY, http_options=options) as client:
        whole = client.models.generate_content(model=MODEL, contents="hi")
        return whole, list(client.models.generate_content_stream(model=MODEL, contents="hi"))


@pytest.mark.parametrize("name", ["text", "tools", "logprobs", "grounded", "blocked", "several"])
async def test_the_vendor_s_own_client_reads_the_fake(name: str) -> None:
    async with fakes.gemini() as fake:
        fake.script = lambda model, body: fixture(name)
        whole, events = await asyncio.to_thread(asked_by_the_vendor_s_client, fake.url)
    assert len(events) == len(fixture(name))
    assert whole.usage_metadata is not None
    assert events[-1].usage_metadata == whole.usage_metadata


# --- on Vertex AI -----------------------------------------------------------------------------------------------------

VERTEX_PATH = f"/v1/projects/test-project/locations/europe-west4/publishers/google/models/{MODEL}:generateContent"


async def test_a_service_account_s_token_is_fetched_once_and_kept() -> None:
    async with on_vertex() as (fake, provider):
        for _ in range(3):
            await collect(provider, cleared())
        await collect(provider, cleared(stream=True))
    assert len(fake.grants) == 1
    claims = fake.grants[0]
    assert (claims["alg"], claims["kid"]) == ("RS256", "key-1")
    assert claims["iss"] == "router@test-project.iam.gserviceaccount.com"
    assert claims["aud"] == f"{fake.url}/token"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600
    assert fake.requests[0].path == VERTEX_PATH
    assert {request.headers["authorization"] for request in fake.requests} == {"Bearer ya29.token-1"}
    assert "x-goog-api-key" not in fake.requests[0].headers


async def test_nothing_of_a_request_goes_to_the_token_host() -> None:
    async with on_vertex() as (fake, provider):
        await collect(provider, cleared(messages=[{"role": "user", "content": "CANARY"}]))
    assert "CANARY" not in json.dumps(fake.grants)
    assert "CANARY" in json.dumps(fake.requests[0].body)


async def test_however_many_ask_one_token_is_fetched() -> None:
    async with on_vertex() as (fake, provider):
        fake.grant_s = 0.1
        await asyncio.gather(*(collect(provider, cleared()) for _ in range(12)))
    assert len(fake.grants) == 1
    assert len(fake.requests) == 12


async def test_a_token_is_renewed_shortly_before_it_expires() -> None:
    async with on_vertex() as (fake, provider):
        fake.grant = lambda number: (200, {"access_token": f"ya29.{number}", "expires_in": 0.4})
        await collect(provider, cleared())
        await asyncio.sleep(0.25)  # half of its life is over
        await collect(provider, cleared())
    assert [request.headers["authorization"] for request in fake.requests] == ["Bearer ya29.1", "Bearer ya29.2"]


async def test_a_token_that_is_refused_is_renewed_once() -> None:
    async with on_vertex() as (fake, provider):
        await collect(provider, cleared())
        fake.expired = {"ya29.token-1"}
        fake.grant_s = 0.1
        await asyncio.gather(*(collect(provider, cleared()) for _ in range(4)))
        assert len(fake.grants) == 2
        fake.expired = {"ya29.token-2", "ya29.token-3"}
        with pytest.raises(UpstreamAuthFailed):
            await collect(provider, cleared())
    assert len(fake.grants) == 3


async def test_what_the_account_may_not_do_costs_no_new_token() -> None:
    async with on_vertex() as (fake, provider):
        fake.refusals = [error(403, "PERMISSION_DENIED")]
        with pytest.raises(UpstreamAuthFailed):
            await collect(provider, cleared())
    assert len(fake.grants) == 1


GRANTS: dict[str, tuple[tuple[int, dict[str, Any]], type[RouterError]]] = {
    "the key was deleted": ((400, {"error": "invalid_grant", "error_description": "SECRET"}), UpstreamAuthFailed),
    "no such account": ((401, {"error": "invalid_client"}), UpstreamAuthFailed),
    "overload": ((503, {}), UpstreamUnavailable),
    "too many": ((429, {}), UpstreamUnavailable),
    "no token": ((200, {}), UpstreamProtocolError),
    "a token that would end the header": ((200, {"access_token": "a\r\nx: y"}), UpstreamProtocolError),
}


@pytest.mark.parametrize(("grant", "kind"), GRANTS.values(), ids=GRANTS)
async def test_a_token_that_is_not_given_is_an_error_by_name(
    grant: tuple[int, dict[str, Any]], kind: type[RouterError]
) -> None:
    async with on_vertex() as (fake, provider):
        fake.grant = lambda number: grant
        with pytest.raises(kind) as caught:
            await collect(provider, cleared())
        assert "SECRET" not in caught.value.message
        fake.grant = lambda number: (200, {"access_token": "ya29.new", "expires_in": 9})
        await collect(provider, cleared())  # it isn't held against the next
    assert len(fake.requests) == 1


async def test_a_token_host_that_is_down_is_upstream_unavailable() -> None:
    async with on_vertex(token_uri="http://127.0.0.1:9/token") as (fake, provider):
        with pytest.raises(UpstreamUnavailable, match="token host"):
            await collect(provider, cleared())
    assert fake.requests == []


# --- configuration ----------------------------------------------------------------------------------------------------

KEY_FILE = json.dumps({**fakes.ACCOUNT, "token_uri": "https://oauth2.googleapis.com/token"})
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "no JSON": ({"credentials": "AIza"}, "aren't JSON; make one"),
    "a missing field": ({"credentials": '{"type": "service_account"}'}, "client_email.*make one"),
    "another type": ({"credentials": KEY_FILE.replace("service_account", "authorized_user")}, "another type.*make one"),
    "a key that is none": ({"credentials": json.dumps({**fakes.ACCOUNT, "private_key": "x"})}, "private_key.*make one"),
    "both ways": ({"credentials": KEY_FILE, "api_key": "k"}, "not both"),
    "a project without credentials": ({"project": "p", "api_key": "k"}, "credentials"),
    "a location that is none": ({"credentials": KEY_FILE, "location": "../x"}, "'location'"),
    "no project": ({"credentials": json.dumps({**fakes.ACCOUNT, "project_id": ""})}, "'project'"),
    "a token host that isn't https": (
        {"credentials": json.dumps({**fakes.ACCOUNT, "token_uri": "http://example.com/t"})},
        "must be https",
    ),
    "a URL that is none": ({"api_key": "k", "base_url": "ftp://x"}, "not a URL"),
}


@pytest.mark.parametrize(("row", "message"), WRONG.values(), ids=WRONG)
def test_a_row_that_cannot_work_says_what_to_do(row: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(Config.model_validate(row), "google")
    assert "PRIVATE" not in caught.value.message


def test_an_unknown_key_of_the_configuration_is_refused() -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"api_key": "k", "region": "x"})


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_a_region_has_a_host_of_its_own(location: str, url: str) -> None:
    assert vertex_url(location) == url


# --- as a row of a file -----------------------------------------------------------------------------------------------


def loaded(folder: Path, row: str) -> tuple[RouterConfig, Source]:
    models = "models: {m: {deployments: [{provider: google, model: gemini-2.5-flash}]}}"
    (folder / "account.json").write_text(KEY_FILE)
    (folder / "router.yaml").write_text(f"providers: {{google: {row}}}\n{models}\nrecord: {{sinks: []}}\n")
    return load(folder / "router.yaml")


def test_a_key_file_is_named_in_the_row_and_never_shown(tmp_path: Path) -> None:
    config, source = loaded(tmp_path, "{kind: gemini, credentials: 'file:account.json', optional: true}")
    assert "PRIVATE KEY" not in repr(config)
    assert compose.build(config, source, engine=None).disabled == {}


def test_without_its_key_an_optional_row_is_left_out(tmp_path: Path) -> None:
    config, source = loaded(tmp_path, "{kind: gemini, credentials: 'env:NO_SUCH_CREDENTIALS', optional: true}")
    assert list(compose.build(config, source, engine=None).disabled) == ["google"]


@pytest.mark.parametrize("credentials", ["file:nowhere.json", "'{}'"])
def test_a_key_file_that_is_not_there_or_stands_in_the_row_stops_the_start(tmp_path: Path, credentials: str) -> None:
    with pytest.raises(ConfigError, match=r"router\.yaml:1: providers\.google\.credentials: .*file"):
        loaded(tmp_path, f"{{kind: gemini, credentials: {credentials}}}")


def test_a_bad_key_file_is_shown_with_its_line(tmp_path: Path) -> None:
    config, source = loaded(tmp_path, "{kind: gemini, credentials: 'file:router.yaml'}")
    with pytest.raises(ConfigError, match=r"router\.yaml:1: providers\.google: .*make one"):
        compose.build(config, source, engine=None)


def test_another_region_is_another_policy(tmp_path: Path) -> None:
    versions: set[str] = set()
    for location in ("europe-west4", "us-central1"):
        row = f"{{kind: gemini, credentials: 'file:account.json', location: {location}}}"
        versions.add(compose.policy_version(loaded(tmp_path, row)[0]))
    assert len(versions) == 2
