"""Proves that a loaded adapter works and changes the model, and answers what its card demands."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import msgspec

from local_inference.errors import Rejected
from local_inference.fit import no_effect
from local_inference.ports import BASE_NAME, Engine
from local_inference.prompting import apply_card
from router.core.adapters import AdapterCard
from router.core.errors import UpstreamUnavailable

_log = logging.getLogger(__name__)
_PROMPTS = ("The quick brown fox", "Question: what is the answer?\nAnswer:", '{"name": "')
_MAX_PROMPT_CHARS = 200
_TOP = 5
_LEAST_EFFECT = 1e-3
"""Natural logarithm of a probability; a real adapter moves some token by far more."""
_NOISE_FACTOR = 4.0
_RUN_TOKENS = 24
_CHECK_TOKENS = 256
_ATTEMPTS = 3
"""Other requests in the batch can make one comparison too noisy to tell."""

Probe = tuple[dict[str, float], ...]
"""For each prompt, the likeliest first tokens and their log-probabilities."""


class _Logprobs(msgspec.Struct):
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    index: int
    text: str | None = None
    message: _Message | None = None
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_COMPLETION = msgspec.json.Decoder(_Completion)


async def prove(engine: Engine, id: str, card: AdapterCard) -> None:
    """Demand of a loaded adapter that it changes the model, doesn't break it, and answers its card's checks.

    Raises:
        Rejected: no_effect, not_finite, degenerate, checks_failed, or canary_failed.
        UpstreamUnavailable: the engine is gone.
    """
    await _compare(engine, id, card.examples)
    await _read_on(engine, id)
    await _examine(engine, id, card)


async def _compare(engine: Engine, id: str, examples: tuple[str, ...]) -> None:
    """Compare token probabilities on a few prompts with the base model's, which is asked twice to see the noise."""
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


async def _read_on(engine: Engine, id: str) -> None:
    """Refuse an adapter with which the model repeats one word for ever, whatever it is told, and without it doesn't."""
    body = {"prompt": list(_PROMPTS), "max_tokens": _RUN_TOKENS, "temperature": 0}
    if not is_stuck(await _texts(engine, id, body)) or is_stuck(await _texts(engine, BASE_NAME, body)):
        return
    raise Rejected(
        "degenerate",
        "with the adapter the model repeats one word for ever",
        "train it again, with a lower learning rate",
    )


def is_stuck(texts: tuple[str, ...]) -> bool:
    """Say whether all texts are long and repeat one and the same word or character."""
    words = {word for text in texts for word in text.split()}
    long = all(len(text.split()) >= _RUN_TOKENS // 2 or len(text.strip()) >= _RUN_TOKENS for text in texts)
    return bool(texts) and long and (len(words) == 1 or len(set("".join(words))) == 1)


async def _examine(engine: Engine, id: str, card: AdapterCard) -> None:
    """Ask what the card demands, with its own words around it as callers' requests get them."""
    if not card.checks:
        return
    right = 0
    for check in card.checks:
        message = {"role": "user", "content": check.prompt}
        body: dict[str, msgspec.Raw] = {"messages": msgspec.Raw(msgspec.json.encode([message]))}
        apply_card(body, card)
        rest = {"max_tokens": _CHECK_TOKENS, "temperature": 0}
        texts = await _texts(engine, id, {**body, **rest}, "/v1/chat/completions")
        right += any(_plain(check.answer) in _plain(text) for text in texts)
    _log.info("canary id=%s checks=%d right=%d", id, len(card.checks), right)
    if right < card.min_checks_ratio * len(card.checks):
        raise Rejected(
            "checks_failed",
            f"it answers {right} of its card's {len(card.checks)} checks right, {card.min_checks_ratio:.0%} must be",
            "train it further, or mend `checks` in its card",
        )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def distance(one: Probe, other: Probe) -> float:
    """Measure the largest difference of a log-probability; a token missing on one side counts as its least likely."""
    return max((_distance(a, b) for a, b in zip(one, other, strict=True)), default=0.0)


def _distance(one: dict[str, float], other: dict[str, float]) -> float:
    floor_one, floor_other = min(one.values()), min(other.values())
    return max(abs(one.get(token, floor_one) - other.get(token, floor_other)) for token in one.keys() | other.keys())


async def _texts(
    engine: Engine, model: str, fields: Mapping[str, object], path: str = "/v1/completions"
) -> tuple[str, ...]:
    choices = await _choices(engine, path, {"model": model, **fields})
    return tuple(choice.text or (choice.message and choice.message.content) or "" for choice in choices)


async def _probe(engine: Engine, model: str, prompts: list[str]) -> Probe:
    body = {
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": _TOP,
        "return_tokens_as_token_ids": True,
    }
    return tuple(_first_token(choice) for choice in await _choices(engine, "/v1/completions", body))


async def _choices(engine: Engine, path: str, body: Mapping[str, object]) -> list[_Choice]:
    async with engine.send(path, msgspec.json.encode(body), urgent=True) as answer:
        data = await answer.read()
        if answer.status == 503:
            raise UpstreamUnavailable("the engine stopped answering")
        if answer.status != 200:
            who = "the base model" if body["model"] == BASE_NAME else "it"
            raise Rejected(
                "canary_failed",
                f"a test request to {who} failed with status {answer.status}",
                "look at the engine's log; copy the adapter again to retry",
            )
    try:
        return sorted(_COMPLETION.decode(data).choices, key=lambda choice: choice.index)
    except msgspec.DecodeError:
        raise _not_finite() from None


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
