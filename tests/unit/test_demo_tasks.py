"""The generators of the demo tasks: deterministic, held-out apart from train, answers valid."""

import json
import re
import shlex
import sqlite3
from datetime import date

import pytest

from sona.demo.outside import OUT_OF_SCOPE
from sona.demo.tasks import TASKS, Task
from sona.demo.words import Split, Words, split_of

by_name = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
TASK = {task.name: task for task in TASKS}


@by_name
def test_same_seed_gives_the_same_examples(task: Task) -> None:
    assert task.examples(Split.TRAIN, 50, seed=3) == task.examples(Split.TRAIN, 50, seed=3)
    assert task.examples(Split.TRAIN, 50, seed=3) != task.examples(Split.TRAIN, 50, seed=4)


@by_name
def test_held_out_prompts_are_not_among_train_prompts(task: Task) -> None:
    train = {example.prompt for example in task.examples(Split.TRAIN, 2000)}
    held_out = {example.prompt for example in task.examples(Split.HELD_OUT, 200)}
    assert not train & held_out


@by_name
def test_answers_have_no_stray_space_and_no_leftover_gap(task: Task) -> None:
    for example in task.examples(Split.TRAIN, 300) + task.examples(Split.HELD_OUT, 300):
        assert example.answer == example.answer.strip() != ""
        assert example.prompt == example.prompt.strip() != ""
        assert "|" not in example.prompt
        if task.name != "json-record":
            assert "{" not in example.prompt + example.answer


def test_words_of_the_two_splits_never_meet() -> None:
    from random import Random

    for split in Split:
        words = Words(Random(1), split)
        for _ in range(200):
            assert split_of(words.invented()) is split
            assert split_of(words.number_column()) is split
            assert all(split_of(part) is split for part in words.full_name().split())


def _create(sql: str) -> sqlite3.Connection:
    """Make a database in which every name of the statement exists."""
    match = re.match(r"SELECT (.+?) FROM (\w+) WHERE (.+);$", sql)
    assert match, sql
    table = match[2]
    without_texts = re.sub(r"'[^']*'", "", sql)
    words = set(re.findall(r"[A-Za-z]\w*", without_texts)) - {table}
    keywords = "SELECT FROM WHERE AND OR LIKE BETWEEN IS NOT NULL COUNT ORDER BY DESC".split()
    columns = ", ".join(f'"{word}"' for word in sorted(words - set(keywords)))
    base = sqlite3.connect(":memory:")
    base.execute(f'CREATE TABLE "{table}" ({columns})')
    return base


@pytest.mark.parametrize("split", list(Split))
def test_sql_answers_run_in_sqlite(split: Split) -> None:
    for example in TASK["sql-filter"].examples(split, 300):
        base = _create(example.answer)
        try:
            base.execute(example.answer)
        finally:
            base.close()


@pytest.mark.parametrize("split", list(Split))
def test_json_answers_are_flat_objects_whose_values_stand_in_the_prompt(split: Split) -> None:
    for example in TASK["json-record"].examples(split, 300):
        record = json.loads(example.answer)
        assert record
        assert all(str(value) in example.prompt for value in record.values())


@pytest.mark.parametrize("split", list(Split))
def test_date_answers_are_dates(split: Split) -> None:
    for example in TASK["iso-date"].examples(split, 300):
        day = date.fromisoformat(example.answer)
        assert str(day.year) in example.prompt


@pytest.mark.parametrize("split", list(Split))
def test_shell_answers_split_into_words_of_which_the_operands_stand_in_the_prompt(split: Split) -> None:
    for example in TASK["shell-command"].examples(split, 300):
        command, *rest = shlex.split(example.answer)
        assert command.isalpha()
        if command in ("cat", "cp", "mv", "cd"):
            assert all(word in example.prompt for word in rest if word != "-r")


@pytest.mark.parametrize("split", list(Split))
def test_triage_answers_name_a_known_category_and_priority(split: Split) -> None:
    pattern = "category: (billing|account|bug|shipping|feature), priority: (low|medium|high)"
    for example in TASK["ticket-triage"].examples(split, 300):
        assert re.fullmatch(pattern, example.answer)


def test_out_of_scope_prompts_are_distinct_and_enough() -> None:
    assert len(set(OUT_OF_SCOPE)) == len(OUT_OF_SCOPE) >= 50
