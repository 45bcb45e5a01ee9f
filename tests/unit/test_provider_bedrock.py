"""The Bedrock provider over real HTTP on loopback: signatures, credentials, errors, and streams that are cut."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config as BotoConfig
from botocore.session import Session
from pydantic import ValidationError

from router import compose
from router.config.load import load
from router.core.errors import (
    ConfigError,
    LocalityViolation,
    RouterError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality, Target
from router.providers import bedrock
from router.providers._aws import Keys, signed
from tests.fakes import values
from tests.fakes.aws import Spec, signature_holds
from tests.fakes.converse import (
    ARN,
    CALLS,
    MISTRAL,
    NAMES,
    TURN,
    USAGES,
    events,
    fixture,
    frames,
    whole,
)
from tests.fakes.folding import fold
from tests.fakes.scripted import Asked, Reply, Scripted, scripted

SPEC, STREAM_SPEC = Spec("Converse"), Spec("ConverseStream")
USER = {"role": "user", "content": "hi"}

CLOCKS = Clocks(ttft_s=5, total_s=10)
REGION = "eu-central-1"
ID, SECRET_KEY, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3Jp/tok=="
FIXED: dict[str, object] = {"access_key_id": ID, "secret_access_key": SECRET_KEY, "session_token": TOKEN}
NOON = 1_440_938_160.0
"""2015-08-30T12:36:00Z, the time of AWS's own examples."""


@asynccontextmanager
async def serving(reply: Reply, **config: object) -> AsyncGenerator[tuple[Scripted, bedrock.Bedrock]]:
    async with scripted(lambda asked: reply) as server:
        rows = {"region": REGION, "base_url": f"{server.url}/prefix/", **(config or FIXED)}
        provider = bedrock.build(bedrock.Config.model_validate(rows), "aws", lambda: NOON)
        try:
            yield server, provider
        finally:
            await provider.aclose()


def stream_reply(*parts: bytes, hang: bool = False) -> Reply:
    return Reply(parts, content_type=bedrock.EVENT_STREAM, hang=hang)


def cleared(*, stream: bool = False, provider: str = "aws", model: str = MISTRAL, **body: object) -> Cleared:
    target = Target(group="g", deployment="aws/x", provider=provider, upstream_model=model, locality=Locality.ANY)
    full: Any = {"model": "g", "messages": [USER], **body}
    return values.cleared(target, full, stream=stream)


async def collect(provider: bedrock.Bedrock, permit: Cleared) -> list[Delta]:
    return [delta async for delta in provider.send(permit, CLOCKS)]


@pytest.mark.anyio
@pytest.mark.parametrize("model", [MISTRAL, ARN])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_sent_is_signed_as_aws_says(model: str, stream: bool) -> None:
    reply = stream_reply(*frames("text")) if stream else Reply([fixture("text.json")])
    async with serving(reply) as (server, provider):
        deltas = await collect(provider, cleared(stream=stream, model=model, user="u"))
    (asked,) = server.requests
    assert deltas[0].dropped == ("user",)
    assert asked.path == f"/prefix/model/{bedrock.quote(model, safe='')}/converse{'-stream' if stream else ''}"
    assert json.loads(asked.body) == {"messages": [TURN]}
    assert asked.headers["x-amz-date"] == "20150830T123600Z"
    assert asked.headers["x-amz-security-token"] == TOKEN
    assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")
    assert not signature_holds(asked, SECRET_KEY + "x", region=REGION, service="bedrock")
    tampered = Asked(asked.method, asked.path, asked.headers, asked.body + b" ")
    assert not signature_holds(tampered, SECRET_KEY, region=REGION, service="bedrock")


@pytest.mark.anyio
async def test_botocores_own_client_signs_and_reads_the_same() -> None:
    """The fake is no friend of ours alone: Amazon's client is content with it, and its signature is the same as ours."""

    def ask(url: str) -> tuple[dict[str, Any], list[str]]:
        client = Session().create_client(
            "bedrock-runtime",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=ID,
            aws_secret_access_key=SECRET_KEY,
            aws_session_token=TOKEN,
            config=BotoConfig(retries={"total_max_attempts": 1}),
        )
        try:
            answer = client.converse(modelId=ARN, messages=[{"role": "user", "content": [{"text": "hi"}]}])
            stream = client.converse_stream(modelId=ARN, messages=[{"role": "user", "content": [{"text": "hi"}]}])
            return answer, [next(iter(event)) for event in stream["stream"]]
        finally:
            client.close()

    def reply(asked: Asked) -> Reply:
        if asked.path.endswith("stream"):
            return stream_reply(*frames("tools"))
        return Reply([fixture("tools.json")], headers={"content-length": str(len(fixture("tools.json")))})

    async with scripted(reply) as server:
        answer, kinds = await asyncio.to_thread(ask, server.url)
    assert answer["output"]["message"]["content"][1]["toolUse"]["input"] == {"city": "Köln", "days": 1.0}
    assert kinds == [kind for kind, _ in events("tools")]
    for asked in server.requests:
        assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")
    theirs = server.requests[0]
    assert theirs.path == f"/model/{bedrock.quote(ARN, safe='')}/converse"
    stamp = bedrock_time(theirs.headers["x-amz-date"])
    keys = Keys(ID, SECRET_KEY, TOKEN)
    ours = signed(server.url + theirs.path, theirs.body, keys, region=REGION, service="bedrock", unix_s=stamp)
    mine = Asked("POST", theirs.path, {**theirs.headers, **ours}, theirs.body)
    assert signature_holds(mine, SECRET_KEY, region=REGION, service="bedrock")


def bedrock_time(stamp: str) -> float:
    from datetime import UTC, datetime

    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.anyio
async def test_an_api_key_is_sent_as_it_is_and_nothing_is_signed() -> None:
    async with serving(Reply([fixture("text.json")]), api_key="bedrock-api-key-1") as (server, provider):
        await collect(provider, cleared())
    assert server.requests[0].headers["authorization"] == "Bearer bedrock-api-key-1"
    assert "x-amz-date" not in server.requests[0].headers


@pytest.mark.anyio
async def test_a_stream_comes_back_over_http_and_ends_with_its_metadata() -> None:
    async with serving(stream_reply(*frames("tools"), hang=True)) as (_, provider):
        deltas = await asyncio.wait_for(collect(provider, cleared(stream=True, user="u")), 5)
    assert fold(deltas)["tool_calls"] == CALLS
    assert [delta.dropped for delta in deltas[:2]] == [("user",), ()]
    assert deltas[-1].usage == USAGES["tools"]


@pytest.mark.anyio
async def test_closing_the_generator_cancels_the_upstream() -> None:
    async with serving(stream_reply(*frames("text")[:2], hang=True)) as (server, provider):
        async with aclosing(provider.send(cleared(stream=True), CLOCKS)) as deltas:
            assert await asyncio.wait_for(anext(deltas), 5)
        await asyncio.wait_for(server.left.wait(), 5)


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_cut_at_any_event_or_byte_is_whole_or_an_error(name: str) -> None:
    data = b"".join(frames(name))
    boundaries = [sum(map(len, frames(name)[:count])) for count in range(len(frames(name)) + 1)]
    chance = random.Random(name)
    expected = json.loads(whole(name).payload)["choices"][0]["message"]
    for cut in [*boundaries, *(chance.randrange(len(data)) for _ in range(100))]:
        async with serving(stream_reply(data[:cut])) as (_, provider):
            if cut == len(data):
                assert fold(await collect(provider, cleared(stream=True))) == expected
            else:
                with pytest.raises(UpstreamProtocolError):
                    await collect(provider, cleared(stream=True))


@pytest.mark.anyio
async def test_a_stream_that_is_none_is_a_protocol_error() -> None:
    async with serving(Reply([fixture("text.json")])) as (_, provider):
        with pytest.raises(UpstreamProtocolError):
            await collect(provider, cleared(stream=True))


NAMED_ERRORS: list[tuple[int, str, type[RouterError]]] = [
    (400, "ValidationException", UpstreamRejected),
    (400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", UpstreamRejected),
    (400, "ServiceQuotaExceededException", UpstreamRateLimited),
    (400, "ThrottlingException", UpstreamRateLimited),
    (429, "ThrottlingException", UpstreamRateLimited),
    (429, "ModelNotReadyException", UpstreamUnavailable),
    (403, "AccessDeniedException", UpstreamAuthFailed),
    (403, "ExpiredTokenException", UpstreamAuthFailed),
    (400, "ExpiredTokenException", UpstreamAuthFailed),
    (403, "UnrecognizedClientException", UpstreamAuthFailed),
    (403, "InvalidSignatureException", UpstreamAuthFailed),
    (400, "IncompleteSignatureException", UpstreamAuthFailed),
    (404, "ResourceNotFoundException", UpstreamUnavailable),
    (408, "ModelTimeoutException", UpstreamTimeout),
    (424, "ModelErrorException", UpstreamUnavailable),
    (500, "InternalServerException", UpstreamUnavailable),
    (503, "ServiceUnavailableException", UpstreamUnavailable),
    (424, "", UpstreamUnavailable),
    (400, "SomethingNewException", UpstreamRejected),
    (429, "", UpstreamRateLimited),
    (403, "", UpstreamAuthFailed),
    (500, "", UpstreamUnavailable),
]


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["header", "body"])
@pytest.mark.parametrize(("status", "name", "kind"), NAMED_ERRORS)
async def test_an_error_is_told_by_its_name(where: str, status: int, name: str, kind: type[RouterError]) -> None:
    said = {"message": "SECRET", **({"__type": f"com.amazon#{name}"} if where == "body" and name else {})}
    headers = {"retry-after": "3", **({"x-amzn-errortype": name} if where == "header" and name else {})}
    async with serving(Reply([json.dumps(said).encode()], status=status, headers=headers)) as (_, provider):
        with pytest.raises(kind) as caught:
            await collect(provider, cleared(stream=True))
    assert type(caught.value) is kind
    assert "SECRET" not in caught.value.message
    if kind is UpstreamRateLimited:
        assert caught.value.retry_after_s == 3


def test_every_error_of_the_service_model_has_its_row() -> None:
    rows = {name for _, name, _ in NAMED_ERRORS}
    assert {shape.name for shape in SPEC.operation.error_shapes} <= rows


@pytest.mark.anyio
async def test_what_cannot_be_translated_or_is_not_cleared_is_never_sent() -> None:
    async with serving(Reply([fixture("text.json")])) as (server, provider):
        with pytest.raises(UnsupportedFeature):
            await collect(provider, cleared(n=2))
        with pytest.raises(LocalityViolation):
            await collect(provider, cleared(provider="other"))
    assert server.requests == []


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which AWS's chain finds nothing in files or in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.mark.anyio
async def test_the_chain_reads_the_environment_when_a_request_comes(bare: pytest.MonkeyPatch) -> None:
    async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
        bare.setenv("AWS_ACCESS_KEY_ID", ID)
        bare.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        await collect(provider, cleared())
    assert signature_holds(server.requests[0], SECRET_KEY, region=REGION, service="bedrock")


@pytest.mark.anyio
async def test_a_chain_that_finds_nothing_says_so_and_sends_nothing(bare: pytest.MonkeyPatch) -> None:
    async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
        with pytest.raises(UpstreamAuthFailed):
            await collect(provider, cleared())
    assert server.requests == []


@pytest.mark.anyio
async def test_the_chain_asks_a_metadata_service_for_the_first_request_and_no_sooner(bare: pytest.MonkeyPatch) -> None:
    def metadata(asked: Asked) -> Reply:
        until = {"Expiration": "2999-01-01T00:00:00Z", "Code": "Success"}
        keys = {"AccessKeyId": ID, "SecretAccessKey": SECRET_KEY, "Token": TOKEN, **until}
        body = json.dumps(keys).encode() if asked.path.endswith("/the-role") else b"the-role"
        return Reply([b"a-token" if asked.method == "PUT" else body])

    bare.delenv("AWS_EC2_METADATA_DISABLED")
    async with scripted(metadata) as machine:
        bare.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url)
        async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
            assert machine.requests == []
            await asyncio.gather(*(collect(provider, cleared()) for _ in range(3)))
        assert len(machine.requests) == 3  # a token, a role, its keys: once for all requests
    for asked in server.requests:
        assert asked.headers["x-amz-security-token"] == TOKEN
        assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")


WAYS: dict[str, tuple[dict[str, object], bool]] = {
    "an API key": ({"api_key": "k"}, True),
    "a pair": ({"access_key_id": "a", "secret_access_key": "b"}, True),
    "the chain": ({"credentials": "chain"}, True),
    "nothing, but optional": ({"optional": True}, True),
    "nothing": ({}, False),
    "half a pair": ({"access_key_id": "a"}, False),
    "two ways": ({"api_key": "k", "credentials": "chain"}, False),
    "another chain": ({"credentials": "imds"}, False),
    "a region that is none": ({"api_key": "k", "region": "eu/central"}, False),
    "an unknown key": ({"api_key": "k", "profile": "x"}, False),
}


@pytest.mark.parametrize(("row", "good"), WAYS.values(), ids=WAYS)
def test_there_is_exactly_one_way_to_prove_who_calls(row: dict[str, object], good: bool) -> None:
    if good:
        config = bedrock.Config.model_validate({"region": REGION, **row})
        assert config.has_key is not ("optional" in row)
        return
    with pytest.raises(ValidationError):
        bedrock.Config.model_validate({"region": REGION, **row})


def test_without_botocore_the_start_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['botocore'] = None\n"
        "from router.providers import bedrock\n"
        "from router.core.errors import ConfigError\n"
        "try: bedrock.build(bedrock.Config(region='eu-central-1', api_key='k'), 'aws')\n"
        "except ConfigError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'sona-router[bedrock]'" in done.stdout


def test_importing_the_provider_does_not_import_botocore() -> None:
    code = "import sys, router.providers.bedrock; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_keys_show_nothing_of_themselves() -> None:
    assert SECRET_KEY not in repr(Keys(ID, SECRET_KEY, TOKEN))


def test_the_capabilities_are_what_the_translation_can_do() -> None:
    assert frozenset({"tools", "vision", "files", "json_schema"}) == bedrock.CAPABILITIES


# --- from a file ------------------------------------------------------------------------------------------------------

ROW = "{kind: bedrock, region: eu-central-1, %s}"
PAIR = "access_key_id: env:AWS_ACCESS_KEY_ID, secret_access_key: env:AWS_SECRET_ACCESS_KEY"


def file_with(folder: Path, row: str) -> Path:
    file = folder / "router.yaml"
    file.write_text(f"providers:\n  aws: {ROW % row}\n")
    return file


def test_keys_of_a_file_come_from_the_environment_and_an_optional_row_without_them_is_left_out(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, source = load(file_with(tmp_path, f"{PAIR}, optional: true"))
    assert compose.build(config, source, engine=None, records=False).disabled.keys() == {"aws"}
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID is not set"):
        load(file_with(tmp_path, PAIR))
    bare.setenv("AWS_ACCESS_KEY_ID", ID)
    bare.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    config, source = load(file_with(tmp_path, PAIR))
    assert compose.build(config, source, engine=None, records=False).disabled == {}
    assert SECRET_KEY not in repr(config)


def test_a_key_that_stands_in_the_file_stops_the_start_and_the_word_for_the_chain_does_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not stand in the file"):
        load(file_with(tmp_path, f"access_key_id: {ID}, secret_access_key: {SECRET_KEY}"))
    compose.check(*load(file_with(tmp_path, "credentials: chain")))


def test_the_policys_version_knows_the_region(tmp_path: Path) -> None:
    versions: set[str] = set()
    for region in ("eu-central-1", "us-east-1"):
        file = file_with(tmp_path, "credentials: chain")
        file.write_text(file.read_text().replace("eu-central-1", region))
        versions.add(compose.policy_version(load(file)[0]))
    assert len(versions) == 2
