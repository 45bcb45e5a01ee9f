"""What is kept of answers: bounded in bytes, number and age, each caller's own, and never counted twice."""

from __future__ import annotations

import random

import msgspec
import pytest

from router.config.schema import ResponsesConfig
from router.core.types import JsonObject
from router.response_store import ResponseStore, Turn


def answer(name: str, text: str = "x", status: str = "completed") -> bytes:
    return msgspec.json.encode(
        {"id": name, "status": status, "output": [{"type": "message", "id": f"m-{name}", "text": text}]}
    )


def said(text: str) -> JsonObject:
    return {"role": "user", "content": text}


def add(
    store: ResponseStore,
    name: str,
    *,
    key: str = "k",
    previous: Turn | None = None,
    now_s: float = 0.0,
    text: str = "x",
) -> Turn | None:
    kept = store.add(key, [said(name)], answer(name, text), previous=previous, conversation="c", now_s=now_s)
    found = store.get(key, name, now_s)
    assert kept is (found is not None)
    return found


def test_a_chain_holds_all_that_was_said_in_order() -> None:
    store = ResponseStore(ResponsesConfig())
    last: Turn | None = None
    for number in range(5):
        last = add(store, f"r{number}", previous=last)
    assert last is not None
    items = last.items()
    assert [item.get("content", item.get("id")) for item in items] == [
        name for number in range(5) for name in (f"r{number}", f"m-r{number}")
    ]
    assert list(store.turns("k", 0)) == last.chain()[::-1]


def test_a_turn_comes_once_though_several_go_on_from_it_and_also_where_it_was_removed() -> None:
    store = ResponseStore(ResponsesConfig())
    first = add(store, "r0")
    add(store, "r1", previous=first)
    add(store, "r2", previous=first)
    store.remove("k", "r0")
    assert [turn.id for turn in store.turns("k", 0)] == ["r2", "r0", "r1"]


def test_nobody_reads_or_removes_anothers() -> None:
    store = ResponseStore(ResponsesConfig())
    add(store, "r", key="a")
    assert store.get("b", "r", 0) is None
    assert not store.remove("b", "r")
    assert list(store.turns("b", 0)) == []
    assert store.get("a", "r", 0) is not None


def test_an_answer_is_gone_after_its_time_and_what_follows_on_from_it_is_not() -> None:
    store = ResponseStore(ResponsesConfig(ttl_s=10))
    first = add(store, "r1", now_s=0)
    second = add(store, "r2", previous=first, now_s=8)
    assert store.get("k", "r1", 11) is None
    add(store, "r3", now_s=11)
    assert second is not None
    assert store.get("k", "r2", 11) is second
    assert len(second.items()) == 4


def test_more_than_a_key_may_have_pushes_out_its_oldest() -> None:
    store = ResponseStore(ResponsesConfig(max_per_key=2))
    for name in ("r1", "r2", "r3"):
        add(store, name)
    add(store, "other", key="b")
    assert [turn.id for turn in store.turns("k", 0)] == ["r3", "r2"]
    assert store.get("b", "other", 0) is not None


def test_too_many_bytes_push_out_the_oldest_of_the_key_that_has_most() -> None:
    store = ResponseStore(ResponsesConfig(max_bytes=2_000))
    add(store, "small", key="b")
    for number in range(20):
        add(store, f"r{number}", text="x" * 200)
    assert store.bytes_held <= 2_000
    assert store.get("b", "small", 0) is not None
    assert store.get("k", "r0", 0) is None
    assert store.get("k", "r19", 0) is not None


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        answer(""),
        answer("x" * 300),
        answer("r", status="failed"),
        b'{"id": "r", "output": 1}',
        answer("r", "x" * 5000),
    ],
)
def test_what_is_no_answer_or_too_large_is_not_kept(response: bytes) -> None:
    store = ResponseStore(ResponsesConfig(max_bytes=4_000))
    assert not store.add("k", [], response, previous=None, conversation="c", now_s=0)
    assert store.bytes_held == 0


def test_nothing_is_kept_where_nothing_may_be() -> None:
    assert add(ResponseStore(ResponsesConfig(max_bytes=0)), "r") is None


def test_an_answer_that_was_thrown_out_while_the_next_one_came_counts_again() -> None:
    store = ResponseStore(ResponsesConfig())
    first = add(store, "r1")
    second = add(store, "r2", previous=first)
    store.remove("k", "r1")
    store.remove("k", "r2")
    assert store.bytes_held == 0
    third = add(store, "r3", previous=second)
    assert third is not None
    assert store.bytes_held == third.total_bytes()
    store.remove("k", "r3")
    assert store.bytes_held == 0


def test_the_count_of_bytes_is_that_of_what_can_be_reached_whatever_happens() -> None:
    chance = random.Random(5)
    store = ResponseStore(ResponsesConfig(max_bytes=6_000, max_per_key=12, ttl_s=50))
    seen: list[tuple[str, Turn]] = []
    for step in range(3_000):
        key = chance.choice("ab")
        own = [turn for owner, turn in seen[-30:] if owner == key]
        match chance.randrange(4):
            case 0:
                store.remove(key, chance.choice(own).id if own else "none")
            case _:
                name = f"r{chance.randrange(60)}"
                before = chance.choice([None, *own[-5:]])
                kept = add(store, name, key=key, previous=before, now_s=step, text="x" * chance.randrange(300))
                seen += [(key, kept)] if kept is not None else []
        reached = {id(one): one for owner in "ab" for turn in store.turns(owner, -1) for one in turn.chain()}
        assert store.bytes_held == sum(turn.own_bytes for turn in reached.values()) <= 6_000


def test_what_is_too_old_is_forgotten_when_anybody_asks() -> None:
    store = ResponseStore(ResponsesConfig(ttl_s=10))
    add(store, "r", key="a")
    assert store.get("b", "other", 9) is None
    assert store.bytes_held > 0
    assert store.get("b", "other", 11) is None
    assert store.bytes_held == 0
