"""Proves that a loaded adapter works and changes the model: token probabilities with and without it."""

from __future__ import annotations

import logging
import math

import msgspec

from local_inference.errors import Rejected
from local_inference.fit import no_effect
from local_inference.ports import BASE_NAME, Engine
from router.core.errors import UpstreamUnavailable

_log = logging.getLogger(__name__)
_PROMPTS = ("The quick brown fox", "Question: what is the answer?\nAnswer:", '{"name": "')
_MAX_PROMPT_CHARS = 200
_TOP = 5
_LEAST_EFFECT = 1e-3
"""Natural logarithm of a probability; a real adapter moves some token by far more."""
_NOISE_FACTOR = 4.0
_ATTEMPTS = 3
"""Other requests in the batch can make one comparison too noisy to tell."""

Probe = tuple[dict[str, float], ...]
"""For each prompt, the likeliest first tokens and their log-probabilities."""


class _Logprobs(msgspec.Struct):
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _Choice(msgspec.Struct):
    index: int
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_COMPLETION = msgspec.json.Decoder(_Completion)


async def prove(engine: Engine, id: str, examples: tuple[str, ...]) -> None:
    """Compare an adapter with the base model on a few prompts; the base is asked twice to see the noise.

    Raises:
        Rejected: no_effect, not_finite, or canary_failed.
        UpstreamUnavailable: the engine is gone.
    """
    prompts = [*_PROMPTS, *(text[:_MAX_PROMPT_CHARS] for text in examples[:2] if text.strip())]
    for _ in range(_ATTEMPTS):
        base = await _probe(engine, BASE_NAME, prompts)
        adapted = await _probe(engine, id, prompts)
        again = await _probe(engine, BASE_NAME, prompts)
        effect, noise = distance(base, adapted), distance(base, again)
        _log.info("canary id=%s effect=%.4f noise=%.4f", id, effect, noise)
        if effect > max(_LEAST_EFFECT, _NOISE_FACTOR * noise):
            return
    raise no_effect("token probabilities with it and without it are the same")


def distance(one: Probe, other: Probe) -> float:
    """Measure the largest difference of a log-probability; a token missing on one side counts as its least likely."""
    return max((_distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)


def _distance(one: dict[str, float], other: dict[str, float]) -> float:
    floor_one, floor_other = min(one.values()), min(other.values())
    return max(abs(one.get(token, floor_one) - other.get(token, floor_other)) for token in one.keys() | other.keys())


async def _probe(engine: Engine, model: str, prompts: list[str]) -> Probe:
    body = {
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": _TOP,
        "return_tokens_as_token_ids": True,
    }
    async with engine.send("/v1/completions", msgspec.json.encode(body)) as answer:
        data = await answer.read()
        if answer.status == 503:
            raise UpstreamUnavailable("the engine stopped answering")
        if answer.status != 200:
            who = "the base model" if model == BASE_NAME else "it"
            raise Rejected(
                "canary_failed",
                f"a test request to {who} failed with status {answer.status}",
                "look at the engine's log; copy the adapter again to retry",
            )
    try:
        choices = sorted(_COMPLETION.decode(data).choices, key=lambda choice: choice.index)
    except msgspec.DecodeError:
        raise _not_finite() from None
    return tuple(_first_token(choice) for choice in choices)


def _first_token(choice: _Choice) -> dict[str, float]:
    tops = choice.logprobs.top_logprobs if choice.logprobs else None
    top = tops[0] if tops else None
    if not top:
        raise Rejected("canary_failed", "the engine gave no probabilities for a test request", "copy the adapter again")
    found = {token: value for token, value in top.items() if value is not None and math.isfinite(value)}
    if len(found) != len(top):
        raise _not_finite()
    return found


def _not_finite() -> Rejected:
    return Rejected("not_finite", "with the adapter the model computes NaN or infinite values", "train it again")
