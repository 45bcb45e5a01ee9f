"""OpenAI's endpoints beside chat, over real HTTP with OpenAI's own client: answers, streams, masking, who stays local."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import cast

import httpx
import msgspec
import openai
import pytest

from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

LOCAL_KEY = "sk-router-local-0123456789"
MASK_KEY = "sk-router-mask-0123456789"
PLACEHOLDER = re.compile(r"<[A-Z_]+_[A-Z2-7]{6,}>")
SECRET = "My card number is 4539 5787 6362 1486"


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("endpoints")
    (folder / "local").write_text(LOCAL_KEY)
    (folder / "mask").write_text(MASK_KEY)
    keys = [{"id": "local", "key": "file:local"}, {"id": "mask", "key": "file:mask", "on_sensitive": "mask"}]
    config: dict[str, object] = {
        "server": {"keys": keys},
        "privacy": {"scan": {"deadline_ms": 8000}},
    }
    async with running(folder, config) as one:
        one.cloud.answer = lambda body: str(body.get("prompt"))
        yield one


def client(stack: Stack, key: str = LOCAL_KEY) -> openai.AsyncOpenAI:
    http = httpx.AsyncClient(trust_env=False, timeout=60)
    return openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0, http_client=http)


def received(stack: Stack) -> dict[str, object]:
    """Take the one body that the cloud got since the last time."""
    (body,) = stack.cloud.received
    stack.cloud.received.clear()
    return cast("dict[str, object]", msgspec.json.decode(body))


async def test_a_completion_reaches_the_cloud_as_it_is_and_comes_back(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        answer = await api.completions.create(model="auto", prompt="Once upon", max_tokens=9, extra_body={"x_new": [1]})
    assert answer.choices[0].text == "Once upon"
    assert received(stack) == {"model": "ok", "prompt": "Once upon", "max_tokens": 9, "x_new": [1]}
    assert stack.cloud.requests[-1].url == b"/v1/completions"


async def test_a_streamed_completion_comes_event_by_event_with_its_usage_if_asked(stack: Stack) -> None:
    async with client(stack) as api:
        for options in ({}, {"stream_options": {"include_usage": True}}):
            stream = await api.completions.create(model="auto", prompt="Once upon a time", stream=True, **options)
            events = [event async for event in stream]
            assert "".join(choice.text for event in events for choice in event.choices) == "Once upon a time"
            assert [event.usage is not None for event in events][-1] is bool(options)
            assert len(events) > 3


async def test_a_sensitive_completion_is_answered_by_the_local_engine(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        raw = await api.completions.with_raw_response.create(model="ok", prompt=SECRET)
    assert raw.headers["x-router-locality"] == "local"
    assert "4539" in raw.parse().choices[0].text
    assert stack.cloud.received == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_masked_completion_gets_its_values_back(stack: Stack, stream: bool) -> None:
    stack.cloud.received.clear()
    async with client(stack, MASK_KEY) as api:
        prompt = "Write to maria.gonzalez@example.com about the comet"
        if stream:
            events = await api.completions.create(model="ok", prompt=prompt, stream=True)
            text = "".join([choice.text async for event in events for choice in event.choices])
        else:
            text = (await api.completions.create(model="ok", prompt=prompt)).choices[0].text
    assert text == prompt
    assert PLACEHOLDER.search(str(received(stack)["prompt"]))


@pytest.mark.parametrize("model", ["ok", "auto"])
async def test_a_prompt_of_tokens_can_not_be_read_and_leaves_for_nobody(stack: Stack, model: str) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        with pytest.raises(openai.APIStatusError) as caught:
            await api.completions.create(model=model, prompt=[101, 2023, 102])
    assert caught.value.status_code == (403 if model == "ok" else 400)
    assert stack.cloud.received == []


async def test_what_only_completions_can_say_goes_to_those_that_have_the_endpoint(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        await api.completions.create(model="ok", prompt=["a", "b"], suffix="end", best_of=2, logprobs=3)
    assert received(stack) == {"model": "ok", "prompt": ["a", "b"], "suffix": "end", "best_of": 2, "logprobs": 3}


async def test_a_cut_completion_ends_with_an_error_and_no_done(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as http:
        response = await http.post(
            "/v1/completions",
            json={"model": "ok", "prompt": "Hi", "stream": True},
            headers={"authorization": f"Bearer {LOCAL_KEY}"},
        )
        assert response.text.rstrip().endswith("data: [DONE]")
        refused = await http.post(
            "/v1/completions", json={"model": "ok"}, headers={"authorization": f"Bearer {LOCAL_KEY}"}
        )
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_value"


# -- embeddings


LOCAL_MODEL = "local/all-minilm-l6-v2"


async def test_embeddings_reach_the_named_model_as_they_are_in_both_encodings(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        default = await api.embeddings.create(model="ok", input=["comet", "asteroid"], dimensions=3)
        assert received(stack) == {
            "model": "ok", "input": ["comet", "asteroid"], "dimensions": 3, "encoding_format": "base64",
        }  # fmt: skip
        plain = await api.embeddings.create(model="ok", input="comet", encoding_format="float", extra_body={"x": 1})
        assert received(stack) == {"model": "ok", "input": "comet", "encoding_format": "float", "x": 1}
    assert [one.embedding[0] for one in default.data] == [5.0, 8.0]
    assert plain.data[0].embedding == [5.0, -0.5, 1e-7]
    assert plain.usage.prompt_tokens == 7


async def refused(stack: Stack, status: int, key: str = LOCAL_KEY, **fields: object) -> openai.APIStatusError:
    stack.cloud.received.clear()
    async with client(stack, key) as api:
        with pytest.raises(openai.APIStatusError) as caught:
            await api.embeddings.create(**fields)  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert caught.value.status_code == status, caught.value.message
    assert stack.cloud.received == []
    return caught.value


async def test_no_model_is_chosen_for_embeddings_one_must_be_named(stack: Stack) -> None:
    error = await refused(stack, 400, model="auto", input="comet")
    assert error.param == "model"
    assert LOCAL_MODEL in error.message


@pytest.mark.parametrize("given", [SECRET, ["comet", SECRET], [101, 2023, 102], [[101], [102]]])
async def test_what_must_stay_local_is_refused_with_the_reason_not_embedded_by_another_model(
    stack: Stack, given: object
) -> None:
    error = await refused(stack, 403, model="ok", input=given)
    assert error.code == "privacy_policy_blocked"
    assert "4539" not in error.message
    assert LOCAL_MODEL in error.message


async def test_a_down_embedding_model_has_no_stand_in(stack: Stack) -> None:
    async with client(stack) as api:
        with pytest.raises(openai.APIStatusError) as caught:
            await api.embeddings.create(model="http-500", input="comet")
    assert caught.value.status_code == 502


@pytest.mark.parametrize("model", ["local", "local/base"])
async def test_a_chat_model_makes_no_vectors(stack: Stack, model: str) -> None:
    error = await refused(stack, 400, model=model, input="comet")
    assert error.code == "unsupported_feature"


async def test_masked_embeddings_hold_no_value(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack, MASK_KEY) as api:
        await api.embeddings.create(model="ok", input=["Write to maria.gonzalez@example.com", "comet"])
    (first, second) = cast("list[str]", received(stack)["input"])
    assert PLACEHOLDER.search(first)
    assert second == "comet"


async def test_the_local_embedding_model_takes_sensitive_texts_and_is_listed(stack: Stack) -> None:
    stack.cloud.received.clear()
    async with client(stack) as api:
        assert LOCAL_MODEL in [model.id async for model in api.models.list()]
        texts = [SECRET, "My card number is 4539578763621486", "A comet is made of ice"]
        raw = await api.embeddings.with_raw_response.create(model=LOCAL_MODEL, input=texts)
        answer = raw.parse()
        plain = await api.embeddings.create(model=LOCAL_MODEL, input=texts[0], encoding_format="float")
    assert raw.headers["x-router-locality"] == "local"
    assert raw.headers["x-router-target"] == LOCAL_MODEL
    assert raw.headers["x-router-cost-usd"] == "0"
    assert stack.cloud.received == []
    vectors = [one.embedding for one in answer.data]
    assert [len(vector) for vector in vectors] == [384] * 3
    assert plain.data[0].embedding == pytest.approx(vectors[0])

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert likeness(vectors[0], vectors[0]) == pytest.approx(1)
    assert likeness(vectors[0], vectors[1]) > likeness(vectors[0], vectors[2]) + 0.2
    assert answer.usage.prompt_tokens > 15


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"input": "word " * 300}, "context_length_exceeded"),
        ({"input": "comet", "dimensions": 256}, "unsupported_feature"),
        ({"input": [1, 2, 3]}, "unsupported_feature"),
    ],
)
async def test_the_local_embedding_model_says_what_it_can_not_do(
    stack: Stack, fields: dict[str, object], code: str
) -> None:
    assert (await refused(stack, 400, model=LOCAL_MODEL, **fields)).code == code


async def test_the_local_embedding_model_does_not_chat(stack: Stack) -> None:
    async with client(stack) as api:
        with pytest.raises(openai.BadRequestError) as caught:
            await api.chat.completions.create(model=LOCAL_MODEL, messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.param == "model"
