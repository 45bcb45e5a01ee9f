"""Whatever a caller sends to the Responses API, it is translated, read and prepared for an upstream, or refused: no bug shows."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import InvalidRequest, UnsupportedFeature
from router.core.types import Delta, Dialect
from router.privacy.leaves import leaves
from router.privacy.masking import Vault
from router.privacy.unmasking import Unmasker
from router.wire.dialects import codec
from router.wire.inbound.responses_answer import ResponsesEncoder
from router.wire.outbound.responses import upstream_body
from tests.fakes.cloud import completion

WORDS = st.sampled_from(
    (
        "message function_call function_call_output reasoning compaction item_reference input_text output_text refusal input_image "
        "input_file input_audio function custom web_search allowed_tools json_schema json_object text auto user assistant x"
    ).split()
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 99) | WORDS
KEYS = st.sampled_from(
    (
        "type role content text refusal summary encrypted_content thinking_blocks call_id name arguments output id tools mode schema "
        "format verbosity effort parameters strict image_url file_url file_data input_audio cache_control x"
    ).split()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
ITEMS = st.lists(
    st.fixed_dictionaries({"type": WORDS}, optional={"role": WORDS, "content": VALUES})
    | st.dictionaries(KEYS, VALUES, max_size=5),
    max_size=5,
)
TOP = st.sampled_from(
    (
        "instructions tools tool_choice text reasoning include max_output_tokens top_logprobs parallel_tool_calls truncation "
        "background conversation prompt previous_response_id store metadata user stream temperature x"
    ).split()
)
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(("response.output_text.delta", "response.output_text.done", "response.output_item.done", "response.completed", "x"))},
    optional=dict.fromkeys(("delta", "output_index", "content_index", "item_id", "sequence_number", "item", "response", "text"), VALUES),
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(ITEMS | WORDS, st.dictionaries(TOP, VALUES, max_size=4))
def test_any_body_is_taken_or_refused(given_input: Any, more: dict[str, Any]) -> None:
    data = msgspec.json.encode({"model": "m", "input": given_input, **more})
    with contextlib.suppress(InvalidRequest, UnsupportedFeature):
        body = codec(Dialect.RESPONSES).decode(data).body
        leaves(body)
        upstream_body(body, "up")
        msgspec.json.decode(ResponsesEncoder(body).whole(Delta(payload=completion("m", "x"))))
        translation = codec(Dialect.RESPONSES).to_chat(body)
        assert isinstance(translation.body["messages"], list)
        assert msgspec.json.encode(body) == msgspec.json.encode(msgspec.json.decode(data))


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENT, max_size=6))
def test_events_of_odd_shape_are_passed_on(events: list[dict[str, Any]]) -> None:
    unmasker = Unmasker(Vault(bytes(32)))
    for event in events:
        restored = unmasker.restore(Delta(payload=msgspec.json.encode(event), dialect=Dialect.RESPONSES, event=b"x"))
        assert len(restored) >= 1
