"""Masked values come back, whole or in pieces, and never in another request."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import msgspec
import pytest

from router.core.types import Finding
from router.privacy.masking import PLACEHOLDER, StreamUnmasker, Vault, mask


def finding(entity: str, path: tuple[str | int, ...], start: int, end: int) -> Finding:
    return Finding(entity=entity, path=path, start=start, end=end, score=0.9, recognizer="test")


def body(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


KEY = bytes(32)


def name(entity: str, value: str) -> str:
    """The placeholder that a value gets under `KEY`."""
    return Vault(KEY).placeholder(entity, value)


CONTENT = ("messages", 0, "content")
TEXT = "Ask Ann Lee or Bob Ray at a@b.com; Ann Lee knows."
FINDINGS = (
    finding("PERSON", CONTENT, 4, 11),
    finding("PERSON", CONTENT, 15, 22),
    finding("EMAIL_ADDRESS", CONTENT, 26, 33),
    finding("PERSON", CONTENT, 35, 42),
)


ANN, BOB, MAIL = name("PERSON", "Ann Lee"), name("PERSON", "Bob Ray"), name("EMAIL_ADDRESS", "a@b.com")


def test_findings_become_placeholders_and_the_same_value_gets_the_same_one() -> None:
    masked, vault = mask(body(TEXT), FINDINGS, KEY)
    text = f"Ask {ANN} or {BOB} at {MAIL}; {ANN} knows."
    assert masked == body(text)
    assert vault.unmask(text) == TEXT


def test_the_body_itself_is_left_alone() -> None:
    original = body(TEXT)
    before = copy.deepcopy(original)
    mask(original, FINDINGS, KEY)
    assert original == before


def test_overlapping_findings_are_merged() -> None:
    masked, vault = mask(body("card 4539578763621486 ok"), (
        finding("PHONE_NUMBER", CONTENT, 5, 15), finding("CREDIT_CARD", CONTENT, 5, 21), finding("X", CONTENT, 15, 21),
    ), KEY)  # fmt: skip
    assert masked == body(f"card {name('CREDIT_CARD', '4539578763621486')} ok")
    assert len(vault) == 1


def test_a_placeholder_that_the_caller_wrote_is_neither_used_nor_replaced() -> None:
    masked, vault = mask(body(f"{ANN} is Ann Lee"), (finding("PERSON", CONTENT, len(ANN) + 4, len(ANN) + 11),), KEY)
    text: str = masked["messages"][0]["content"]  # type: ignore[index,assignment]
    mine, ours = PLACEHOLDER.findall(text)
    assert (text, mine) == (f"{ANN} is {ours}", ANN)
    assert mine != ours
    assert vault.unmask(f"{ANN} and {ours} and <PERSON_3>") == f"{ANN} and Ann Lee and <PERSON_3>"


def test_numbers_and_keys_are_masked_too() -> None:
    masked, vault = mask(
        {"metadata": {"card": 4539578763621486, "ann@b.com": 1}},
        (
            finding("CREDIT_CARD", ("metadata", "card"), 0, 16),
            msgspec.structs.replace(finding("EMAIL_ADDRESS", ("metadata", "ann@b.com"), 0, 9), in_key=True),
        ),
        KEY,
    )
    card, mail = name("CREDIT_CARD", "4539578763621486"), name("EMAIL_ADDRESS", "ann@b.com")
    assert masked == {"metadata": {"card": card, mail: 1}}
    assert vault.unmask(f"{card} {mail}") == "4539578763621486 ann@b.com"


def test_a_list_of_numbers_that_are_one_is_masked_as_a_whole() -> None:
    masked, vault = mask(
        {"metadata": {"card": [4539, 5787, 6362, 1486]}}, (finding("CREDIT_CARD", ("metadata", "card"), 0, 19),), KEY
    )
    card = name("CREDIT_CARD", "[4539, 5787, 6362, 1486]")
    assert masked == {"metadata": {"card": card}}
    assert vault.unmask(card) == "[4539, 5787, 6362, 1486]"


def test_a_number_in_a_json_text_becomes_a_string_so_that_it_stays_json() -> None:
    text = '{"card": 4539578763621486, "n": "Ann Lee"}'
    masked, _ = mask(body(text), (finding("CREDIT_CARD", CONTENT, 9, 25), finding("PERSON", CONTENT, 33, 40)), KEY)
    card = name("CREDIT_CARD", "4539578763621486")
    assert json.loads(masked["messages"][0]["content"]) == {"card": card, "n": ANN}  # type: ignore[index]


def test_a_value_is_masked_wherever_else_it_stands() -> None:
    value = "Tr0ub4dor&3xyz."
    text = f"password: {value}"
    found = (finding("PASSWORD", CONTENT, 10, len(text)), finding("PERSON", ("user",), 0, 7))
    original: dict[str, Any] = {
        "model": "auto",
        **body(text),
        "user": "Zoë Day",
        "tools": [{"description": "Use Tr0ub4dor&3xyz to log in", "xTr0ub4dor&3xyz": "Zoë Day's"}],
        "metadata": {"Zoë Day": ['{"n": "Zo\\u00eb Day"}', "Zoë Days", "<PERSON_9>"]},
    }
    masked, vault = mask(original, found, KEY)
    password, zoe = name("PASSWORD", value), name("PERSON", "Zoë Day")
    assert masked == {
        "model": "auto",
        **body(f"password: {password}"),
        "user": zoe,
        "tools": [{"description": f"Use {password} to log in", "xTr0ub4dor&3xyz": f"{zoe}'s"}],
        "metadata": {zoe: [f'{{"n": "{zoe}"}}', "Zoë Days", "<PERSON_9>"]},
    }
    assert vault.unmask(f"{password} {zoe}") == f"{value} Zoë Day"


def test_a_copy_of_a_number_is_masked_and_protocol_is_left_alone() -> None:
    found = (finding("US_SSN", CONTENT, 0, 11), finding("PERSON", CONTENT, 12, 16), finding("PIN", CONTENT, 17, 21))
    original: dict[str, Any] = {
        **body("536-22-8726 user 4096"), "max_tokens": 4096, "metadata": {"a": [536228726, 4096, 40961, True, None]},
    }  # fmt: skip
    masked, _ = mask(original, found, KEY)
    ssn, user, pin = name("US_SSN", "536-22-8726"), name("PERSON", "user"), name("PIN", "4096")
    assert masked == {
        **body(f"{ssn} {user} {pin}"),
        "max_tokens": 4096,
        "metadata": {"a": [ssn, pin, 40961, True, None]},
    }


@pytest.mark.parametrize(
    ("entity", "value", "copy"),
    [
        ("PERSON", "Johanna Winter", "JOHANNA WINTER"),
        ("PASSPORT", "C01X00T47", "c01x00t47"),
        ("BANK_ACCOUNT", "123456789012", "1234 5678 9012"),
        ("BANK_ACCOUNT", "1234 5678 9012", "1234-56789-012"),
        ("BANK_ACCOUNT", "123456789012", "1 2 3 4 5 6 7 8 9 0 1 2"),
        ("PASSWORD", "q8Zr!vT2mLx9", "q8\u200bZr!vT\u200b2mLx9"),
        ("BANK_ACCOUNT", "123456789012", "１２３４５６７８９０１２"),
    ],
)
def test_a_copy_is_masked_however_it_is_written(entity: str, value: str, copy: str) -> None:
    found = (finding(entity, CONTENT, 0, len(value)),)
    masked, _ = mask({**body(f"{value} it is"), "metadata": {"note": f"again {copy}, yes"}}, found, KEY)
    assert masked["metadata"] == {"note": f"again {name(entity, value)}, yes"}


def test_a_number_in_a_longer_one_is_no_copy() -> None:
    found = (finding("BANK_ACCOUNT", CONTENT, 0, 9),)
    notes: list[Any] = ["1234567890", "0123456789", "91 23456789", "12345678 90", "1,234,567,89"]
    masked, _ = mask({**body("123456789 it is"), "metadata": {"notes": notes}}, found, KEY)
    assert masked["metadata"] == {"notes": notes}


def test_no_copy_of_a_number_leaves_with_a_sign_or_as_a_setting() -> None:
    found = (finding("US_SSN", CONTENT, 0, 9),)
    original: dict[str, Any] = {
        **body("536228726 it is"),
        "seed": 536228726,
        "n": 2,
        "metadata": {"a": [-536228726, 5362287260]},
    }
    masked, _ = mask(original, found, KEY)
    ssn = name("US_SSN", "536228726")
    assert masked == {**body(f"{ssn} it is"), "n": 2, "metadata": {"a": [ssn, 5362287260]}}


def test_a_setting_that_must_be_a_number_is_left_out_instead_of_masked() -> None:
    found = (finding("PHONE_NUMBER", ("seed",), 0, 10), finding("PHONE_NUMBER", ("metadata", "seed"), 0, 10))
    masked, _ = mask({"seed": 2125550187, "n": 1, "metadata": {"seed": 2125550187}}, found, KEY)
    assert masked == {"n": 1, "metadata": {"seed": name("PHONE_NUMBER", "2125550187")}}


def test_values_are_escaped_where_they_go_back_into_json() -> None:
    _, vault = mask(body('say "hi"\nAnn'), (finding("PERSON", CONTENT, 0, 12),), KEY)
    (ann, _), *_ = vault.items()
    assert json.loads('{"a": "' + vault.unmask(ann, in_json=True) + '"}') == {"a": 'say "hi"\nAnn'}


ANSWER = f"a < b, <b>, {ANN}{BOB}, {ANN[:-1]}Q>, {MAIL} <PERSON_"


@pytest.mark.parametrize("cut", range(len(ANSWER) + 1))
@pytest.mark.parametrize("second", [0, 1, 5])
def test_a_stream_cut_anywhere_gives_the_same_text(cut: int, second: int) -> None:
    _, vault = mask(body(TEXT), FINDINGS, KEY)
    stream = StreamUnmasker(vault)
    parts = (ANSWER[:cut], ANSWER[cut : cut + second], ANSWER[cut + second :])
    assert "".join([*(stream.feed(part) for part in parts), stream.flush()]) == vault.unmask(ANSWER)


def test_a_stream_holds_back_nothing_that_cannot_become_a_placeholder() -> None:
    _, vault = mask(body(TEXT), FINDINGS, KEY)
    stream = StreamUnmasker(vault)
    assert stream.feed("if a < b") == "if a < b"
    assert stream.feed("<div") == "<div"
    assert stream.feed("<PERS") == ""
    assert stream.feed(f"{ANN.removeprefix('<PERS')} x") == "Ann Lee x"


def test_a_vault_does_not_show_its_values() -> None:
    _, vault = mask(body(TEXT), FINDINGS, KEY)
    assert "Ann" not in repr(vault)


async def _one(number: int) -> None:
    secret = f"canary{number}@example.com"
    masked, vault = mask(body(secret), (finding("EMAIL_ADDRESS", CONTENT, 0, len(secret)),), KEY)
    ((mail, _),) = vault.items()
    assert masked == body(mail)
    stream = StreamUnmasker(vault)
    out = ""
    for char in f"It is {mail}.":
        out += stream.feed(char)
        await asyncio.sleep(0)
    assert out + stream.flush() == f"It is {secret}."


@pytest.mark.anyio
async def test_500_requests_at_once_get_their_own_values_back() -> None:
    await asyncio.gather(*(_one(number) for number in range(500)))


def test_turns_of_a_conversation_agree_on_placeholders_and_two_conversations_do_not() -> None:
    later: dict[str, Any] = {"messages": [{"content": "Bob Ray asked"}, {"content": "Ann Lee too"}]}
    found = (finding("PERSON", ("messages", 0, "content"), 0, 7), finding("PERSON", ("messages", 1, "content"), 0, 7))
    assert {name for name, _ in mask(later, found, KEY)[1].items()} == {ANN, BOB}
    elsewhere = {name for name, _ in mask(later, found, b"x" * 32)[1].items()}
    assert not elsewhere & {ANN, BOB}


def test_values_whose_tags_clash_get_different_placeholders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.privacy.masking.TAG_CHARS", 1)
    vault = Vault(KEY)
    names = [vault.placeholder("PERSON", str(number)) for number in range(32)]
    assert len(set(names)) == 32
    assert [vault.unmask(each) for each in names] == [str(number) for number in range(32)]
