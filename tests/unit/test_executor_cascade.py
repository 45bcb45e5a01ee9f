"""Cascades: a cheap answer is read whole, passes the gates or goes on to another model, and is better than none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router import compose
from router.config.load import load
from router.core import clock
from router.core.errors import (
    AllTargetsFailed,
    ConfigError,
    LocalityViolation,
    StreamInterrupted,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.ports import NOTHING
from router.core.types import Delta, JsonValue, Locality, Price, Usage
from router.execution.cascade import Cascade
from router.execution.fold import Folded, fold, without_logprobs
from router.execution.gates import Asked, Gate, GateDeps, judge, length, logprob, refusal
from router.execution.gates import json as json_gate
from router.record.pricing import Tariff
from router.record.trace import Trace
from tests.fakes.execution import Permission, Run, ScriptedProvider, plan, step
from tests.fakes.values import request, target, verdict

pytestmark = pytest.mark.anyio

DEPS = GateDeps(has_engine=True)
DOWN = UpstreamUnavailable("x")
ALL_IS_WELL = [Folded(text="fine", finish_reason="stop")]


def whole(text: str, finish: str = "stop", **choice: object) -> Delta:
    said = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, **choice}
    payload = json.dumps({"choices": [said]}).encode()
    return Delta(payload=payload, finish_reason=finish, usage=Usage(input_tokens=3, output_tokens=1))


def piece(finish: str | None = None, index: int = 0, logprobs: object = None, **delta: object) -> Delta:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return Delta(payload=json.dumps({"choices": [choice]}).encode(), finish_reason=finish)


def cascade(*gates: tuple[str, Gate]) -> Cascade:
    return Cascade(*(gates or (("length", length.build(length.Config(min_chars=5), DEPS)),)))


SHORT, LONG, LONGER = whole("no"), whole("a long answer"), whole("an answer that is longer")
TWO = plan(step(target("a/cheap"), gated=True), step(target("b/dear")), cascade="test")


def gated(*providers: tuple[str, ScriptedProvider], **more: Any) -> Run:
    return Run(*providers, **{"cascade": cascade(), **more})


async def test_what_the_gates_accept_is_the_answer() -> None:
    dear = ScriptedProvider([LONGER])
    run = gated(("a", ScriptedProvider([LONG])), ("b", dear))
    await run(TWO, stream=False)
    assert run.deltas == [LONG]
    assert dear.sent == []
    assert run.notes.attempts[0].gate is None


async def test_what_a_gate_turns_down_is_billed_and_the_next_model_is_asked() -> None:
    run = gated(("a", ScriptedProvider([SHORT])), ("b", ScriptedProvider([LONG])))
    await run(TWO, stream=False)
    assert run.deltas == [LONG]
    first, second = run.notes.attempts
    assert (first.gate, first.error_code, first.usage) == ("length", None, SHORT.usage)
    assert (second.gate, second.error_code) == (None, None)


async def test_a_stream_is_read_whole_before_any_of_it_is_given() -> None:
    bad = [piece(role="assistant"), piece(content="n"), piece(content="o"), piece("stop")]
    good = [piece(content="long "), piece(content="enough"), piece("stop")]
    run = gated(("a", ScriptedProvider(bad)), ("b", ScriptedProvider(good)))
    await run(TWO)
    assert run.deltas == good
    cut = gated(("a", ScriptedProvider([*good[:2], DOWN])), ("b", ScriptedProvider([LONG])))
    await cut(TWO)
    assert cut.deltas == [LONG], "it broke before it was given, so nothing broke for the caller"


async def test_an_answer_that_grows_too_large_to_be_held_is_given_unseen() -> None:
    said = [piece(content="n"), piece(content="o"), piece(content="p" * 500), piece(content="e"), piece("stop")]
    tried = ScriptedProvider(said)
    small = Cascade(("length", length.build(length.Config(min_chars=9_999), DEPS)), most_bytes=400)
    run = gated(("a", tried), ("b", ScriptedProvider([LONG])), cascade=small)
    await run(TWO)
    assert run.deltas == said
    assert run.notes.attempts[0].gate is None
    cut = gated(("a", ScriptedProvider([*said[:4], DOWN])), ("b", ScriptedProvider([LONG])), cascade=small)
    with pytest.raises(StreamInterrupted):
        await cut(TWO)
    assert cut.deltas == said[:4], "what was let through stays, and nothing else follows it"
    large = whole("p" * 500)
    all_at_once = gated(("a", ScriptedProvider([large])), ("b", ScriptedProvider([LONG])), cascade=small)
    await all_at_once(TWO, stream=False)
    assert all_at_once.deltas == [large]


async def test_of_an_answer_that_is_given_unseen_log_probabilities_are_left_out_to_its_end() -> None:
    sure: dict[str, object] = {"content": [{"token": "x", "logprob": -0.1}]}
    said = [piece(content="x" * 200, logprobs=sure), piece(content="y", logprobs=sure), piece("stop")]
    gates = Cascade(("logprob", logprob.build(logprob.Config(), DEPS)), most_bytes=100)
    run = gated(("a", ScriptedProvider(said)), ("b", ScriptedProvider([LONG])), cascade=gates)
    await run(TWO)
    assert len(run.deltas) == 3
    assert b'logprob"' not in b"".join(delta.payload for delta in run.deltas)


async def test_the_same_model_elsewhere_is_not_asked_for_what_it_said_already() -> None:
    twin, dear = ScriptedProvider([LONG]), ScriptedProvider([LONGER])
    run = gated(("a", ScriptedProvider([SHORT])), ("a2", twin), ("b", dear))
    steps = [step(target("a/cheap"), gated=True), step(target("a2/cheap"), gated=True), step(target("b/dear"))]
    await run(plan(*steps, cascade="test"), stream=False)
    assert run.deltas == [LONGER]
    assert twin.sent == []


@pytest.mark.parametrize("error", [DOWN, UpstreamRejected("x")])
async def test_an_answer_that_was_turned_down_beats_none(error: Exception) -> None:
    run = gated(("a", ScriptedProvider([SHORT])), ("b", ScriptedProvider([error])))  # pyright: ignore
    await run(TWO, stream=False)
    assert run.deltas == [SHORT]
    assert run.notes.targets[-1].deployment == "a/cheap"
    assert [attempt.gate for attempt in run.notes.attempts] == ["length", None]


async def test_a_cheap_model_that_is_down_is_a_fallback_like_any() -> None:
    run = gated(("a", ScriptedProvider([DOWN])), ("b", ScriptedProvider([SHORT])))
    await run(TWO, stream=False)
    assert run.deltas == [SHORT]
    both = gated(("a", ScriptedProvider([DOWN])), ("b", ScriptedProvider([DOWN])))
    with pytest.raises(AllTargetsFailed):
        await both(TWO, stream=False)


async def test_no_answer_makes_up_for_a_violation_of_the_verdict() -> None:
    run = gated(("local", ScriptedProvider([SHORT])), ("b", ScriptedProvider([LONG])))
    wanted = plan(step(target("local", Locality.LOCAL), gated=True), step(target("b/dear")), cascade="test")
    with pytest.raises(LocalityViolation):
        await run(wanted, stream=False, allowed=verdict(Locality.LOCAL, rule="sensitive"))
    assert run.deltas == []


# -- what gates ask for


UNSURE = {"content": [{"token": "x", "logprob": -2.0, "bytes": None, "top_logprobs": []}]}


async def test_log_probabilities_are_asked_for_and_left_out_again_unless_the_caller_wants_them() -> None:
    sure = Cascade(("logprob", logprob.build(logprob.Config(min_mean=-3), DEPS)))
    answer = whole("x", logprobs=UNSURE)
    upstream = ScriptedProvider([answer])
    run = gated(("a", upstream), ("b", ScriptedProvider([LONG])), cascade=sure)
    await run(TWO, stream=False)
    assert upstream.sent[0].body["logprobs"] is True
    assert b"-2.0" not in run.deltas[0].payload
    body: dict[str, JsonValue] = {"model": "auto", "messages": [], "logprobs": True}
    await run(TWO, stream=False, body=body)
    assert run.deltas[1] == answer


async def test_a_model_that_was_not_sure_is_turned_down() -> None:
    run = gated(
        ("a", ScriptedProvider([whole("x", logprobs=UNSURE)])),
        ("b", ScriptedProvider([LONG])),
        cascade=Cascade(("logprob", logprob.build(logprob.Config(), DEPS))),
    )
    await run(TWO, stream=False)
    assert run.notes.attempts[0].gate == "logprob"
    dear = run.permit.given[-1] if run.permit else None
    assert dear is not None
    assert "logprobs" not in dear.body


async def test_a_target_that_rejects_what_a_gate_asks_for_gives_way_to_the_next() -> None:
    run = gated(
        ("a", ScriptedProvider([UpstreamRejected("logprobs")])),
        ("b", ScriptedProvider([LONG])),
        cascade=Cascade(("logprob", logprob.build(logprob.Config(), DEPS))),
    )
    await run(TWO, stream=False)
    assert run.deltas == [LONG]


class Broken:
    asks: Mapping[str, JsonValue] = NOTHING

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        raise ZeroDivisionError(answer.text)


async def test_a_gate_that_fails_accepts() -> None:
    run = gated(("a", ScriptedProvider([SHORT])), ("b", ScriptedProvider([LONG])), cascade=Cascade(("x", Broken())))
    await run(TWO, stream=False)
    assert run.deltas == [SHORT]


# -- the judge


@pytest.mark.parametrize(
    ("said", "accepted"), [("Yes.", True), ("no", False), ("**No**, because", False), ("Not sure", True), ("", True)]
)
async def test_the_judge_is_asked_on_this_machine_and_turns_down_on_a_no(said: str, accepted: bool) -> None:
    local = ScriptedProvider([whole(said)])
    run = gated(
        ("a", ScriptedProvider([LONG])),
        ("b", ScriptedProvider([LONGER])),
        ("local", local),
        cascade=Cascade(("judge", judge.build(judge.Config(), DEPS))),
        has_engine=True,
    )
    await run(TWO, stream=False)
    assert run.deltas == [LONG if accepted else LONGER]
    assert local.sent[0].target.locality is Locality.LOCAL
    assert not local.sent[0].stream
    shown = json.dumps(local.sent[0].body)
    assert "hello" in shown
    assert "a long answer" in shown
    tried = [attempt.target for attempt in run.notes.attempts if not attempt.question]
    assert tried == (["a/cheap"] if accepted else ["a/cheap", "b/dear"])
    asked = run.notes.attempts[0]
    assert (asked.target, asked.question, asked.error_code, asked.usage) == ("local/base", True, None, whole("").usage)
    assert [where.label for where in run.notes.targets] == tried, "the question is no answer"


async def test_what_a_judge_costs_is_recorded_and_changes_nothing_of_what_the_caller_is_told() -> None:
    run = gated(
        ("a", ScriptedProvider([LONG])),
        ("b", ScriptedProvider([LONGER])),
        ("local", ScriptedProvider([DOWN], [whole("no")])),
        cascade=Cascade(("judge", judge.build(judge.Config(), DEPS))),
        has_engine=True,
    )
    free = Tariff(Price(input_usd=Decimal(0), output_usd=Decimal(0)))
    for said in ("down", "no"):
        trace = Trace("r", lambda _: free)
        trace.planned(TWO)
        one = request(stream=False, deadline_s=clock.monotonic_s() + 10)
        async with aclosing(run.executor.execute(TWO, one, Permission(one, verdict()), trace)) as deltas:
            assert [delta async for delta in deltas] == [LONG if said == "down" else LONGER]
        told = dict(trace.headers(final=True))
        tries = 1 if said == "down" else 2
        assert told["x-router-target"] == ("a/cheap" if tries == 1 else "b/dear")
        assert told["x-router-attempts"] == str(tries)
        assert told["x-router-reason"] == ("strategy:test" if tries == 1 else "fallback:gate_judge")
        assert [attempt.question for attempt in trace.attempts] == [True, *[False] * tries]
        assert trace.attempts[0].usage == (None if said == "down" else whole("").usage)
    assert run.health.health("local/base").error_ratio > 0, "an engine that is down is known to be"


@pytest.mark.parametrize("script", [[DOWN], [10.0, SHORT], []])
async def test_a_judge_that_is_down_or_late_accepts(script: list[Any]) -> None:
    run = gated(
        ("a", ScriptedProvider([LONG])),
        ("b", ScriptedProvider([LONGER])),
        ("local", ScriptedProvider(script)),
        cascade=Cascade(("judge", judge.build(judge.Config(within_s=0.05), DEPS))),
        has_engine=True,
    )
    await run(TWO, stream=False)
    assert run.deltas == [LONG]
    assert run.notes.attempts[0].question


async def test_being_late_for_a_gate_says_nothing_of_the_engine() -> None:
    run = gated(
        ("a", ScriptedProvider([LONG])),
        ("local", ScriptedProvider([10.0])),
        cascade=Cascade(("judge", judge.build(judge.Config(within_s=0.05), DEPS))),
        has_engine=True,
    )
    for _ in range(3):
        await run(TWO, stream=False)
    assert run.health.health("local/base").available


async def test_a_judge_gets_no_longer_than_the_request_has_left() -> None:
    run = gated(
        ("a", ScriptedProvider([LONG])),
        ("b", ScriptedProvider([LONGER])),
        ("local", ScriptedProvider([10.0, SHORT])),
        cascade=Cascade(("judge", judge.build(judge.Config(within_s=5.0), DEPS))),
        has_engine=True,
    )
    started_s = clock.monotonic_s()
    await run(TWO, stream=False, deadline_s=0.1)
    assert run.deltas == [LONG]
    assert clock.monotonic_s() - started_s < 5.0 / 2


def test_a_judge_needs_an_engine() -> None:
    with pytest.raises(ConfigError, match=r"local\.url"):
        judge.build(judge.Config(), GateDeps(has_engine=False))


# -- folding and the gates by themselves


def test_pieces_are_put_together_choice_by_choice() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}
    deltas = [
        piece(role="assistant", content=""),
        piece(content="Hel", logprobs={"content": [{"token": "Hel", "logprob": -1.0}]}),
        piece(content="lo", logprobs={"content": [{"token": "lo", "logprob": -3.0}]}),
        piece(index=1, refusal="I won't"),
        piece(tool_calls=[call]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": ":1}"}}]),
        piece("tool_calls"),
        Delta(payload=b"[nonsense"),
        piece("stop", index=1),
    ]
    first, second = fold(deltas)
    assert first == Folded(
        text="Hello", finish_reason="tool_calls", tool_calls=(("look", '{"a":1}'),), mean_logprob=-2.0
    )
    assert second == Folded(refusal="I won't", finish_reason="stop")
    assert fold([LONG])[0].text == "a long answer"


def test_only_log_probabilities_are_left_out() -> None:
    with_them = whole("x", logprobs=UNSURE)
    (left,) = without_logprobs([with_them])
    kept = json.loads(left.payload)["choices"][0]
    assert kept == {**json.loads(with_them.payload)["choices"][0], "logprobs": None}
    assert (left.usage, left.finish_reason) == (with_them.usage, "stop")
    assert without_logprobs([LONG]) == (LONG,)


async def _never(body: object, within_s: float) -> str | None:
    raise AssertionError((body, within_s))


def asked(**body: JsonValue) -> Asked:
    return Asked(body={"messages": [], **body}, ask=_never)


def schema(**of: JsonValue) -> dict[str, JsonValue]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": of}}


CALLED = Folded(tool_calls=(("f", "{}"),), finish_reason="tool_calls")
OBJECT: dict[str, JsonValue] = {"type": "json_object"}
_LEVELS = {str(level): {"allOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(60)}
DOUBLING: Any = {"$ref": "#/$defs/0", "$defs": {**_LEVELS, "60": {}}}
NAMED = schema(type="object", properties={"a": {"type": "string"}}, required=["a"], additionalProperties=False)


@pytest.mark.parametrize(
    ("gate", "answer", "request_", "accepted"),
    [
        (length.build(length.Config(), DEPS), Folded(text="  "), asked(), False),
        (length.build(length.Config(), DEPS), CALLED, asked(), True),
        (length.build(length.Config(), DEPS), Folded(text="cut", finish_reason="length"), asked(), False),
        (length.build(length.Config(cut_off=True), DEPS), Folded(text="cut", finish_reason="length"), asked(), True),
        (length.build(length.Config(max_chars=3), DEPS), Folded(text="four"), asked(), False),
        (refusal.build(refusal.Config(), DEPS), Folded(text="Paris."), asked(), True),
        (refusal.build(refusal.Config(), DEPS), Folded(text="I\u2019m sorry, but I can\u2019t do that."), asked(), False),
        (refusal.build(refusal.Config(), DEPS), Folded(refusal="no"), asked(), False),
        (refusal.build(refusal.Config(), DEPS), Folded(finish_reason="content_filter"), asked(), False),
        (refusal.build(refusal.Config(phrases=("Das darf ich",)), DEPS), Folded(text="das darf ich nicht"), asked(), False),
        (refusal.build(refusal.Config(), DEPS), Folded(text="x" * 300 + " as an AI"), asked(), True),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text="prose"), asked(), True),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text="prose"), asked(response_format=OBJECT), False),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text="[1]"), asked(response_format=OBJECT), False),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text='{"b": 1}'), asked(response_format=OBJECT), True),
        (json_gate.build(json_gate.Config(), DEPS), CALLED, asked(response_format=OBJECT), True),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text='{"a": "x"}'), asked(response_format=NAMED), True),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text='{"a": 1}'), asked(response_format=NAMED), False),
        (json_gate.build(json_gate.Config(), DEPS), Folded(text='{"a": "", "b": 1}'), asked(response_format=NAMED), False),
    ],
)  # fmt: skip
async def test_what_each_gate_accepts(gate: Gate, answer: Folded, request_: Asked, accepted: bool) -> None:
    assert await gate.accepts(answer, request_) is accepted


@pytest.mark.parametrize(
    "hostile",
    [
        schema(type="string", pattern="^(a+)+$"),
        schema(type="object", patternProperties={"^(a+)+$": {}}, additionalProperties=False),
        schema(type="nonsense"),
        schema(**{"$ref": "http://127.0.0.1:1/schema.json"}),
        schema(**{"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/$defs/x"}}}),
        schema(**DOUBLING),
        schema(properties=3, type=[]),
        {"type": "json_schema"},
    ],
)
async def test_a_hostile_schema_neither_hangs_nor_fetches_nor_fails(hostile: JsonValue) -> None:
    gate = json_gate.build(json_gate.Config(), DEPS)
    for text in (json.dumps("a" * 40 + "!"), json.dumps({"a" * 40 + "!": 1})):
        await gate.accepts(Folded(text=text), asked(response_format=hostile))


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("lenght", "did you mean 'length'"),
        ("{kind: length, min_char: 3}", "min_char"),
        ("judge", r"set 'local\.url'"),
    ],
)
def test_a_gate_that_cannot_be_built_stops_the_start_with_its_line(gate: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(f"""
providers: {{x: {{kind: openai_compatible, base_url: "http://127.0.0.1:1/v1"}}}}
models:
  cheap:
    deployments: [{{provider: x, model: m}}]
    cascade:
      gates:
        - {gate}
""")
    with pytest.raises(ConfigError, match=message) as caught:
        compose.check(*load(file))
    assert "8" in caught.value.message
