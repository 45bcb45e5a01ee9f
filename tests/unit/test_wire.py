"""The wire: requests that are refused and how, events however they are cut."""

from __future__ import annotations

import contextlib
import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import InvalidRequest
from router.wire import json_body, openai_chat, sse

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


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a":1,"a":2}', "stands twice"),
        (b'{"a":1,"\\u0061":2}', "stands twice"),
        (b'{"x":[{"y":{"a":"","b":1,"a":""}}]}', "stands twice"),
        (b'{"\\"":1,"\\u0022":2}', "stands twice"),
        (b'{"":1,"":1}', "stands twice"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"a\\u0000":1}', "NUL"),
        (b'{"a":"\\\\\\u0000"}', "NUL"),
        (b'{"a":"x\x00"}', "not valid JSON"),
        (b'{"a":1}\x00', "not valid JSON"),
        (b'{"a":"\xff"}', "invalid UTF-8"),
        (b'{"\xed\xa0\x80":1}', "invalid UTF-8"),
        (b'{"a":"\xc0\x80"}', "invalid UTF-8"),
        (b'{"a":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":"\\udc00 and so on"}', "half of a surrogate pair"),
        (b'{"a":"\\ud83d\\ud83d"}', "half of a surrogate pair"),
        (b'{"\\ud800":1}', "half of a surrogate pair"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1e400}', "not valid JSON"),
        (b'{"a":007}', "not valid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_body_that_two_readers_could_read_differently_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        json_body.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\\\u0000","b":"\\\\\\\\u0022"}',
        b'{"a":{"a":{"a":[{"a":1},{"a":2}]}}}',
        b'{"a":"\\u0022\\"\\\\\\u0022\\\\"}',
        b'{"a":"\\ud83d\\ude00","b":"\xf0\x9f\x98\x80"}',
        b'{"a":123456789012345678901234567890,"b":4111111111111111.0,"c":-0.5,"d":1e22}',
    ],
)
def test_a_body_that_reads_in_one_way_only_is_taken_as_it_is(body: bytes) -> None:
    assert json_body.decode(body) == json.loads(body)


CHARS = st.sampled_from('ab"\\/u02\n\x00é😀')


@st.composite
def written(draw: st.DrawFn, depth: int = 3) -> str:
    """A JSON value as someone may write it: any character escaped or not, keys that repeat, spaces."""

    def string() -> str:
        return '"' + "".join(map(char, draw(st.text(CHARS, max_size=4)))) + '"'

    def char(one: str) -> str:
        escaped = json.dumps(one)[1:-1]
        units = one.encode("utf-16-be")
        full = "".join(f"\\u{units[index]:02x}{units[index + 1]:02X}" for index in range(0, len(units), 2))
        return draw(st.sampled_from([escaped, full, one if one >= " " and one not in '"\\' else escaped]))

    kind = draw(st.sampled_from(["string", "number", "object", "list"] if depth else ["string", "number"]))
    if kind == "string":
        return string()
    if kind == "number":
        return draw(st.sampled_from(["-0", "12345678901234567890123", "4111111111111111.0", "1E3", "null", "true"]))
    items = [draw(written(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    space = draw(st.sampled_from(["", " ", "\n"]))
    if kind == "list":
        return "[" + f"{space},".join(items) + "]"
    return "{" + f",{space}".join(f"{string()}{space}:{item}" for item in items) + "}"


def repeats(text: str) -> bool:
    """The slow and exact way: whether any object has a key twice."""
    found = False

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return found


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings(item))]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [str(value)]


@settings(max_examples=1500)
@given(written())
def test_repeated_keys_and_nul_are_found_exactly_as_the_slow_way_finds_them(value: str) -> None:
    text = f'{{"x":{value}}}'
    bad = repeats(text) or any("\x00" in one for one in strings(json.loads(text)))
    try:
        body = json_body.decode(text.encode())
    except InvalidRequest:
        assert bad
    else:
        assert not bad
        assert body == json.loads(text)


def test_the_check_costs_a_small_multiple_of_decoding_whatever_the_body_holds() -> None:
    hostile = {
        "backslashes": b'{"a":"' + b"\\\\" * 400_000 + b'\\u0022"}',
        "quotes": b'{"a":"' + b"\\u0022" * 150_000 + b'"}',
        "keys": b"{" + b",".join(b'"k%d":1' % number for number in range(60_000)) + b"}",
        "broken": b'{"a":"' + b"\\ud83d" * 150_000 + b'"}',
    }
    for name, body in hostile.items():
        started = time.process_time()
        with contextlib.suppress(ValueError):
            json.loads(body)
        reference = time.process_time() - started
        started = time.process_time()
        with contextlib.suppress(InvalidRequest):
            json_body.decode(body)
        assert time.process_time() - started < 20 * reference + 0.05, name


def test_an_error_names_a_field_only_by_a_name_that_can_be_one() -> None:
    assert InvalidRequest("no", param="messages[0].content[12].x-y").param == "messages[0].content[12].x-y"
    for param in ("My SSN is 5", "é", "", "a\nb", "a" * 201):
        assert InvalidRequest("no", param=param).param is None
