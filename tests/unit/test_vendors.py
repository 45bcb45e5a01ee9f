"""Every vendor's row is loaded, built and sent through to a server: path, key, quirks; and the documentation's table."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from openai.types import EmbeddingCreateParams
from openai.types.chat import completion_create_params as chat_params
from openai.types.completion_create_params import CompletionCreateParamsBase
from pydantic import ValidationError

from router import compose
from router.config.load import load
from router.core.errors import UnsupportedFeature
from router.core.ports import Clocks
from router.core.types import Delta, Dialect, JsonObject
from router.providers._quirks import CAPABILITIES, Quirks, adapt, vendors, with_reasoning
from router.providers.openai_compatible import PATHS, Config, build
from router.record.pricing import listed
from router.wire.openai_fields import FIELDS
from tests.fakes.cloud import Cloud, completion
from tests.fakes.values import cleared, target

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.md"
CLOCKS = Clocks(ttft_s=5, total_s=5)
MINE = frozenset({"chat", "completions", "embeddings"})
"""Endpoints that this file sends to."""
BODIES: dict[Dialect, JsonObject] = {
    Dialect.CHAT: {
        "model": "group",
        "messages": [
            {"role": "developer", "content": "Be brief.", "name": "ann"},
            {"role": "assistant", "content": "Hi", "reasoning_content": "hm", "thinking_blocks": []},
            {"role": "user", "content": [{"type": "text", "text": "Hé", "cache_control": {"type": "ephemeral"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}],
        "max_completion_tokens": 5,
        "logit_bias": {"1": 2},
        "frequency_penalty": 0.5,
        "seed": 7,
        "user": "u",
        "x_new": {"k": [1, None]},
    },
    Dialect.COMPLETIONS: {"model": "group", "prompt": "Hé", "max_tokens": 5, "logit_bias": {"1": 2}, "x_new": 1},
    Dialect.EMBEDDINGS: {"model": "group", "input": ["Hé"], "dimensions": 3, "user": "u", "x_new": 1},
}


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    one = Cloud()
    await one.start()
    yield one
    await one.stop()


@asynccontextmanager
async def sending(cloud: Cloud, dialect: Dialect, *, stream: bool = False, body: JsonObject | None = None, **row: Any):
    """Send through a provider of one row; yield what came back."""
    path = re.sub(r"^https?://[^/]+", "", str(row.get("base_url") or vendors()[row["vendor"]].base_url or "/openai"))
    row = {"api_key": "sk-secret", **row, "base_url": cloud.url.removesuffix("/v1") + path}
    provider = build(Config.model_validate(row), "cloud")
    sent = body if body is not None else BODIES[dialect]
    body = {**sent, **({"stream": True} if stream else {})}
    permit = cleared(target("cloud/ok"), body, stream=stream, dialect=dialect)
    try:
        async with aclosing(provider.send(permit, CLOCKS)) as deltas:
            yield [delta async for delta in deltas]
    finally:
        await provider.aclose()


CASES = [(name, Dialect(one)) for name, row in vendors().items() for one in row.endpoints if one in MINE]


@pytest.mark.parametrize(("vendor", "dialect"), CASES, ids=str)
async def test_a_vendor_s_row_sends_to_its_path_with_its_key_and_its_quirks(
    cloud: Cloud, vendor: str, dialect: Dialect
) -> None:
    quirks = vendors()[vendor]
    async with sending(cloud, dialect, vendor=vendor) as deltas:
        assert deltas[0].dialect is dialect
        assert deltas[0].usage is not None
    (request,) = cloud.requests
    key = request.headers[quirks.auth_header]
    assert key == ("Bearer sk-secret" if quirks.auth_header == "authorization" else "sk-secret")
    base = re.sub(r"^https?://[^/]+", "", quirks.base_url or "/openai")
    deployment = "/deployments/ok" if quirks.deployment_path else ""
    version = f"?api-version={quirks.api_version}" if quirks.api_version else ""
    assert request.url.decode() == f"{base}{deployment}{PATHS[dialect]}{version}"
    body = msgspec.json.decode(request.body)
    changed = set(quirks.drop) | set(quirks.rename) if dialect is not Dialect.EMBEDDINGS else set[str]()
    for name, value in BODIES[dialect].items():
        if name not in {"model", "messages", "tools"} and name not in changed:
            assert body[name] == value
    assert body["model"] == "ok"
    if dialect is Dialect.EMBEDDINGS:
        assert body == {**BODIES[dialect], "model": "ok"}
        return
    assert not set(quirks.drop) & body.keys()
    assert set(deltas[0].dropped) >= set(quirks.drop) & BODIES[dialect].keys()
    if dialect is Dialect.CHAT:
        assert not set(quirks.rename) & body.keys()
        assert all(body[new] == BODIES[dialect][old] for old, new in quirks.rename.items() if old in BODIES[dialect])
        said = msgspec.json.encode(body["messages"]) + msgspec.json.encode([{**body["tools"][0], "function": 0}])
        for field in quirks.drop_inside:
            assert f'"{field}"'.encode() not in said
        assert (b'"developer"' in said) is quirks.developer_role


@pytest.mark.parametrize("vendor", vendors())
async def test_a_vendor_is_asked_for_a_stream_s_usage_only_where_it_takes_that(cloud: Cloud, vendor: str) -> None:
    async with sending(cloud, Dialect.CHAT, stream=True, vendor=vendor) as deltas:
        asked = cast("dict[str, object]", msgspec.json.decode(cloud.received[0])).get("stream_options")
        assert asked == ({"include_usage": True} if vendors()[vendor].stream_options else None)
        assert [bool(delta.dropped) for delta in deltas[1:]] == [False] * (len(deltas) - 1), (
            "named once, with the first"
        )


def test_facts_have_their_source_and_are_of_things_that_exist() -> None:
    for name, vendor in vendors().items():
        assert all(url.startswith("https://") for url in vendor.source), name
        assert vendor.lacks <= CAPABILITIES, name
        assert vendor.base_url is None or vendor.base_url.startswith(("https://", "http://127.0.0.1:")), name
        assert {*vendor.drop, *vendor.rename} <= FIELDS[Dialect.CHAT], name
        assert name.isidentifier()


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("openai", "gpt-4o-mini"), ("mistral", "mistral-large-latest"), ("deepseek", "deepseek-chat"), ("xai", "grok-4"),
     ("groq", "llama-3.3-70b-versatile"), ("moonshot", "kimi-k2-0905-preview"), ("perplexity", "sonar"),
     ("azure", "gpt-4o-mini"), ("openrouter", "openai/gpt-4o-mini")],
)  # fmt: skip
def test_a_vendor_s_prices_are_found_whatever_its_address(vendor: str, model: str) -> None:
    tariff, _ = listed(model, (vendors()[vendor].prices or "",), "http://127.0.0.1:1/v1")
    assert tariff is not None
    assert tariff.price() is not None


def test_a_row_wins_over_its_vendor_and_a_vendor_of_one_s_own_needs_no_code() -> None:
    row = Config.model_validate({"vendor": "groq", "base_url": "http://proxy/v1", "drop": [], "endpoints": ["chat"]})
    assert (row.base_url, row.drop, row.endpoints, row.lacks) == ("http://proxy/v1", (), ("chat",), {"logprobs", "n"})
    own = Config.model_validate({"base_url": "http://mine/v1", "rename": {"seed": "random_seed"}, "lacks": ["vision"]})
    assert own.capabilities == CAPABILITIES - {"vision"}
    assert Config.model_validate({"base_url": "http://mine/v1"}).capabilities is None


@pytest.mark.parametrize(
    ("row", "says"),
    [({"vendor": "grok"}, "did you mean 'groq'"), ({"vendor": "azure"}, "base_url"), ({}, "base_url"),
     ({"base_url": "http://x", "endpoint": ["chat"]}, "endpoint")],
)  # fmt: skip
def test_a_row_that_names_no_vendor_and_no_address_is_refused(row: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(row)
    assert says in str(caught.value)


def test_where_no_quirk_applies_a_body_is_the_very_same() -> None:
    quirks = vendors()["groq"]
    body: JsonObject = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        "x": 1,
    }
    assert adapt(body, Dialect.CHAT, quirks) == (body, ())
    assert adapt(body, Dialect.CHAT, quirks)[0] is body
    assert adapt(BODIES[Dialect.EMBEDDINGS], Dialect.EMBEDDINGS, quirks)[0] is BODIES[Dialect.EMBEDDINGS]


def test_renaming_keeps_the_place_and_a_name_that_is_taken_wins() -> None:
    quirks = Quirks(rename={"max_tokens": "max_completion_tokens"})
    body: JsonObject = {"max_tokens": 1, "messages": [], "n": 1}
    assert list(adapt(body, Dialect.CHAT, quirks)[0]) == ["max_completion_tokens", "messages", "n"]
    both: JsonObject = {"max_tokens": 1, "max_completion_tokens": 2}
    assert adapt(both, Dialect.CHAT, quirks) == ({"max_completion_tokens": 2}, ("max_tokens",))


def test_unknown_fields_pass_are_refused_or_are_dropped_as_the_row_says() -> None:
    body: JsonObject = {"model": "m", "messages": [], "safe_prompt": True, "x_new": 1}
    known = ("safe_prompt",)
    assert adapt(body, Dialect.CHAT, Quirks(fields=known)) == (body, ())
    dropped = adapt(body, Dialect.CHAT, Quirks(fields=known, unknown_fields="drop"))
    assert dropped == ({"model": "m", "messages": [], "safe_prompt": True}, ("x_new",))
    with pytest.raises(UnsupportedFeature) as caught:
        adapt(body, Dialect.CHAT, Quirks(fields=known, unknown_fields="refuse"))
    assert caught.value.param == "x_new"


async def test_thinking_under_a_vendor_s_name_is_found_under_the_chat_s_too(cloud: Cloud) -> None:
    cloud.payload = completion("ok", "Hi", reasoning="hm")
    async with sending(cloud, Dialect.CHAT, vendor="groq") as deltas:
        message = msgspec.json.decode(deltas[0].payload)["choices"][0]["message"]
        assert (message["reasoning"], message["reasoning_content"]) == ("hm", "hm")
        asked = msgspec.json.decode(cloud.received[0])["messages"][1]
        assert asked == {"role": "assistant", "content": "Hi", "reasoning": "hm"}
    plain = b'{"choices": [{"delta": {"content": "the \\"reasoning\\" 1.50"}}]}'
    assert with_reasoning(plain, vendors()["groq"]) == plain


async def test_reasoning_that_xai_counts_apart_is_added(cloud: Cloud) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 300}}
    cloud.payload = msgspec.json.encode({**msgspec.json.decode(completion("ok", "Hi")), "usage": usage})
    async with sending(cloud, Dialect.CHAT, vendor="xai") as deltas:
        (delta,) = cast("list[Delta]", deltas)
        assert delta.usage is not None
        assert (delta.usage.output_tokens, delta.usage.reasoning_tokens) == (302, 300)
        assert msgspec.json.decode(delta.payload)["usage"] == usage, "the caller's copy is the vendor's"


@pytest.mark.parametrize(
    ("dialect", "params", "streams"),
    [
        (Dialect.CHAT, chat_params.CompletionCreateParamsBase, True),
        (Dialect.COMPLETIONS, CompletionCreateParamsBase, True),
        (Dialect.EMBEDDINGS, EmbeddingCreateParams, False),
    ],
)
def test_the_fields_of_a_dialect_are_those_of_openai_s_own_client(dialect: Dialect, params: Any, streams: bool) -> None:
    assert FIELDS[dialect] == {*params.__annotations__, *(["stream"] if streams else [])}


def test_the_recipe_has_every_vendor_and_builds_without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "sk-none")
    config, source = load(ROOT / "configs" / "recipes" / "vendors.yaml")
    assert {(row.model_extra or {})["vendor"] for row in config.providers.values()} == {*vendors()}
    assert len(config.models) == len(vendors())
    config = config.model_copy(update={"record": config.record.model_copy(update={"path": tmp_path})})
    runtime = compose.build(config, source, engine=None, records=False)
    assert "groq" not in runtime.disabled
    assert "openai" in runtime.disabled


def table() -> str:
    """Write the documentation's table of vendors."""
    lines = ["| vendor | address | endpoints | differs in |", "|---|---|---|---|"]
    for name, row in vendors().items():
        address = f"`{row.base_url}`" if row.base_url else "in the row"
        kept = ("source", "checked", "base_url", "endpoints", "prices", "drop_inside")
        facts = row.model_dump(exclude=set(kept), exclude_unset=True)
        differs = "; ".join(f"`{key}: {_written(value)}`" for key, value in facts.items())
        lines.append(f"| {name} | {address} | {', '.join(row.endpoints)} | {differs} |")
    return "\n".join(lines)


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{one}: {other}" for one, other in cast("dict[str, str]", value).items()) + "}"
    if isinstance(value, (tuple, frozenset)):
        return "[" + ", ".join(sorted(map(str, cast("tuple[object]", value)))) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def documented(text: str) -> str:
    """Take out what stands between the table's marks."""
    return text.partition("vendors.py -->\n")[2].partition("\n<!-- /vendors -->")[0]


def test_the_documentation_s_table_of_vendors_is_the_data() -> None:
    assert documented(PAGE.read_text(encoding="utf-8")) == table(), "run `python -m tests.unit.test_vendors`"


if __name__ == "__main__" and "--help" not in sys.argv:
    page = PAGE.read_text(encoding="utf-8")
    head, mark, rest = page.partition("vendors.py -->\n")
    PAGE.write_text(f"{head}{mark}{table()}\n<!-- /vendors -->{rest.partition('<!-- /vendors -->')[2]}")
