"""The wire: requests that are refused and how, events however they are cut."""

from __future__ import annotations

import contextlib
import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.errors import InvalidRequest
from router.wire import openai_chat, sse

GOOD = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b"\xff\xfe", None),
        (b'{"a":' * 100_000, None),
        (json.dumps({**GOOD, "model": 1}).encode(), "model"),
        (json.dumps({**GOOD, "model": ""}).encode(), "model"),
        (json.dumps({"model": "m"}).encode(), None),
        (json.dumps({**GOOD, "messages": []}).encode(), "messages"),
        (json.dumps({**GOOD, "messages": {}}).encode(), "messages"),
        (json.dumps({**GOOD, "messages": [{"content": "x"}]}).encode(), "messages[0]"),
        (json.dumps({**GOOD, "messages": [{"role": "user", "content": 3}]}).encode(), "messages[0].content"),
        (json.dumps({**GOOD, "stream": "yes"}).encode(), "stream"),
        (json.dumps({**GOOD, "n": 0}).encode(), "n"),
        (json.dumps({**GOOD, "max_tokens": -1}).encode(), "max_tokens"),
        (json.dumps({**GOOD, "temperature": 9}).encode(), "temperature"),
        (json.dumps({**GOOD, "temperature": "hot"}).encode(), "temperature"),
        (json.dumps({**GOOD, "tools": {}}).encode(), "tools"),
        (json.dumps({**GOOD, "stop": [1]}).encode(), "stop[0]"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', None),
    ],
)
def test_bad_bodies_are_refused_with_the_field(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai_chat.decode(body)
    assert caught.value.param == param
    assert caught.value.status == 400


def test_unknown_fields_are_kept() -> None:
    body, _ = openai_chat.decode(json.dumps({**GOOD, "x": {"y": [1, 2.5, None]}}).encode())
    assert body["x"] == {"y": [1, 2.5, None]}


@given(st.binary(max_size=300))
def test_no_bytes_make_the_decoder_fail_in_another_way(data: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        openai_chat.decode(data)


EVENTS = b'data: {"a":1}\n\n: comment\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\nid: 7\n\ndata: [DONE]\n\n'


@given(st.lists(st.integers(0, len(EVENTS)), max_size=20))
def test_events_come_out_the_same_however_they_are_cut(cuts: list[int]) -> None:
    parser, found = sse.Parser(), []
    places = sorted({0, *cuts, len(EVENTS)})
    for start, end in itertools.pairwise(places):
        found += parser.feed(EVENTS[start:end])
    assert [(event.name, event.data) for event in found] == [(None, b'{"a":1}'), (b"x", b"1\n2"), (None, b"[DONE]")]
    assert not parser.incomplete


def test_usage_is_read_with_its_details() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    facts = openai_chat.facts(json.dumps({"choices": [{"finish_reason": "stop"}], "usage": usage}).encode())
    assert facts.usage is not None
    assert (facts.usage.cached_input_tokens, facts.usage.reasoning_tokens) == (4, 3)
    assert facts.finish_reason == "stop"


def test_the_instruction_is_the_system_text_and_the_last_user_turn() -> None:
    body, _ = openai_chat.decode(
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {"role": "user", "content": "first"},
                    {"role": "assistant", "content": "no"},
                    {"role": "user", "content": [{"type": "text", "text": "last"}, {"type": "image_url"}]},
                ],
            }
        ).encode()
    )
    assert openai_chat.instruction_text(body) == "be brief\nlast"


def test_a_long_event_in_small_pieces_costs_no_more_than_its_length() -> None:
    event = b"data: " + b"x" * 400_000 + b"\n\n"

    def cost_s(size: int) -> float:
        parser, started = sse.Parser(), time.process_time()
        for start in range(0, len(event), size):
            found = parser.feed(event[start : start + size])
        assert len(found) == 1
        return time.process_time() - started

    cost_s(4096)
    assert cost_s(64) < 100 * (cost_s(4096) + 0.002)


@pytest.mark.parametrize("body", [b"[" * 300_000, b'{"a":[' + b"1," * 2_100_000 + b"1]}"])
def test_bodies_of_too_many_values_are_refused_before_they_are_decoded(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="too many values"):
        openai_chat.decode(body)
