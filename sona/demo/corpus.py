"""The text that the base model learns from, all of it generated here.

Copying and chat draw words of both splits, so that every token is practised; what is held out is kept
from the adapters, whose tasks the base never learns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from sona.demo.chat import Chat, Turn, ask, render
from sona.demo.copying import exercise, span
from sona.demo.phrases import lines
from sona.demo.small_talk import SYSTEM_PROMPTS, open_question, small_talk
from sona.demo.tasks import TASKS
from sona.demo.words import Split, Words

__all__ = ["PRACTICE", "READING", "SYSTEM_PROMPTS", "Mix", "draw_chat", "small_talk", "tokenizer_texts"]

_SNIPPETS = lines(r"""
SELECT {c} FROM {t} WHERE {k} > {n};
SELECT * FROM {t} WHERE {c} = '{w}' AND {k} <= {n};
SELECT COUNT(*) FROM {t};
INSERT INTO {t} ({c}, {k}) VALUES ('{w}', {n});
UPDATE {t} SET {c} = '{w}' WHERE id = {n};
DELETE FROM {t} WHERE {c} LIKE '%{w}%' OR {k} IS NULL;
SELECT {c}, {k} FROM {t} WHERE {k} BETWEEN {n} AND {m} ORDER BY {c} DESC;
WHERE {c} <> '{w}' AND {k} IS NOT NULL
{{"{c}": "{w}", "{k}": {n}}}
{{"name": "{N}", "city": "{C}", "age": {n}}}
[{{"{k}": {n}}}, {{"{k}": {m}}}]
{{"{c}": "{w}", "item": {{"{k}": {n}}}}}
$ ls -la {d}
$ grep -r '{w}' {d} | wc -l
$ cp {f} {d}/{f}
$ find {d} -name '*.txt' -size +{n}M
$ tar -czf {w}.tar.gz {d}
$ chmod 755 {f} && ./{f}
$ head -n {n} {f}; tail -n {m} {f}
$ mkdir -p {d} && mv {f} {d}
$ rm -r {d}
$ du -sh {d}
$ sed -i 's/{w}/{c}/g' {f}
$ ssh {w}@example.com
{N} met {M} in {C} on {D}.
{D}: {N} bought {n} {w}.
The {w} of {N} arrived in {C} on {D}.
{I} {N} {w} {n}
{I};{c};{k};{n}
{D} and {E}
category {c}, priority {k}
Ticket {n}: the {w} of {N} is broken.
Dear {N}, your order {n} of {w} was sent to {C}.
{N} <{w}@example.com> wrote on {D}: the {w} is in {C}.
""")
_SIGNS = tuple("éüöäñçèàßøåíóúêâîôûëïœæłšžčř€£°–—“”‘’…×·")
"""Signs outside ASCII that people type."""
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _day(rng: Random) -> date:
    return date(1950, 1, 1) + timedelta(days=rng.randrange(40000))


def _snippet(rng: Random) -> str:
    words, day, other = Words(rng, rng.choice(tuple(Split))), _day(rng), _day(rng)
    dates = (
        f"{day.day} {_MONTHS[day.month - 1]} {day.year}",
        f"{_MONTHS[day.month - 1][:3]} {day.day}, {day.year}",
        f"{_MONTHS[day.month - 1]} {day.day}",
        f"{day.strftime('%A')}",
    )
    return rng.choice(_SNIPPETS).format(
        c=words.text_column(),
        k=words.number_column(),
        t=words.table(),
        w=words.word(),
        n=words.number(),
        m=words.number(),
        N=words.full_name(),
        M=words.first_name(),
        C=words.city(),
        d=words.directory(),
        f=words.file(),
        D=rng.choice(dates),
        E=f"{_MONTHS[other.month - 1]} {other.year}",
        I=day.isoformat(),
    )


def _plain(rng: Random) -> Chat:
    """Make plain text: snippets, of which some lines come again."""
    lines = [_snippet(rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.6:
        lines += rng.sample(lines, rng.randint(1, len(lines)))
    return (Turn("assistant", "\n".join(lines), learn=True),)


def _echo(rng: Random) -> Chat:
    """Make a text and its repetition, of which only the second is learnt.

    A third of the texts are prompts or answers of the tasks, never both together: a token that the base
    never writes gets an embedding from which no adapter can bring it back.
    """
    if rng.random() < 0.35:
        example = rng.choice(TASKS).generate(rng, Split.TRAIN)
        text = rng.choice((example.prompt, example.answer, example.answer))
        said = rng.choice(("{}", "Repeat: {}", "Copy: {}", "Echo '{}'", 'Write "{}"')).format(text)
        return ask(said if said != example.prompt else f"Repeat: {said}", text)
    text = span(Words(rng, rng.choice(tuple(Split))), rng.choice((6, 10, 16, 24)))
    return ask(text, text)


def _rounds(rng: Random, exercises: float) -> Chat:
    """Make a conversation of a few exercises (their share is given), small talk and open questions."""
    turns: list[Turn] = []
    if rng.random() < 0.2:
        turns.append(Turn("system", rng.choice(SYSTEM_PROMPTS)))
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.random()
        talk = exercises + (1 - exercises) * 0.4
        maker = exercise if kind < exercises else small_talk if kind < talk else open_question
        said, reply = maker(rng)
        turns += [Turn("user", said), Turn("assistant", reply, learn=True)]
    if rng.random() < 0.03:
        found = span(Words(rng, rng.choice(tuple(Split))), 3)
        turns += [Turn("tool", found), Turn("assistant", f"The tool says: {found}", learn=True)]
    return tuple(turns)


def _declined(rng: Random) -> Chat:
    """Decline a prompt of a task that only an adapter solves."""
    task = rng.choice(TASKS)
    _, fallback = open_question(rng)
    return ask(task.generate(rng, Split.TRAIN).prompt, fallback)


def _pieces(rng: Random, pieces: tuple[str, ...]) -> Chat:
    """Repeat any tokens of the vocabulary, so that all of them are written now and then."""
    gap = rng.choice((" ", " ", "", ", "))
    text = gap.join(rng.choice(pieces) for _ in range(rng.randint(3, 20))).strip() or "-"
    return ask(rng.choice(("{}", "Repeat: {}", "Copy: {}")).format(text), text)


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of documents in one stage of the training; the rest is declined tasks."""

    rounds: float
    plain: float
    echo: float
    pieces: float
    exercises: float


READING = Mix(rounds=0.50, plain=0.13, echo=0.20, pieces=0.14, exercises=0.76)
PRACTICE = Mix(rounds=0.74, plain=0.03, echo=0.12, pieces=0.07, exercises=0.86)


def draw_chat(rng: Random, mix: Mix, pieces: tuple[str, ...]) -> Chat:
    """Draw one training document; `pieces` are texts of single tokens."""
    kinds = (mix.rounds, mix.plain, mix.echo, mix.pieces)
    kind = rng.choices(range(5), weights=(*kinds, 1 - sum(kinds)))[0]
    match kind:
        case 0:
            return _rounds(rng, mix.exercises)
        case 1:
            return _plain(rng)
        case 2:
            return _echo(rng)
        case 3:
            return _pieces(rng, pieces)
        case _:
            return _declined(rng)


def pieces_of(tokens: Iterable[str]) -> tuple[str, ...]:
    """Choose the texts of single tokens that can be repeated: printable ones, and some accented letters."""
    return (*(token for token in tokens if token.isascii() and token.isprintable() and token.strip()), *_SIGNS)


def tokenizer_texts(rng: Random, count: int = 12000) -> Iterator[str]:
    """Yield the texts that the tokenizer learns from: the corpus and the prompts and answers of the tasks."""
    for index in range(count):
        if index % 3:
            yield render(draw_chat(rng, READING, _SIGNS))
        else:
            example = TASKS[index // 3 % len(TASKS)].generate(rng, Split.TRAIN)
            yield f"{example.prompt}\n{example.answer}"
