"""One dropped folder, however odd, never blinds the host to the others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest

from local_inference.card import read_card
from local_inference.errors import Rejected
from local_inference.ingest import missing
from local_inference.peft import parse_config
from local_inference.server import _json
from local_inference.tensors import read_header, read_json
from local_inference.watcher import look


def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "adapter_config.json")
    started_s = time.monotonic()
    for read in (read_json, read_header):
        with pytest.raises(OSError, match="regular"):
            read(tmp_path / "adapter_config.json")
    assert missing(tmp_path) is None
    assert time.monotonic() - started_s < 5


def test_a_link_to_itself_and_a_name_that_is_no_text_hide_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    assert list(look(tmp_path)) == ["good"]


def test_yaml_aliases_are_not_followed() -> None:
    bomb = b"a: &a [x, x]\nkeywords: [*a, *a]\n"
    reading = read_card(lambda name: bomb if name == "card.yaml" else None)
    assert reading.card.keywords == ()
    assert reading.warnings


def test_half_a_character_in_a_card_is_replaced() -> None:
    text = rb'description: "ab\uD800c"' + b"\n"
    reading = read_card(lambda name: text if name == "card.yaml" else None)
    assert reading.card.description.encode() == b"ab?c"


def test_a_listing_with_text_that_is_none_is_still_json() -> None:
    body = _json({"message": "x\ud800y"}).body
    assert msgspec.json.decode(body) == {"message": "x?y"}


def test_expressions_in_a_rank_pattern_are_not_run() -> None:
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
        "rank_pattern": {"(a|aa)+": 4},
    }
    with pytest.raises(Rejected, match="module name"):
        parse_config(config).rank_of("a" * 60 + "b")
    named = parse_config(
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "rank_pattern": {"q_proj": 8}}
    )
    assert (named.rank_of("layers.0.self_attn.q_proj"), named.rank_of("layers.0.xq_proj")) == (8, 4)
