"""The self-test's own parts: its eye misses no canary, its promises are the configuration's, its mocks fail as told."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import yaml

from router.config.load import load
from router.config.schema import RouterConfig
from router.core.errors import ConfigError
from router.core.types import Sensitivity
from router.selftest.canaries import CARD, EMAIL, IBAN, PATIENT, PHONE, SSN, Canaries, Canary, Kind
from router.selftest.cases import FIELDS, Caller, Case, Cases
from router.selftest.dialects import anthropic, bedrock, cohere, gemini, openai_compatible
from router.selftest.expectations import Action, Promises
from router.selftest.mock_server import Cloud, Fault
from router.selftest.stand_ins import callers, load_without_secrets, redirected, stand_ins

pytestmark = pytest.mark.anyio

ANYONE = Caller(id="anonymous", models=("auto", "cheap"))
CONFIG = """
server: {keys: [{id: me, key: env:NO_SUCH_KEY_1}, {id: home, key: file:nowhere, max_locality: local, models: [cheap]}]}
local: {url: "http://10.0.0.1:1", api_key: env:NO_SUCH_KEY_2}
providers:
  openai: {kind: openai_compatible, base_url: "https://api.openai.com/v1", api_key: env:NO_SUCH_KEY_3}
models: {cheap: {deployments: [{provider: openai, model: gpt-4o-mini}]}}
routing: {total_s: 99, auto: {strategy: cost}}
"""


def canaries(count: int, seed: int = 1) -> tuple[Canaries, list[Canary]]:
    source = Canaries(random.Random(seed))
    return source, [source.next() for _ in range(count)]


def cases(count: int, seed: int = 1) -> tuple[Cases, list[Case]]:
    source = Cases(random.Random(seed), [ANYONE])
    return source, [source.next(harmless_ratio=0) for _ in range(count)]


# -- canaries and the eye


def test_the_eye_sees_every_canary_in_the_request_that_holds_it_and_no_other() -> None:
    source, made = cases(800)
    for case in made:
        assert case.canary is not None
        assert source.eye.seen(json.dumps(case.body).encode()) == {case.canary.id}


@pytest.mark.parametrize(
    "form",
    [
        str,
        str.upper,
        lambda text: text.replace(" ", "-"),
        lambda text: json.dumps({"deep": [text]}),
        lambda text: json.dumps(json.dumps({"q": text})),
        lambda text: quote(text, safe=""),
        lambda text: base64.b64encode(f"here: {text}".encode()).decode(),
        lambda text: "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in text),
        lambda text: ".".join(text),
    ],
)
def test_the_eye_sees_a_canary_in_any_form(form: object) -> None:
    assert callable(form)
    source, made = canaries(200)
    for canary in made:
        assert canary.id in source.eye.seen(str(form(canary.secret)).encode()), canary.kind.name


def test_the_eye_sees_most_of_a_number_as_well_as_all_of_it() -> None:
    source, made = canaries(400)
    for canary in made:
        if canary.kind in (CARD, IBAN):
            assert canary.id in source.eye.seen(f"card ************{canary.secret[-13:]}".encode())


def test_the_eye_is_not_fooled_by_placeholders_or_ordinary_text() -> None:
    source, _ = canaries(2000)
    text = "Please note: <CREDIT_CARD_1> and <PERSON_A1B2C3> of 12345678, Anna from Hamilton, 2024-03-03T10:00:00"
    assert source.eye.seen(text.encode()) == frozenset()


def test_the_same_seed_makes_the_same_requests_and_another_one_others() -> None:
    assert cases(50, 7)[1] == cases(50, 7)[1]
    assert cases(50, 7)[1] != cases(50, 8)[1]


def test_every_field_and_kind_is_used() -> None:
    _, made = cases(1000)
    assert {case.field for case in made} == set(FIELDS)
    kinds = {case.canary.kind for case in made if case.canary is not None}
    assert len(kinds) == 8
    assert {case.canary.disguise for case in made if case.canary is not None} > {"base64", "full-width"}


# -- promises


def promise(policy: dict[str, object], kind: Kind | None, *, caller: str = "anonymous", **top: object) -> Action:
    config = RouterConfig.model_validate({"privacy": policy, **top})
    canary = None if kind is None else Canary(id=0, kind=kind, text="x", secret="x")
    case = Case(caller=Caller(id=caller), model="auto", body={}, canary=canary)
    return Promises(config).of(case).action


KEYS = {"keys": [{"id": "me", "key": "x" * 20, "on_sensitive": "mask", "tenant": "t"}]}
HOME = {"keys": [{"id": "me", "key": "x" * 20, "max_locality": "local"}]}


@pytest.mark.parametrize(
    ("policy", "kind", "action"),
    [
        ({}, SSN, Action.LOCAL),
        ({}, PATIENT, Action.LOCAL),
        ({}, None, Action.LEAVE),
        ({"threshold": "public"}, None, Action.LOCAL),
        ({"on_sensitive": "mask"}, SSN, Action.MASK),
        ({"on_sensitive": "block"}, SSN, Action.BLOCK),
        ({"threshold": "restricted"}, EMAIL, Action.LEAVE),
        ({"threshold": "restricted"}, SSN, Action.LOCAL),
        ({"entities": {"EMAIL_ADDRESS": {"enabled": False}}}, EMAIL, Action.LEAVE),
        ({"entities": {"EMAIL_ADDRESS": {"enabled": False}}}, SSN, Action.LOCAL),
        ({"entities": {"EMAIL_ADDRESS": {"on_sensitive": "block"}}}, EMAIL, Action.BLOCK),
        ({"entities": {"PHONE_NUMBER": {"sensitivity": "internal"}}}, PHONE, Action.LEAVE),
        ({"entities": {"PHONE_NUMBER": {"min_score": 0.9}}}, PHONE, Action.LEAVE),
        ({"entities": {"PHONE_NUMBER": {"min_score": 0.1}}}, PHONE, Action.LOCAL),
        ({"recognizers": ["email"]}, CARD, Action.LEAVE),
        ({"recognizers": ["email"]}, EMAIL, Action.LOCAL),
        ({"only": ["EMAIL_ADDRESS"]}, CARD, Action.LEAVE),
        ({"scan": {"enabled": False}}, SSN, Action.LEAVE),
        ({"scan": {"enabled": False}, "rules": [{"name": "all", "then": "local"}]}, SSN, Action.LOCAL),
        ({"rules": [{"name": "fine", "entities": ["US_SSN"], "then": "allow"}]}, SSN, Action.LEAVE),
        ({"rules": [{"name": "fine", "entities": ["US_SSN"], "then": "allow"}]}, CARD, Action.LOCAL),
        ({"rules": [{"name": "x", "min_sensitivity": "restricted", "then": "block"}]}, PATIENT, Action.BLOCK),
        ({"rules": [{"name": "x", "keys": ["other"], "then": "block"}]}, SSN, Action.LOCAL),
        ({"rules": [{"name": "x", "models": ["auto"], "then": "block"}]}, SSN, Action.BLOCK),
    ],
)
def test_what_is_promised_is_what_the_configuration_says(
    policy: dict[str, object], kind: Kind | None, action: Action
) -> None:
    assert promise(policy, kind) is action


def test_a_key_has_promises_of_its_own() -> None:
    assert promise({}, SSN, caller="me", server=KEYS) is Action.MASK
    assert promise({}, None, caller="me", server=HOME) is Action.LOCAL
    assert promise({"on_sensitive": "block"}, SSN, caller="me", server=HOME) is Action.BLOCK
    rules = [{"name": "theirs", "tenants": ["t"], "then": "allow"}]
    assert promise({"rules": rules}, SSN, caller="me", server=KEYS) is Action.LEAVE


def test_what_was_found_beside_the_canary_can_make_it_stricter() -> None:
    config = RouterConfig.model_validate(
        {"privacy": {"on_sensitive": "mask", "entities": {"US_SSN": {"on_sensitive": "block"}}}}
    )
    case = Case(caller=ANYONE, model="auto", body={}, canary=Canary(id=0, kind=EMAIL, text="x", secret="x"))
    promises = Promises(config)
    assert promises.of(case).action is Action.MASK
    assert promises.of(case, ["US_SSN"], Sensitivity.RESTRICTED).action is Action.BLOCK


# -- the world's stand-ins


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "router.yaml"
    file.write_text(text)
    return file


def test_no_secret_is_read_and_each_stand_in_is_another(tmp_path: Path) -> None:
    file = written(tmp_path, CONFIG)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY_1 is not set"):
        load(file)
    config, _ = load_without_secrets(file, real_engine=False)
    tokens = {key.key.get_secret_value() for key in config.server.keys}
    assert len(tokens) == 2
    with pytest.raises(ConfigError, match="NO_SUCH_KEY_2 is not set"):
        load_without_secrets(file, real_engine=True)


def test_a_key_written_into_the_file_is_an_error_here_too(tmp_path: Path) -> None:
    file = written(tmp_path, CONFIG.replace("env:NO_SUCH_KEY_3", "sk-123"))
    with pytest.raises(ConfigError, match="must not stand in the file"):
        load_without_secrets(file, real_engine=False)


async def test_every_host_is_replaced_and_everything_that_decides_is_kept(tmp_path: Path) -> None:
    config, source = load_without_secrets(written(tmp_path, CONFIG), real_engine=False)
    mocks = stand_ins(config, Canaries(random.Random(0)).eye, random.Random(0), real_engine=False)
    await mocks.start()
    try:
        changed = redirected(config, source, mocks, tmp_path)
        assert mocks.engine is not None
        assert changed.local is not None
        assert changed.local.url == mocks.engine.url
        assert (changed.providers["openai"].model_extra or {})["base_url"] == f"{mocks.clouds['openai'].url}/v1"
        assert "openai.com" not in str(changed)
        assert "10.0.0.1" not in str(changed)
        assert changed.privacy == config.privacy
        assert changed.server.keys == config.server.keys
        assert changed.routing.total_s < config.routing.total_s
        price = changed.models["cheap"].deployments[0].price
        assert price is not None
        assert price.input > 0
    finally:
        await mocks.stop()


async def test_another_host_among_a_provider_s_options_stops_it(tmp_path: Path) -> None:
    text = CONFIG.replace(
        '"https://api.openai.com/v1",', '"https://api.openai.com/v1", token_url: "https://login.x.com",'
    )
    config, source = load_without_secrets(written(tmp_path, text), real_engine=False)
    mocks = stand_ins(config, Canaries(random.Random(0)).eye, random.Random(0), real_engine=False)
    await mocks.start()
    try:
        with pytest.raises(ConfigError, match=r"providers\.openai.*can't replace"):
            redirected(config, source, mocks, tmp_path)
    finally:
        await mocks.stop()


async def test_a_service_account_s_token_host_is_replaced_too(tmp_path: Path) -> None:
    text = CONFIG.replace("kind: openai_compatible, ", "kind: gemini, ").replace(
        "api_key: env:NO_SUCH_KEY_3", "credentials: file:x"
    )
    config, source = load_without_secrets(written(tmp_path, text), real_engine=False)
    mocks = stand_ins(config, Canaries(random.Random(0)).eye, random.Random(0), real_engine=False)
    await mocks.start()
    try:
        changed = redirected(config, source, mocks, tmp_path)
        account = json.loads(str((changed.providers["openai"].model_extra or {})["credentials"]))
        assert account["token_uri"].startswith(mocks.clouds["openai"].url)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(account["token_uri"], data={"assertion": "x"})
        assert answer.json()["access_token"]
    finally:
        await mocks.stop()


def test_a_key_asks_only_for_what_it_may(tmp_path: Path) -> None:
    config, _ = load_without_secrets(written(tmp_path, CONFIG), real_engine=False)
    assert [(one.id, one.models) for one in callers(config)] == [
        ("me", ("auto", "cheap", "local")),
        ("home", ("cheap",)),
    ]
    open_one = config.model_copy(update={"server": config.server.model_copy(update={"keys": ()})})
    assert [one.id for one in callers(open_one)] == ["anonymous"]


@pytest.mark.parametrize("dialect", [openai_compatible, anthropic, gemini, cohere])
@pytest.mark.parametrize("fault", [None, *Fault])
async def test_a_mock_cloud_records_first_and_then_fails_as_told(dialect: object, fault: Fault | None) -> None:
    source, made = canaries(1)
    cloud = Cloud("one", dialect, source.eye, random.Random(0))  # pyright: ignore[reportArgumentType] a module is one
    cloud.faults = (fault,)
    await cloud.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=0.3) as client:
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": made[0].text}]}
            try:
                answer = await client.post(
                    f"{cloud.url}/v1/x:streamGenerateContent", json=body, headers={"x-api-key": "abc"}
                )
                whole, status = answer.text, answer.status_code
            except httpx.HTTPError:
                whole, status = "", 0
        assert cloud.saw == {made[0].id}
        assert "abc" in cloud.said
        expected = {Fault.RATE_LIMITED: 429, Fault.BROKEN: 500, Fault.REFUSED: 401}
        if fault is None:
            assert status == 200
            ends = ("data: [DONE]\n\n", 'data: {"type":"message_stop"}\n\n', '"responseId":"r-1"}\r\n\r\n')
            assert whole.endswith(ends) or 'data: {"type":"message-end"' in whole
        elif fault in (Fault.GARBLED, Fault.EMPTY):
            assert status == 200
            assert "data:" not in whole
        else:
            assert status == expected.get(fault, 0)
    finally:
        await cloud.stop()


async def test_a_mock_cloud_streams_in_its_dialects_own_framing() -> None:
    cloud = Cloud("one", bedrock, Canaries(random.Random(0)).eye, random.Random(0))
    await cloud.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{cloud.url}/model/m/converse-stream", json={"messages": []})
    finally:
        await cloud.stop()
    assert answer.headers["content-type"] == bedrock.STREAM_TYPE
    assert b"messageStop" in answer.content


def test_a_chain_of_credentials_is_never_asked_by_the_self_test(tmp_path: Path) -> None:
    rows = {"kind": "bedrock", "region": "eu-central-1", "credentials": "chain"}
    config, source = load_without_secrets(
        written(tmp_path, yaml.safe_dump({"providers": {"aws": rows}})), real_engine=False
    )
    mocks = stand_ins(config, Canaries(random.Random(0)).eye, random.Random(0), real_engine=False)
    row = redirected(config, source, mocks, tmp_path).providers["aws"].model_extra or {}
    assert "credentials" not in row
    assert row["access_key_id"] == "made-up"
    assert str(row["base_url"]).startswith("http://127.0.0.1:")


async def test_a_mock_that_is_gone_and_comes_back_has_the_same_address() -> None:
    cloud = Cloud("one", openai_compatible, Canaries(random.Random(0)).eye, random.Random(0))
    await cloud.start()
    url = cloud.url
    await cloud.stop()
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(url, json={})
        await cloud.start()
        assert cloud.url == url
        assert (await client.post(url, json={"model": "m"})).status_code == 200
    await cloud.stop()
    await asyncio.sleep(0)
