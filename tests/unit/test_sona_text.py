"""What is taken for the instruction of a text, and its terms."""

from __future__ import annotations

import math

import pytest

from sona.background import BACKGROUND
from sona.reading import TERM_SPACE, hashed
from sona.text import WINDOW_CHARS, instruction, term_weights, window
from sona.thesaurus import task_of

STORY = "The ship left the harbour at dawn and nobody saw it again. " * 6
LETTER = "Dear all, the heating failed on Monday. It is cold in every room. Please send someone. Regards, Ines. " * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Short enough to be read whole", None),
        ("Which way is north? And where is the sea?", None),
        ("Render in Spanish: the ship left the harbour at dawn", "Render in Spanish:"),
        ("The ship left at dawn. What is the tone of this?", "What is the tone of this?"),
        ("Answer: the ship left the harbour at dawn", None),
        (f"Translate to German:\n\n{STORY}", "Translate to German:"),
        (f"Rewrite this in a friendlier tone: {LETTER}", "Rewrite this in a friendlier tone:"),
        (f"{STORY}\n\nWhich category is it?", "Which category is it?"),
        (f"{STORY}\nGive me the name as JSON.", "Give me the name as JSON."),
        (f"Sort these lines\n{STORY}", "Sort these lines"),
        (f"Summarize this.\n{STORY}\nUse one sentence.", "Summarize this. Use one sentence."),
    ],
)
def test_the_instruction_of_a_text_is_found_at_its_ends(text: str, expected: str | None) -> None:
    assert instruction(text) == expected


def test_a_long_text_without_an_instruction_gives_its_first_and_last_sentence() -> None:
    assert instruction(f"It began in May. {STORY}It ended in June.") == "It began in May. It ended in June."


@pytest.mark.parametrize("text", ["a " * 10_000, "\n" * 5_000 + "x", "?" * 9_000, "é" * 9_000, ": " * 99])
def test_odd_texts_have_some_instruction_or_none(text: str) -> None:
    found = instruction(text)
    assert found is None or len(found) <= 2 * WINDOW_CHARS + 1


def test_a_huge_text_is_read_at_both_ends_only() -> None:
    text = window("a" * 1_000_000 + "b" * 1_000_000)
    assert len(text) == 2 * WINDOW_CHARS + 1
    assert text[0] == "a"
    assert text[-1] == "b"


def test_terms_weigh_one_in_all_and_numbers_are_alike() -> None:
    assert math.isclose(sum(weight**2 for weight in term_weights("Pay 12 and 34").values()), 1.0)
    assert term_weights("Pay 12") == term_weights("pay 99")
    assert term_weights("") == {}


def test_what_is_put_alike_shares_a_term_whatever_it_names() -> None:
    assert "<a.a>" in term_weights("open notes.txt, please")
    assert "<a.a>" in term_weights("Delete 'setup.py'.")
    assert "<#-#-#>" in term_weights("born 1984-03-12")
    assert not any(term.startswith("<") for term in term_weights("don't stop, it's fine... (really)"))


def test_the_background_prompts_are_two_hundred_distinct_ones() -> None:
    assert len(BACKGROUND) == len(set(BACKGROUND)) == 200
    assert all(prompt.strip() == prompt and prompt for prompt in BACKGROUND)


@pytest.mark.parametrize(
    ("term", "task"),
    [
        ("tldr", "=summary"),
        ("summarised", "=summary"),
        ("key points", "=summary"),
        ("points", None),
        ("proofreading", "=check"),
        ("kind of", "=classification"),
        ("table", None),
        ("", None),
    ],
)
def test_a_word_or_two_in_a_row_ask_for_a_task(term: str, task: str | None) -> None:
    assert task_of(term) == task


def test_texts_that_share_no_word_share_the_task_that_they_ask_for() -> None:
    asked, card = term_weights("tl;dr please"), term_weights("Summarizes claims")
    assert asked.keys() & card.keys() == {"=summary"}
    assert asked["=summary"] > asked["please"]


def test_terms_of_one_hash_count_as_one_and_ids_are_sorted() -> None:
    met: dict[int, str] = {}
    words = (f"word{number}" for number in range(TERM_SPACE))
    one, other = next(
        (word, found) for word in words if (found := met.setdefault(int(hashed({word: 1.0})[0][0]), word)) != word
    )
    ids, weights = hashed({"zebra": 0.25, one: 0.5, "apple": 2.0, other: 1.0})
    assert ids.tolist() == sorted(set(ids.tolist()))
    assert dict(zip(ids.tolist(), weights.tolist(), strict=True)) == {
        int(hashed({word: 1.0})[0][0]): weight for word, weight in (("zebra", 0.25), (one, 1.5), ("apple", 2.0))
    }
