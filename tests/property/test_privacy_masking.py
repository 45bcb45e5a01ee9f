"""Properties of masking that hold for any text and any findings."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from router.core.types import Finding
from router.privacy.leaves import leaves
from router.privacy.masking import StreamUnmasker, mask

PATH = ("user",)
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10), st.sampled_from(["PERSON", "SECRET"])), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(st.text(min_size=1, max_size=40), SPANS, st.lists(st.integers(0, 60), max_size=4))
def test_masking_then_unmasking_gives_the_text_back_however_it_is_cut(
    text: str, spans: list[tuple[int, int, str]], cuts: list[int]
) -> None:
    found = tuple(
        Finding(entity=entity, path=PATH, start=start, end=min(start + length, len(text)), score=1.0, recognizer="t")
        for start, length, entity in spans
        if start < len(text)
    )
    masked, vault = mask({"user": text}, found, bytes(32))
    answer = masked["user"]
    assert isinstance(answer, str)
    assert vault.unmask(answer) == text
    stream = StreamUnmasker(vault)
    places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    pieces = [stream.feed(answer[a:b]) for a, b in itertools.pairwise(places)]
    assert "".join([*pieces, stream.flush()]) == text


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
def test_reading_never_fails_and_its_texts_can_travel(body: dict[str, object]) -> None:
    for leaf in leaves(body).leaves:  # type: ignore[arg-type]
        (leaf.text + leaf.key).encode()
