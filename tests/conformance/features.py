"""What is tried in every cell: what is asked, and how one sees that it arrived and came back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import msgspec

from tests.conformance.callers import PDF, PNG, UNKNOWN, Ask, Got
from tests.conformance.model import (
    CACHED,
    CITIES,
    FILTERED,
    INPUT,
    LONG_TOKENS,
    OUTPUT,
    SCHEMA,
    SIGNATURE,
    STRUCTURED,
    SUMMARY,
    TEXT,
    THINKING,
    THOUGHT,
    WRITTEN,
    Heard,
    Turn,
)
from tests.conformance.upstreams import Upstream

BRIEF = "Be brief."
QUESTION = "How is the weather in the two towns?"
EARLIER = "The towns are by the sea."
COUNTS = {"input": INPUT, "output": OUTPUT, "cached": CACHED, "written": WRITTEN, "reasoning": THINKING}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to judge by."""

    heard: Heard
    got: Got
    upstream: Upstream
    caller: str
    is_native: bool = False


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    key: str
    title: str
    ask: Ask
    check: Callable[[Seen], Sequence[str]]
    """Returns what is lost."""
    names: str = r"(?!)"
    """Pattern of the names under which it is dropped or refused."""
    own: frozenset[str] = frozenset()
    """What is lost where it is dropped; anything else must still be there."""
    again: Ask | None = None
    """A second request, which goes on from the answer to the first."""
    modes: tuple[bool, ...] = (False, True)
    """Whether it is asked for whole, streamed, or both."""
    opaque: bool = False
    """Whether it holds what the scan can't read, so that a request with it stays local."""


def _wrong(**facts: tuple[object, object]) -> list[str]:
    """Name what isn't as it should be."""
    return [f"{name}: {is_!r} instead of {should!r}" for name, (is_, should) in facts.items() if is_ != should]


def _text(seen: Seen) -> list[str]:
    return _wrong(
        asked=(seen.heard.turns[-1].text.split(" cell-")[0], QUESTION),
        text=(seen.got.text, TEXT),
        finish=(seen.got.finish, "stop"),
    )


def _system(seen: Seen) -> list[str]:
    return [*_wrong(system=(seen.heard.system, BRIEF)), *_text(seen)]


def _turns(seen: Seen) -> list[str]:
    roles = ["assistant" if turn.role == "model" else turn.role for turn in seen.heard.turns]
    turns = seen.heard.turns
    return [
        *_wrong(
            roles=(roles, ["user", "assistant", "user"]), earlier=([one.text for one in turns[:2]], ["Hi", EARLIER])
        ),
        *_text(seen),
    ]


def _calls(seen: Seen) -> list[str]:
    calls = [(call.id, call.name, dict(call.arguments)) for call in seen.got.calls]
    wanted = [(f"call_{at}", "weather", {"city": city}) for at, city in enumerate(CITIES)]
    return _wrong(calls=(calls, wanted), finish=(seen.got.finish, "tool_calls"), tools=(seen.heard.tools, ["weather"]))


def _results(seen: Seen) -> list[str]:
    turns = seen.heard.turns
    results = [(turn.answers, turn.text) for turn in turns if turn.answers]
    calls = [(call.id, dict(call.arguments)) for turn in turns for call in turn.calls]
    wanted = [(f"call_{at}", {"city": city}) for at, city in enumerate(CITIES)]
    return _wrong(
        results=(results, [*RESULTS.items()]), calls=(calls, wanted), text=(seen.got.text, SUMMARY), finish=(seen.got.finish, "stop")
    )  # fmt: skip


def _named(seen: Seen) -> list[str]:
    is_forced = seen.heard.choice == "now" or (seen.heard.choice, seen.heard.tools) == ("required", ["now"])
    return _wrong(forced=(is_forced, True), called=({call.name for call in seen.got.calls}, {"now"}))


def _required(seen: Seen) -> list[str]:
    is_forced = seen.heard.choice == "required"
    return _wrong(forced=(is_forced, True), called=({call.name for call in seen.got.calls}, {"weather"}))


def _none(seen: Seen) -> list[str]:
    is_kept = seen.heard.choice == "none" or not seen.heard.tools
    return [*_wrong(kept=(is_kept, True), calls=(seen.got.calls, [])), *_text(seen)]


def _alone(seen: Seen) -> list[str]:
    return _wrong(alone=(seen.heard.parallel, False), calls=(len(seen.got.calls), 1))


def _schema(seen: Seen) -> list[str]:
    return _wrong(schema=(seen.heard.schema, SCHEMA), text=(seen.got.text, json.dumps(STRUCTURED)))


def _json(seen: Seen) -> list[str]:
    return _wrong(json=(seen.heard.json, True), text=(seen.got.text, json.dumps(STRUCTURED)))


def _image(seen: Seen) -> list[str]:
    return [*_wrong(image=(seen.heard.turns[-1].image, PNG)), *_text(seen)]


def _file(seen: Seen) -> list[str]:
    return [*_wrong(file=(seen.heard.turns[-1].file, PDF)), *_text(seen)]


def _temperature(seen: Seen) -> list[str]:
    return [*_wrong(temperature=(seen.heard.temperature, 0.5)), *_text(seen)]


def _stop(seen: Seen) -> list[str]:
    return _wrong(
        stops=(seen.heard.stops, ["model"]), text=(seen.got.text, "Hello from the "), finish=(seen.got.finish, "stop")
    )


def _limit(seen: Seen) -> list[str]:
    return _wrong(limit=(seen.heard.limit, LONG_TOKENS - 1), finish=(seen.got.finish, "length"))


def _n(seen: Seen) -> list[str]:
    return [*_wrong(n=(seen.heard.n, 2), choices=(seen.got.choices, 2)), *_text(seen)]


def _logprobs(seen: Seen) -> list[str]:
    return [*_wrong(asked=(seen.heard.logprobs, True), got=(seen.got.logprobs, True)), *_text(seen)]


def _seed(seen: Seen) -> list[str]:
    return [*_wrong(seed=(seen.heard.seed, 7)), *_text(seen)]


def _effort(seen: Seen) -> list[str]:
    return [*_wrong(thinks=(seen.heard.thinks, True), thought=(seen.got.thought, THOUGHT)), *_text(seen)]


def _kept(seen: Seen) -> list[str]:
    thought = "".join(turn.thought for turn in seen.heard.turns)
    signature = "".join(turn.signature for turn in seen.heard.turns)
    lost: list[str] = []
    if seen.upstream.returns_thoughts:
        lost += _wrong(thought=(thought, THOUGHT))
    if seen.upstream.signs and seen.caller in seen.upstream.signed_for:
        lost += _wrong(signature=(signature, SIGNATURE))
    return [*lost, *_results(seen)]


def _mark(seen: Seen) -> list[str]:
    return [*_wrong(marks=(seen.heard.marks, 1)), *_text(seen)]


def _filter(seen: Seen) -> list[str]:
    return _wrong(finish=(seen.got.finish, "filter"))


def _unknown(seen: Seen) -> list[str]:
    return [*_wrong(field=(UNKNOWN in seen.heard.fields, True)), *_text(seen)]


def _counted(*names: str) -> Callable[[Seen], Sequence[str]]:
    def check(seen: Seen) -> list[str]:
        # The shape of responses demands every number; elsewhere what isn't known isn't there.
        unknown = 0 if seen.caller == "responses" else None
        wanted = {name: COUNTS[name] if name in seen.upstream.counts else unknown for name in names}
        return _wrong(**{name: (seen.got.usage.get(name), count) for name, count in wanted.items()})

    return check


_ASK = Turn(role="user", text=QUESTION)
_PLAIN = Ask(turns=(_ASK,))
_TOOLS = Ask(turns=(_ASK,), tools=("weather",))
RESULTS = {"call_0": "7 degrees", "call_1": "9 degrees"}


def _with(**changes: object) -> Ask:
    return msgspec.structs.replace(_PLAIN, **changes)


FEATURES: tuple[Feature, ...] = (
    Feature(key="text", title="text, whole", ask=_PLAIN, check=_text, modes=(False,)),
    Feature(key="text_streamed", title="text, streamed", ask=_PLAIN, check=_text, modes=(True,)),
    Feature(key="system", title="system text", ask=_with(system=BRIEF), check=_system),
    Feature(key="developer", title="developer role", ask=_with(developer=BRIEF), check=_system),
    Feature(
        key="turns",
        title="earlier turns, the model's among them",
        ask=_with(turns=(Turn(role="user", text="Hi"), Turn(role="assistant", text=EARLIER), _ASK)),
        check=_turns,
    ),
    Feature(key="calls", title="parallel tool calls, whole", ask=_TOOLS, check=_calls, modes=(False,)),
    Feature(key="calls_streamed", title="parallel tool calls, streamed", ask=_TOOLS, check=_calls, modes=(True,)),
    Feature(key="results", title="tool results sent back", ask=_TOOLS, check=_results, again=_TOOLS),
    Feature(
        key="named",
        title="one tool forced by name",
        ask=_with(tools=("weather", "now"), choice="now"),
        check=_named,
        names="tool_choice",
    ),
    Feature(
        key="required",
        title="any tool forced",
        ask=_with(tools=("weather",), choice="required"),
        check=_required,
        names="tool_choice",
    ),
    Feature(
        key="none", title="`tool_choice` none", ask=_with(tools=("weather",), choice="none"), check=_none,
        names="tool_choice",
    ),
    Feature(
        key="parallel", title="one call at a time", ask=_with(tools=("weather",), alone=True), check=_alone,
        names="parallel_tool_calls", own=frozenset({"alone", "calls"}),
    ),
    Feature(key="schema", title="JSON by a schema", ask=_with(schema=True), check=_schema, names="response_format"),
    Feature(key="json", title="JSON mode", ask=_with(json=True), check=_json, names="response_format"),
    Feature(key="image", title="image as a data URL", ask=_with(image=True), check=_image, opaque=True),
    Feature(
        key="file", title="PDF as a data URL", ask=_with(file=True), check=_file, names=r"messages|file\.filename", opaque=True
    ),
    Feature(key="temperature", title="temperature", ask=_with(temperature=0.5), check=_temperature, names="temperature"),
    Feature(key="stop", title="stop text", ask=_with(stop="model"), check=_stop, names="stop"),
    Feature(key="limit", title="longest answer; finish reason `length`", ask=_with(limit=LONG_TOKENS - 1), check=_limit),
    Feature(key="n", title="several answers (`n`)", ask=_with(n=2), check=_n, names="n"),
    Feature(
        key="logprobs", title="log probabilities", ask=_with(logprobs=True), check=_logprobs, names="logprobs"
    ),
    Feature(key="seed", title="seed", ask=_with(seed=7), check=_seed, names="seed", own=frozenset({"seed"})),
    Feature(
        key="effort",
        title="reasoning wanted; its text comes back",
        ask=_with(effort="medium"),
        check=_effort,
        names="reasoning_effort|thinking|reasoning",
        own=frozenset({"thinks", "thought"}),
    ),
    Feature(
        key="kept",
        title="reasoning goes back with the next turn",
        ask=_with(effort="medium", tools=("weather",)),
        again=_with(effort="medium", tools=("weather",)),
        check=_kept,
        own=frozenset({"thought"}),
        names=r"messages\.(thinking_blocks|reasoning_content)|thinking_blocks|input\.reasoning(\.encrypted_content)?",
        opaque=True,
    ),
    Feature(key="mark", title="`cache_control`", ask=_with(mark=True), check=_mark, names="cache_control", own=frozenset({"marks"})),
    Feature(
        key="filter",
        title="refusal or content filter as finish reason",
        ask=_with(turns=(Turn(role="user", text=f"{QUESTION} {FILTERED}"),)),
        check=_filter,
    ),
    Feature(key="usage", title="usage: tokens in and out", ask=_PLAIN, check=_counted("input", "output")),
    Feature(key="usage_cached", title="usage: read from a cache", ask=_PLAIN, check=_counted("cached")),
    Feature(key="usage_written", title="usage: written to a cache", ask=_PLAIN, check=_counted("written")),
    Feature(key="usage_reasoning", title="usage: reasoning", ask=_PLAIN, check=_counted("reasoning")),
    Feature(key="unknown", title="a field nobody knows", ask=_with(unknown=True), check=_unknown, names=f"{UNKNOWN}|unknown( field)?|other", own=frozenset({"field"})),
)  # fmt: skip

COUNTED = {"usage_cached": "cached", "usage_written": "written", "usage_reasoning": "reasoning"}
"""Rows of counts that not every provider reports."""


def concerns(feature: Feature, name: str) -> bool:
    """Whether a name that is dropped or refused is this feature's."""
    return re.fullmatch(feature.names, name) is not None
