"""Copying and extraction exercises for the base model, from which its induction heads form."""

from random import Random

from sona.demo.phrases import lines
from sona.demo.words import Split, Words

_REPEAT = lines(r"""
Repeat: {x}
Repeat after me: {x}
Say {q}.
Say this: {x}
Copy this text: {x}
Echo {q}
Write {q}
Repeat this exactly: {x}
{q} - repeat that
Copy: {x}
Please repeat {q}.
""")
_SIGNS = (
    "-",
    "_",
    ".",
    "/",
    ", ",
    ": ",
    "; ",
    " = ",
    "@",
    " (",
    ") ",
    "'",
    '"',
    " > ",
    " < ",
    "*",
    "+",
    " {",
    "} ",
    " | ",
    "$",
    "#",
    "~",
    "%",
    "!",
    "?",
    "\n",
    ' "',
    '": ',
    "[",
    "]",
)


def span(words: Words, most: int = 5) -> str:
    """Make a span of words, names, numbers and signs."""
    rng = words.rng
    kind = rng.random()
    if kind < 0.35:
        return words.phrase(most)
    parts: list[str] = []
    for _ in range(rng.randint(1, most)):
        maker = rng.choice(
            (
                words.word,
                words.invented,
                words.full_name,
                words.city,
                words.file,
                words.number_column,
                words.directory,
            )
        )
        parts.append(str(rng.randint(0, 10 ** rng.randint(1, 6))) if rng.random() < 0.3 else maker())
    signs = rng.random() < 0.6
    return "".join(part + (rng.choice(_SIGNS) if signs else " ") for part in parts).strip()


def repeat(words: Words) -> tuple[str, str]:
    """Repeat a span."""
    rng, text = words.rng, span(words, 6)
    mark = rng.choice(("'", '"'))
    form = rng.choice(_REPEAT)
    if "{q}" in form:
        text = text.replace("'", "").replace('"', "").strip() or words.word()
    answer = text
    if rng.random() < 0.1:
        form, answer = f"Twice. {form}", f"{text} {text}"
    return form.format(x=text, q=f"{mark}{text}{mark}"), answer


def lookup(words: Words) -> tuple[str, str]:
    """Find the value of a key among several."""
    rng = words.rng
    keys = sorted(
        {rng.choice((words.text_column, words.number_column, words.invented))() for _ in range(rng.randint(2, 6))}
    )
    rng.shuffle(keys)
    link = rng.choice((" is ", ": ", "=", " = ", " -> ", " "))
    gap = rng.choice((", ", "; ", "\n", ". ", " and "))
    values = {
        key: rng.choice((words.word, words.full_name, words.city, words.file, lambda: str(words.number())))()
        for key in keys
    }
    text = gap.join(f"{key}{link}{value}" for key, value in values.items())
    key = rng.choice(keys)
    if rng.random() < 0.25:
        form = rng.choice(("{t}. Which one is {v}?", "Which key has the value {v}? {t}", "Find the key of {v}: {t}"))
        return form.format(t=text, v=values[key]), next(k for k in keys if values[k] == values[key])
    form = rng.choice(
        (
            "{t}. What is the {k}?",
            "Find the {k}: {t}",
            "What is {k} here? {t}",
            "{t}\n{k}?",
            "Given {t}, say the {k}.",
            "Look up {k} in: {t}",
        )
    )
    return form.format(t=text, k=key), values[key]


def place(words: Words) -> tuple[str, str]:
    """Say which word stands at a place in a list, or reorder the list."""
    rng = words.rng
    items = [
        rng.choice((words.word, words.first_name, words.city, lambda: str(words.number())))()
        for _ in range(rng.randint(2, 5))
    ]
    gap = rng.choice((", ", " ", "; ", " and ", "/"))
    text = gap.join(items)
    say, answer = rng.choice(
        (
            ("the first", items[0]),
            ("the last", items[-1]),
            ("the second", items[1]),
            ("all but the first", gap.join(items[1:])),
            ("all but the last", gap.join(items[:-1])),
            ("the list backwards", gap.join(reversed(items))),
            ("the list with commas", ", ".join(items)),
            ("the list with slashes", "/".join(items)),
            ("the list with dashes", "-".join(items)),
            ("the list without spaces", "".join(items)),
            ("each in quotes", ", ".join(f"'{item}'" for item in items)),
            ("each in brackets", " ".join(f"[{item}]" for item in items)),
            ("one per line", "\n".join(items)),
            ("the first and the last", f"{items[0]} {items[-1]}"),
        )
    )
    return rng.choice(
        ("Give {s}: {t}", "Write {s}: {t}", "{t}. Give {s}.", "From {t} take {s}", "Of {t}, say {s}.")
    ).format(s=say, t=text), answer


def wrap(words: Words) -> tuple[str, str]:
    """Put a span between signs or between two other words."""
    rng, text = words.rng, words.phrase(3)
    before, after = words.word(), words.word()
    say, answer = rng.choice(
        (
            ("in brackets", f"({text})"),
            ("in square brackets", f"[{text}]"),
            ("in single quotes", f"'{text}'"),
            ("in double quotes", f'"{text}"'),
            ("in braces", f"{{{text}}}"),
            ("between stars", f"*{text}*"),
            (f"after {before}", f"{before} {text}"),
            (f"before {after}", f"{text} {after}"),
            (f"between {before} and {after}", f"{before} {text} {after}"),
            ("with a semicolon", f"{text};"),
            ("with a percent sign on each side", f"%{text}%"),
            ("with a dot in front", f".{text}"),
            ("with a slash at the end", f"{text}/"),
        )
    )
    return rng.choice(
        ("Put {t} {s}.", "Write {t} {s}.", "Put '{t}' {s}", "{t} - write it {s}", "Please put {t} {s}")
    ).format(t=text, s=say), answer


def fill(words: Words) -> tuple[str, str]:
    """Fill the gaps of a made-up template from stated values."""
    rng = words.rng
    keys = rng.sample(("x", "y", "z", "a", "b", "k"), rng.randint(1, 3))
    values = {key: span(words, 2).replace("{", "").replace("}", "").strip() or "one" for key in keys}
    parts: list[str] = []
    for key in keys:
        parts += [words.word() if rng.random() < 0.7 else rng.choice(_SIGNS).strip() or "-", "{" + key + "}"]
    if rng.random() < 0.5:
        parts.append(words.word())
    template = " ".join(part for part in parts if part not in ("{", "}"))
    answer = template
    for key, value in values.items():
        answer = answer.replace("{" + key + "}", value)
    order = list(keys)
    rng.shuffle(order)
    stated = rng.choice((", ", "; ", " and ")).join(f"{key} = {values[key]}" for key in order)
    return rng.choice(
        ("Fill {t} with {v}", "{v}. Fill in: {t}", "Template: {t}\nValues: {v}", "Use {v} in {t}")
    ).format(t=template, v=stated), answer


_FACTS = (
    ("{n} lives in {c}.", (("Where does {n} live?", "{c}"), ("Who lives in {c}?", "{n}"))),
    ("{n} has a {i}.", (("What does {n} have?", "a {i}"), ("Who has the {i}?", "{n}"))),
    (
        "{n} bought {k} {i} in {c}.",
        (
            ("Who bought the {i}?", "{n}"),
            ("How many {i} did {n} buy?", "{k}"),
            ("Where was {i} bought?", "{c}"),
            ("What did {n} buy?", "{k} {i}"),
        ),
    ),
    (
        "The {i} costs {k} dollars.",
        (("What costs {k} dollars?", "the {i}"), ("How much is the {i}?", "{k} dollars")),
    ),
    (
        "{n} met {m} in {c}.",
        (("Whom did {n} meet?", "{m}"), ("Who met {m}?", "{n}"), ("Where did they meet?", "{c}")),
    ),
    ("{n} is {k} years old.", (("How old is {n}?", "{k}"), ("Who is {k}?", "{n}"))),
    (
        "{n} gave the {i} to {m}.",
        (("Who gave the {i}?", "{n}"), ("Who got the {i}?", "{m}"), ("What did {m} get?", "the {i}")),
    ),
    ("The {i} of {n} is in {c}.", (("Whose {i} is in {c}?", "{n}"), ("Where is the {i}?", "{c}"))),
    (
        "{n} called {m} about the {i}.",
        (("Who was called?", "{m}"), ("Who called?", "{n}"), ("What was the call about?", "the {i}")),
    ),
)


def fact(words: Words) -> tuple[str, str]:
    """Answer a question about a stated sentence, sometimes with other sentences around it."""
    rng = words.rng
    made: list[tuple[str, str, str]] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        text, questions = rng.choice(_FACTS)
        values = {
            "n": words.full_name() if rng.random() < 0.4 else words.first_name(),
            "m": words.first_name(),
            "c": words.city(),
            "i": words.item(),
            "k": str(words.number()),
        }
        question, answer = rng.choice(questions)
        made.append((text.format(**values), question.format(**values), answer.format(**values)))
    chosen = rng.choice(made)
    text = " ".join(sentence for sentence, _, _ in made)
    return rng.choice(("{t} {q}", "{q} {t}", "{t}\n{q}", "Text: {t} Question: {q}")).format(
        t=text, q=chosen[1]
    ), chosen[2]


def rewrite(words: Words) -> tuple[str, str]:
    """Rewrite a short sentence by a simple rule."""
    rng, name, item, city = words.rng, words.first_name(), words.item(), words.city()
    deed = rng.choice(
        (
            f"open the {item}",
            f"bring the {item} to {city}",
            f"call {name}",
            f"sell the {item}",
            f"send {name} the {item}",
        )
    )
    thing = words.word()
    say, text, answer = rng.choice(
        (
            ("politely", deed, f"Please {deed}."),
            ("as a question", f"{name} has the {item}.", f"Does {name} have the {item}?"),
            ("in the negative", f"{name} is in {city}.", f"{name} is not in {city}."),
            ("as an order", f"Please {deed}.", f"{deed[:1].upper()}{deed[1:]}!"),
            (f"with {thing} instead of {item}", f"{name} sees the {item}.", f"{name} sees the {thing}."),
            ("in the past", f"{name} is in {city}.", f"{name} was in {city}."),
        )
    )
    return rng.choice(("Rewrite {s}: {t}", "Say {s}: {t}", "Rewrite this {s}: {t}", "{t} - say it {s}")).format(
        s=say, t=text
    ), answer


EXERCISES = (repeat, repeat, lookup, lookup, place, wrap, fill, fill, fact, fact, rewrite)


def exercise(rng: Random) -> tuple[str, str]:
    """Make one exercise and its answer."""
    return rng.choice(EXERCISES)(Words(rng, rng.choice(tuple(Split))))
