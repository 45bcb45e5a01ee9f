"""Turns of one conversation share a key; two conversations never do."""

from __future__ import annotations

import msgspec

from router.core.types import Hints, JsonObject, JsonValue, Principal, Request
from router.privacy import conversation
from router.privacy.conversation import Conversations
from tests.fakes.values import request

HELLO: JsonObject = {"role": "user", "content": "Hello, I am Ann Lee"}
ANSWER: JsonObject = {"role": "assistant", "content": "Hi Ann"}
MORE: JsonObject = {"role": "user", "content": "And now?"}


def turn(*messages: JsonValue, session: str | None = None, key: str = "k") -> Request:
    return msgspec.structs.replace(
        request(), principal=Principal(id=key), hints=Hints(session=session), body={"messages": list(messages)}
    )


def test_the_turns_of_a_conversation_share_a_key() -> None:
    one = Conversations()
    first = one.key(turn(HELLO))
    assert one.key(turn(HELLO, ANSWER, MORE)) == first
    assert one.key(turn(HELLO, ANSWER, MORE, ANSWER, MORE)) == first


def test_two_conversations_that_begin_alike_have_keys_of_their_own() -> None:
    one = Conversations()
    assert one.key(turn(HELLO)) != one.key(turn(HELLO))
    assert one.key(turn(HELLO)) != one.key(turn(MORE))
    assert one.key(turn(HELLO, ANSWER)) != one.key(turn(HELLO, ANSWER, key="other"))
    assert one.key(turn(HELLO)) != Conversations().key(turn(HELLO))


def test_a_named_conversation_keeps_its_key_however_it_is_cut() -> None:
    one = Conversations()
    first = one.key(turn(HELLO, session="s"))
    assert one.key(turn(MORE, session="s")) == first
    assert one.key(turn(HELLO, session="t")) != first
    assert one.key(turn(HELLO, session="s", key="other")) != first


def test_a_conversation_that_began_elsewhere_gets_a_steady_key() -> None:
    one = Conversations()
    assert one.key(turn(HELLO, ANSWER, MORE)) == one.key(turn(HELLO, ANSWER, MORE, ANSWER))


def test_odd_messages_do_no_harm_and_memory_is_bounded() -> None:
    one = Conversations()
    assert len(one.key(turn())) == len(one.key(turn("x", None, {"role": 1}))) == 32
    first = one.key(turn(HELLO))
    for number in range(conversation.MAX_OPENINGS):
        one.key(turn({"role": "user", "content": str(number)}))
    assert one.key(turn(HELLO, ANSWER)) != first


def test_a_chain_of_stored_answers_keeps_its_key_whatever_it_begins_with() -> None:
    one = Conversations()
    first = one.key(msgspec.structs.replace(turn(HELLO), conversation="c"))
    assert one.key(msgspec.structs.replace(turn(MORE, HELLO, ANSWER), conversation="c")) == first
    assert one.key(turn(HELLO, ANSWER, MORE)) == first, "the client may send the whole of it instead"
    assert one.key(msgspec.structs.replace(turn(HELLO), conversation="d")) != first
