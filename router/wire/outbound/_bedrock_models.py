"""How the families of models behind Bedrock's Converse want to be tuned: sampling and thinking, which Converse leaves to them.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and, for Nova 2,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (both 2026-11); for what the versions of
Claude take, https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking (2026-11).
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

from router.core.types import JsonValue
from router.wire.outbound._hub import Fields, Named, Request

_CLAUDE_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:-(\d{1,2}))?(?!\d)")
_OPAQUE = ("inference-profile/", "provisioned-model/", "custom-model", "imported-model/", "prompt")
_NEWEST = (99, 0)
_ADAPTIVE = (4, 6)
"""Since this version Claude decides itself how long it thinks, and takes an effort."""
_UNTUNED = (4, 7)
"""Since this version Claude refuses temperature, top_p and top_k."""

_MIN_BUDGET = 1024
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
"""Reasoning effort -> tokens for thinking; the smallest is Anthropic's own limit, the others are our choice."""
_ANSWER_TOKENS = 4096
"""What is left for the answer where the caller sets no limit but wants thinking, which counts as output."""
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


class Family(Enum):
    """Whose models these are, as far as their ids tell."""

    CLAUDE = "claude"
    NOVA = "nova"
    GPT_OSS = "gpt_oss"
    OPAQUE = "opaque"
    """An ARN that says nothing of the model behind it."""
    OTHER = "other"


class Tuning(msgspec.Struct):
    """What becomes of a request's knobs."""

    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    effort: str | None = None
    more: Fields = {}
    """`additionalModelRequestFields`."""


def family(model: str) -> Family:
    """Say whose model an id, an inference profile or an ARN means."""
    name = model.rpartition("/")[2].lower()
    if "anthropic." in name or "claude" in name:
        return Family.CLAUDE
    if "amazon.nova" in name:
        return Family.NOVA
    if "openai.gpt-oss" in name:
        return Family.GPT_OSS
    return Family.OPAQUE if any(mark in model for mark in _OPAQUE) else Family.OTHER


def caches(model: str) -> bool:
    """Say whether a model takes marks for its prompt cache; others refuse a request that has one."""
    return family(model) in (Family.CLAUDE, Family.NOVA, Family.OPAQUE)


def tune(
    request: Request, thinking: JsonValue, choice: str | Named | None, *, model: str, resumes: bool, dropped: set[str]
) -> Tuning:
    """Fit a request's knobs to its model; what the model has no place for is added to `dropped`.

    `thinking` is the request's field of that name as it came; `resumes` = the conversation goes on after tool calls
    whose thinking it doesn't hold, which Claude refuses while it thinks by budget.
    """
    temperature = None if request.temperature is None else min(request.temperature, 1.0)
    tuning = Tuning(max_tokens=request.limit, temperature=temperature, top_p=request.top_p, more={})
    match family(model):
        case Family.CLAUDE:
            _tune_claude(tuning, request, thinking, choice, _version(model), resumes, dropped)
        case Family.NOVA:
            _tune_nova(tuning, request, "nova-2" in model, dropped)
        case Family.GPT_OSS:
            _drop(dropped, top_k=request.top_k, thinking=request.thinking)
            if request.reasoning_effort in ("low", "medium", "high"):
                tuning.more["reasoning_effort"] = request.reasoning_effort
            else:
                _drop(dropped, reasoning_effort=request.reasoning_effort)
        case Family.OPAQUE | Family.OTHER:
            _drop(dropped, top_k=request.top_k, thinking=request.thinking, reasoning_effort=request.reasoning_effort)
    return tuning


def _drop(dropped: set[str], **knobs: object) -> None:
    dropped |= {name for name, value in knobs.items() if value is not None}


def _version(model: str) -> tuple[int, int]:
    """Read Claude's version; an id without one, and with no old name, counts as the newest."""
    found = _CLAUDE_VERSION.search(model)
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return (2, 0) if re.search(r"claude-(?:v\d|instant)", model) else _NEWEST


def _tune_claude(
    tuning: Tuning,
    request: Request,
    thinking: JsonValue,
    choice: str | Named | None,
    version: tuple[int, int],
    resumes: bool,
    dropped: set[str],
) -> None:
    forced = choice == "required" or isinstance(choice, Named)
    thinks = False
    if isinstance(thinking, dict):
        tuning.more["thinking"] = thinking
        thinks = thinking.get("type") != "disabled"
        if request.thinking and request.thinking.budget_tokens and tuning.max_tokens is None:
            tuning.max_tokens = request.thinking.budget_tokens + _ANSWER_TOKENS
        _drop(dropped, reasoning_effort=request.reasoning_effort)
    elif request.reasoning_effort is not None:
        thinks = _claude_effort(tuning, request.reasoning_effort, version, may=not (forced or resumes), dropped=dropped)
    if request.top_k is not None:
        tuning.more["top_k"] = request.top_k
    if version >= _UNTUNED or thinks:
        _drop(dropped, top_k=tuning.more.pop("top_k", None))
        _drop(dropped, temperature=tuning.temperature if tuning.temperature != 1 else None)
        _drop(dropped, top_p=tuning.top_p if tuning.top_p != 1 else None)
        tuning.temperature = tuning.top_p = None
    elif tuning.temperature is not None and tuning.top_p is not None:
        # Source: https://docs.claude.com/en/api/messages#body-top-p ("alter temperature or top_p, but not both").
        if tuning.top_p < 1 and tuning.temperature >= 1:
            tuning.temperature = None
        else:
            _drop(dropped, top_p=tuning.top_p if tuning.top_p < 1 else None)
            tuning.top_p = None


def _claude_effort(tuning: Tuning, effort: str, version: tuple[int, int], *, may: bool, dropped: set[str]) -> bool:
    """Ask for as much thinking as the caller wants; return whether the model will think."""
    if effort == "none":
        if version >= _ADAPTIVE:
            tuning.more["thinking"] = {"type": "disabled"}
        return False
    if version >= _ADAPTIVE:
        named = _EFFORTS.get(effort) or {"xhigh": "xhigh" if version >= _UNTUNED else "max", "max": "max"}.get(effort)
        if named is None:
            dropped.add("reasoning_effort")
            return False
        tuning.more["thinking"] = {"type": "adaptive"}
        tuning.effort = named
        return True
    budget = _BUDGETS.get(effort, 0)
    if tuning.max_tokens is not None:
        budget = min(budget, tuning.max_tokens - 1)
    if not may or budget < _MIN_BUDGET or version < (3, 7):
        dropped.add("reasoning_effort")
        return False
    tuning.more["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if tuning.max_tokens is None:
        tuning.max_tokens = budget + _ANSWER_TOKENS
    return True


def _tune_nova(tuning: Tuning, request: Request, second: bool, dropped: set[str]) -> None:
    _drop(dropped, thinking=request.thinking)
    effort = request.reasoning_effort
    if request.top_k is not None:
        tuning.more["inferenceConfig"] = {"topK": request.top_k}
    if effort in (None, "none"):
        return
    level = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}.get(effort) if second else None
    if level == "high" and tuning.max_tokens is not None:
        # The highest can't be limited, and a limit is no mere wish.
        level = "medium"
        dropped.add("reasoning_effort")
    if level is None:
        dropped.add("reasoning_effort")
        return
    tuning.more["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
    if level == "high":
        _drop(dropped, temperature=tuning.temperature, top_p=tuning.top_p, top_k=request.top_k)
        tuning.temperature = tuning.top_p = None
        tuning.more.pop("inferenceConfig", None)
