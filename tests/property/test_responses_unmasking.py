"""However a stream of responses is cut, its deltas add up to its texts, and those are the whole answer with values put back."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from router.core.types import Delta, Dialect
from router.privacy.masking import Vault
from router.privacy.unmasking import Unmasker
from tests.fakes.cloud_responses import response

EVENT = TypeAdapter[Any](ResponseStreamEvent)
VAULT = Vault(bytes(32))
NAMES = [VAULT.placeholder("PERSON", 'Ann "Al" Lee'), VAULT.placeholder("EMAIL_ADDRESS", "a\\b@example.com")]
TEXT = st.lists(
    st.sampled_from([*NAMES, NAMES[0][:6], "<", "<PERSON_", "> ", "Hello ", "é", '"', "\\", "<EMAIL_ADDRESS_AAAAAA>"]),
    max_size=8,
).map("".join)
KINDS = {
    "output_text": ("text", {"content_index": 0, "logprobs": []}),
    "refusal": ("refusal", {"content_index": 1}),
    "reasoning_text": ("text", {"content_index": 0}),
    "reasoning_summary_text": ("text", {"summary_index": 0}),
    "function_call_arguments": ("arguments", {"name": "f"}),
}


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def texts(draw: st.DrawFn) -> list[tuple[str, int, str, list[str], bool]]:
    """Draw texts of a response: kind, item, text, pieces, and whether its own end is told."""
    found: list[tuple[str, int, str, list[str], bool]] = []
    for index in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        text = draw(TEXT)
        text = json.dumps({"a": text}, ensure_ascii=False) if kind == "function_call_arguments" else text
        found.append(
            (kind, index, text, cut(text, draw(st.lists(st.integers(0, 999), max_size=12))), draw(st.booleans()))
        )
    return found


def stream(drawn: list[tuple[str, int, str, list[str], bool]], order: list[int]) -> list[dict[str, Any]]:
    """Write the events, those of several items mixed as `order` says."""
    queues: list[list[dict[str, Any]]] = []
    for kind, index, text, pieces, _ in drawn:
        field, place = KINDS[kind]
        own = {"item_id": f"i{index}", "output_index": index}
        at = {name: value for name, value in place.items() if name != "name"}
        events = [{"type": f"response.{kind}.delta", **own, **at, "delta": piece} for piece in pieces]
        queues.append([*events, {"type": f"response.{kind}.done", **own, **place, field: text}])
    mixed: list[dict[str, Any]] = []
    for number in order:
        queue = queues[number % len(queues)]
        if queue:
            mixed.append(queue.pop(0))
    mixed += [event for queue in queues for event in queue]
    output = [{"id": "m", "type": "message", "status": "completed", "role": "assistant",
               "content": [{"type": "output_text", "text": text, "annotations": []} for _, _, text, _, _ in drawn]}]  # fmt: skip
    mixed.append({"type": "response.completed", "response": response({"model": "m"}, output)})
    return [{**event, "sequence_number": number} for number, event in enumerate(mixed)]


def restored(events: list[dict[str, Any]], response_format: Any = None) -> list[dict[str, Any]]:
    unmasker = Unmasker(VAULT, response_format)
    found: list[dict[str, Any]] = []
    for event in events:
        payload = msgspec.json.encode(event)
        for one in unmasker.restore(Delta(payload=payload, dialect=Dialect.RESPONSES, event=event["type"].encode())):
            found.append(msgspec.json.decode(one.payload))
            assert one.event == found[-1]["type"].encode()
    return found


@settings(max_examples=300, deadline=None)
@given(texts(), st.lists(st.integers(0, 2), max_size=40))
def test_deltas_add_up_to_the_text_and_that_is_the_whole_restored(
    drawn: list[tuple[str, int, str, list[str], bool]], order: list[int]
) -> None:
    found = restored(stream(drawn, order))
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    for kind, index, text, _, _ in drawn:
        own = [event for event in found[:-1] if event["output_index"] == index]
        said = "".join(event["delta"] for event in own if event["type"].endswith(".delta"))
        done = own[-1][KINDS[kind][0]]
        assert own[-1]["type"].endswith(".done")
        assert said == done == VAULT.unmask(text, in_json=kind == "function_call_arguments")
        if kind == "function_call_arguments":
            assert json.loads(done) == {"a": VAULT.unmask(json.loads(text)["a"])}
    for event in found:
        EVENT.validate_python(event)
    parts = found[-1]["response"]["output"][0]["content"]
    assert [part["text"] for part in parts] == [VAULT.unmask(text) for _, _, text, _, _ in drawn]


@settings(max_examples=200, deadline=None)
@given(texts(), st.lists(st.integers(0, 2), max_size=40))
def test_a_text_whose_end_is_not_told_is_still_given_out_whole(
    drawn: list[tuple[str, int, str, list[str], bool]], order: list[int]
) -> None:
    told = {index for _, index, _, _, is_told in drawn if is_told}
    events = [e for e in stream(drawn, order) if not e["type"].endswith(".done") or e["output_index"] in told]
    found = restored(events)
    for kind, index, text, _, _ in drawn:
        own = [event for event in found[:-1] if event["output_index"] == index]
        said = "".join(event["delta"] for event in own if event["type"].endswith(".delta"))
        assert said == VAULT.unmask(text, in_json=kind == "function_call_arguments")


@settings(max_examples=100, deadline=None)
@given(TEXT, st.lists(st.integers(0, 999), max_size=12))
def test_a_text_that_was_asked_for_as_json_stays_json(value: str, places: list[int]) -> None:
    text = json.dumps({"a": value}, ensure_ascii=False)
    found = restored(stream([("output_text", 0, text, cut(text, places), True)], []), {"type": "json_object"})
    said = "".join(event["delta"] for event in found if event["type"].endswith(".delta"))
    assert json.loads(said) == {"a": VAULT.unmask(value)}
    assert found[-1]["response"]["output"][0]["content"][0]["text"] == said


def test_a_whole_answer_is_restored_wherever_it_repeats_the_request() -> None:
    ann, mail = NAMES
    output = [
        {"id": "f", "type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps({"to": ann})},
        {"id": "m", "type": "message", "content": [{"type": "output_text", "text": f"Hi {ann}", "annotations": []}]},
        {
            "id": "r",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": mail}],
            "encrypted_content": "gAAA",
        },
    ]
    whole = response({"model": "m", "instructions": f"You help {ann}", "metadata": {mail: ann}}, output)
    before = copy.deepcopy(whole)
    (delta,) = Unmasker(VAULT).restore(Delta(payload=msgspec.json.encode(whole), dialect=Dialect.RESPONSES))
    after = msgspec.json.decode(delta.payload)
    assert json.loads(after["output"][0]["arguments"]) == {"to": 'Ann "Al" Lee'}
    assert after["output"][1]["content"][0]["text"] == 'Hi Ann "Al" Lee'
    assert after["output"][2]["summary"][0]["text"] == "a\\b@example.com"
    assert after["output"][2]["encrypted_content"] == "gAAA"
    assert after["instructions"] == 'You help Ann "Al" Lee'
    assert after["metadata"] == {"a\\b@example.com": 'Ann "Al" Lee'}
    assert before["usage"] == after["usage"]
