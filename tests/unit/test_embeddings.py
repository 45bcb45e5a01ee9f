"""Embeddings: what callers may send, and the model in this process, with the real encoder."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from router.core.errors import InvalidRequest, LocalityViolation, Overloaded
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect, JsonObject, Locality
from router.providers import _embedder as embedder
from router.providers._embedder import InProcess
from router.wire.dialects import codec
from sona.embedder import OnnxEmbedder, load_embedder
from tests.fakes import values
from tests.fakes.values import target

pytestmark = pytest.mark.anyio
CODEC = codec(Dialect.EMBEDDINGS)
CLOCKS = Clocks(ttft_s=60, total_s=60)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [[1], []]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_can_not_be_embedded_is_refused_by_the_field_s_name(fields: JsonObject, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.decode(json.dumps({"model": "m", **fields}).encode())
    assert caught.value.param == param or f"`{param}`" in str(caught.value)


@pytest.mark.parametrize("text", ["SSN 040-02-0738", "a' - at `$.x`\nb"])
def test_a_refusal_quotes_nothing_of_the_caller_s_text(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.decode(json.dumps({"model": "m", "input": "a", "encoding_format": text}).encode())
    assert str(caught.value.message) == "invalid request: Invalid value - at `$.encoding_format`"


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_a_chat_can_not_ask_for_a_vector_and_nothing_stands_in_for_the_model(given: object) -> None:
    body = CODEC.decode(json.dumps({"model": "m", "input": given, "user": "u"}).encode()).body
    translation = CODEC.to_chat(body)
    assert translation.unsupported == ("input",)
    assert translation.bound
    assert translation.body == {"model": "m", "user": "u", "messages": []}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxEmbedder:
    return load_embedder(Path(tmp_path_factory.mktemp("encoder")))


@pytest.fixture
async def provider(model: OnnxEmbedder) -> AsyncGenerator[InProcess]:
    one = InProcess(lambda: model)
    yield one
    await one.aclose()


def cleared(body: JsonObject) -> Cleared:
    return values.cleared(embedder.candidate().target, body)


async def embed(provider: InProcess, **body: object) -> Delta:
    async with aclosing(provider.send(cleared(body), CLOCKS)) as deltas:  # pyright: ignore[reportArgumentType]
        return await anext(deltas)


async def test_vectors_are_the_encoder_s_own_in_order_whatever_the_batch(
    provider: InProcess, model: OnnxEmbedder
) -> None:
    texts = [f"sentence number {number}" for number in range(50)]
    answer = json.loads((await embed(provider, input=texts)).payload)
    assert [one["index"] for one in answer["data"]] == list(range(50))
    vectors = np.array([one["embedding"] for one in answer["data"]], dtype=np.float32)
    assert np.allclose(vectors, [model.vector(model.token_ids(text)) for text in texts], atol=1e-6)


async def test_base64_is_the_same_numbers_as_little_endian_floats(provider: InProcess) -> None:
    plain, packed = await embed(provider, input="comet"), await embed(provider, input="comet", encoding_format="base64")
    raw = base64.b64decode(json.loads(packed.payload)["data"][0]["embedding"])
    assert list(struct.unpack("<384f", raw)) == json.loads(plain.payload)["data"][0]["embedding"]


async def test_usage_counts_the_tokens_that_were_read(provider: InProcess, model: OnnxEmbedder) -> None:
    delta = await embed(provider, input=["one comet", "two comets"], x_new=1, user="u")
    assert delta.usage is not None
    assert delta.usage.input_tokens == sum(len(model.all_token_ids(text)) for text in ("one comet", "two comets"))
    assert delta.dropped == ("x_new",)


async def test_nothing_is_loaded_before_the_first_request() -> None:
    loaded: list[int] = []

    def load() -> OnnxEmbedder:
        loaded.append(1)
        raise AssertionError

    provider = InProcess(load)
    await provider.aclose()
    assert loaded == []


class Slow:
    """An embedder that takes its time."""

    layer_dims = 2

    def __init__(self) -> None:
        self.made = 0
        self.go_on = False

    def all_token_ids(self, text: str) -> list[int]:
        return [len(text)]

    def vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        self.made += 1
        return np.zeros(2, dtype=np.float32)


async def test_a_caller_who_leaves_stops_the_rest_of_the_batch_and_makes_room() -> None:
    slow = Slow()
    provider = InProcess(lambda: slow)
    deltas = provider.send(cleared({"input": ["x"] * 2000}), CLOCKS)
    task = asyncio.ensure_future(anext(deltas))
    while slow.made == 0:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await deltas.aclose()
    made = slow.made
    assert made < 2000
    await asyncio.sleep(0.05)
    assert slow.made <= made + 16
    many = [asyncio.ensure_future(embed(provider, input=["x"] * 2000)) for _ in range(5)]
    results = await asyncio.gather(*many, return_exceptions=True)
    assert [isinstance(one, Overloaded) for one in results].count(True) == 1
    await provider.aclose()


async def test_a_clearance_for_another_target_embeds_nothing(provider: InProcess) -> None:
    other = msgspec.structs.replace(cleared({"input": "x"}), target=target("cloud/m", Locality.ANY))
    with pytest.raises(LocalityViolation):
        await anext(provider.send(other, CLOCKS))
