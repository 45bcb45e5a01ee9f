"""An embedding model in this process: no request for it leaves the machine, and nothing of it is loaded before the first."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.core.errors import ContextTooLong, LocalityViolation, Overloaded, UnsupportedFeature
from router.core.ports import Clocks
from router.core.types import Candidate, Cleared, Delta, Dialect, JsonObject, Locality, Target, Usage

NAME = "embedder"
MODEL = "local/all-minilm-l6-v2"
"""What clients ask for."""

WINDOW_TOKENS = 256
"""A longer text is refused, not cut: its vector would be that of its beginning.

Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 ("longer than 256 word pieces", 2026-11-29)
"""

MAX_WAITING = 8192
"""Texts that may wait for the one thread; more are refused."""

_SLICE = 16
"""Texts embedded at a time: a caller who leaves stops the rest."""


class Embedder(Protocol):
    """Blocking and CPU-bound: it's only called in this module's thread."""

    @property
    def dims(self) -> int:
        """Length of a vector."""
        ...

    def all_token_ids(self, text: str) -> list[int]:
        """Return all tokens of a text."""
        ...

    def vector(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the unit vector of some tokens."""
        ...


class _Fields(msgspec.Struct):
    """What is understood of a request; all else of it tunes nothing here."""

    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None


_DROPPED = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
"""Fields that are understood, or mean nothing to an answer: any other is named as dropped."""


class InProcess:
    """The provider."""

    dialects = frozenset({Dialect.EMBEDDINGS})

    def __init__(self, load: Callable[[], Embedder]) -> None:
        """`load` is called in the thread, once, with the first request."""
        self._load = load
        self._embedder: Embedder | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._waiting = 0

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        """See `core.ports.Provider`. Closing the generator leaves what is not embedded yet.

        Raises:
            ContextTooLong: a text is longer than the model reads.
            UnsupportedFeature: vectors of another length, or of tokens, which are of another model's vocabulary.
            Overloaded: too many texts wait already.
        """
        del clocks  # the executor holds them
        if cleared.target.provider != NAME:
            raise LocalityViolation(f"{NAME}: the clearance is for {cleared.target.label}")
        fields = msgspec.convert(cleared.body, _Fields)
        texts = _texts(fields.input)
        if self._waiting + len(texts) > MAX_WAITING:
            raise Overloaded("too many texts wait to be embedded", retry_after_s=1.0)
        self._waiting += len(texts)
        try:
            vectors, tokens = await self._embed(texts, fields.dimensions)
        finally:
            self._waiting -= len(texts)
        payload = _answer(vectors, tokens, is_base64=fields.encoding_format == "base64")
        dropped = tuple(sorted(name for name in cleared.body if name not in _DROPPED))
        usage = Usage(input_tokens=tokens)
        yield Delta(payload=payload, dialect=Dialect.EMBEDDINGS, usage=usage, finish_reason="stop", dropped=dropped)

    async def _embed(self, texts: Sequence[str], dimensions: int | None) -> tuple[list[NDArray[np.float32]], int]:
        """Return the vectors and how many tokens they are of. All texts are counted before any is embedded."""
        loop = asyncio.get_running_loop()
        slices = [texts[at : at + _SLICE] for at in range(0, len(texts), _SLICE)]
        rows: list[list[int]] = []
        for some in slices:
            rows += await loop.run_in_executor(self._thread, self._tokens, some, len(rows), dimensions)
        vectors: list[NDArray[np.float32]] = []
        for at in range(0, len(rows), _SLICE):
            vectors += await loop.run_in_executor(self._thread, self._vectors, rows[at : at + _SLICE])
        return vectors, sum(map(len, rows))

    def _ready(self) -> Embedder:
        if self._embedder is None:
            self._embedder = self._load()
        return self._embedder

    def _tokens(self, texts: Sequence[str], first: int, dimensions: int | None) -> list[list[int]]:
        embedder = self._ready()
        if dimensions not in (None, embedder.dims):
            message = f"{MODEL} makes vectors of {embedder.dims} numbers, no others"
            raise UnsupportedFeature(message, param="dimensions")
        rows = [embedder.all_token_ids(text) for text in texts]
        for number, ids in enumerate(rows, first):
            if len(ids) > WINDOW_TOKENS:
                raise ContextTooLong(
                    f"input {number} has {len(ids)} tokens; {MODEL} reads {WINDOW_TOKENS}: send shorter pieces",
                    param="input",
                )
        return rows

    def _vectors(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        embedder = self._ready()
        return [embedder.vector(ids) for ids in rows]

    async def reachable(self, timeout_s: float) -> bool:
        """It is in this process."""
        del timeout_s
        return True

    async def aclose(self) -> None:
        """End the thread; what waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def candidate() -> Candidate:
    """Describe the model as a target."""
    target = Target(group=MODEL, deployment=MODEL, provider=NAME, upstream_model=MODEL, locality=Locality.LOCAL)
    return Candidate(target=target, dialects=InProcess.dialects)


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    texts = [given] if isinstance(given, str) else [item for item in given if isinstance(item, str)]
    if not texts:
        message = f"{MODEL} reads texts: the tokens of another model's vocabulary mean nothing to it"
        raise UnsupportedFeature(message, param="input")
    return texts


def _answer(vectors: Sequence[NDArray[np.float32]], tokens: int, *, is_base64: bool) -> bytes:
    data: list[JsonObject] = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if is_base64 else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": MODEL, "usage": usage})
