"""What of a stream holds something of the answer, and what only frames it: the commit gate and the first-token clock count on it."""

from __future__ import annotations

import json

import pytest

from router.wire.openai_chat import has_content
from router.wire.outbound import responses
from router.wire.outbound._anthropic_answer import NativeStream
from router.wire.outbound._hub import Chunks, Head


@pytest.mark.parametrize(
    ("choices", "content"),
    [
        ([{"delta": {"role": "assistant", "content": ""}}], False),
        ([{"delta": {"role": "assistant", "content": None, "refusal": None}}], False),
        ([{"delta": {}, "finish_reason": None}], False),
        ([], False),
        ([{"text": ""}], False),
        ([{"delta": {"role": "assistant", "content": "Hi"}}], True),
        ([{"delta": {"content": ""}}, {"index": 1, "delta": {"content": "Hi"}}], True),
        ([{"delta": {"reasoning_content": "Hm"}}], True),
        ([{"delta": {"tool_calls": [{"index": 0}]}}], True),
        ([{"delta": {"something_new": 1}}], True),
        ([{"text": "Hi"}], True),
    ],
)
def test_a_chunk_of_openai_s_holds_content_if_it_says_more_than_a_role(choices: list[object], content: bool) -> None:
    assert has_content(json.dumps({"id": "x", "choices": choices}).encode()) is content


def test_what_cannot_be_read_counts_as_content() -> None:
    assert has_content(b'{"choices": [{"delta": "new"}]}')


def test_anthropic_s_frame_is_no_content() -> None:
    stream = NativeStream("claude")
    usage = {"input_tokens": 1, "output_tokens": 1}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {"usage": usage}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    ]
    deltas = [delta for event in events for delta in stream.feed(json.dumps(event).encode(), None)]
    assert [delta.content for delta in deltas] == [False, False, False, True]


def test_announcements_of_responses_are_no_content() -> None:
    kinds = {
        "response.created": False,
        "response.in_progress": False,
        "response.output_item.added": False,
        "response.content_part.added": False,
        "response.output_text.delta": True,
        "response.output_item.done": True,
    }
    for kind, content in kinds.items():
        payload = json.dumps({"type": kind}).encode()
        assert responses.event(payload, None, "x", is_begun=True).content is content, kind


def test_chunks_that_are_translated_hold_what_they_add() -> None:
    chunks = Chunks(Head(id="x", model="m", created_s=1))
    assert not chunks.delta({}).content
    assert not chunks.delta({"content": ""}).content
    assert chunks.delta({"content": "Hi"}).content
