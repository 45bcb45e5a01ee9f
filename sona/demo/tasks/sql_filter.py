"""Task `sql-filter`: a filter in plain English over a stated table to one SQL SELECT."""

from random import Random

from sona.demo.phrases import lines
from sona.demo.tasks.common import Example, Task, listing, pick, quoted, request, upper_first
from sona.demo.words import TABLES, Split, Words

_NUMBER_OPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (">", ("over", "above", "greater than", "more than", "bigger than", "higher than", ">", "larger than")),
    ("<", ("under", "below", "less than", "smaller than", "lower than", "<", "fewer than")),
    (">=", ("at least", "no less than", ">=", "not less than", "not below")),
    ("<=", ("at most", "no more than", "<=", "not more than", "not above")),
    ("=", ("", "equal to", "exactly", "=")),
    ("<>", ("not", "not equal to", "!=")),
)
_WHERE = lines(r"""
where
where
where
with
whose
if
that have
for which
when
in which
""")
_VERBS = lines(r"""
show
list
find
get
select
give me
return
show me
fetch
display
retrieve
""")
_VERBS_HELD_OUT = ("print", "pull", "look up")
_SCHEMAS = lines(r"""
Table {t}({c}).
Table {t} ({c}):
Table {t} ({c}).
Table {t} has columns {l}.
Table: {t}({c})
Given the table {t} with columns {l},
Schema: {t}({c}).
We have a table called {t} with columns {l}.
{t}({c}):
The table {t} has the columns {l}.
Using table {t} ({c}),
table {t}, columns {c}:
In the table {t}({c}),
For table {t} with {l}:
There is a table {t} with the columns {l}.
""")
_SCHEMAS_HELD_OUT = lines(r"""
My table {t} has columns {l}.
Given table {t}({c}),
With the table {t} ({c}):
""")
_TAILS = lines(r"""
{r} Table {t}({c}).
{r} The table is {t}({c}).
{r} (table {t}: {c})
{r} Table: {t} ({c})
{r} Schema: {t}({c})
{r} The table {t} has columns {l}.
""")
_ASKS = lines(r"""
Write SQL to {}
Write an SQL query to {}
Write a SQL query: {}
SQL: {}
Translate to SQL: {}
SQL query to {}
Turn this into SQL: {}
Give me the SQL to {}
{} in SQL
{} (SQL)
Convert to SQL: {}
What is the SQL to {}?
I need a query to {}
Write a query that will {}
How do I {} in SQL?
""")
_ASKS_HELD_OUT = lines(r"""
Write the SQL query to {}
As SQL: {}
I need SQL to {}
Build a SQL query to {}
""")


def _number_condition(words: Words, column: str) -> tuple[str, str]:
    rng, value = words.rng, words.number(2000)
    if rng.random() < 0.1:
        other = value + rng.randint(1, 500)
        return (
            f"{column} {rng.choice(('is ', ''))}between {value} and {other}",
            f"{column} BETWEEN {value} AND {other}",
        )
    operator, phrases = rng.choices(_NUMBER_OPS, weights=(4, 4, 2, 2, 3, 1))[0]
    said = rng.choice(phrases)
    if said.startswith((">", "<", "=", "!")):
        gap = rng.choice(("", " "))
        return f"{column}{gap}{said}{gap}{value}", f"{column} {operator} {value}"
    verb = "is " if operator in ("=", "<>") or rng.random() < 0.6 else ""
    said = f"{verb}{said}".strip()
    return f"{column} {said} {value}", f"{column} {operator} {value}"


def _text_condition(words: Words, column: str) -> tuple[str, str]:
    rng = words.rng
    value = rng.choice((words.city, words.first_name, words.word, words.word))()
    shown, kind = quoted(rng, value, 0.35), rng.random()
    if kind < 0.55:
        said = rng.choice(("is", "is", "=", "equals", "is equal to"))
        return f"{column} {said} {shown}", f"{column} = '{value}'"
    if kind < 0.65:
        said = rng.choice(("is not", "is not", "!=", "is not equal to"))
        return f"{column} {said} {shown}", f"{column} <> '{value}'"
    if kind < 0.75:
        return f"{column} {rng.choice(('contains', 'includes'))} {shown}", f"{column} LIKE '%{value}%'"
    if kind < 0.85:
        return f"{column} {rng.choice(('starts with', 'begins with'))} {shown}", f"{column} LIKE '{value}%'"
    if kind < 0.9:
        return f"{column} ends with {shown}", f"{column} LIKE '%{value}'"
    if kind < 0.96:
        return f"{column} is {rng.choice(('missing', 'empty', 'null', 'NULL'))}", f"{column} IS NULL"
    return f"{column} is {rng.choice(('not null', 'not empty', 'not missing'))}", f"{column} IS NOT NULL"


def _conditions(words: Words, text: list[str], numbers: list[str]) -> tuple[str, str]:
    rng = words.rng
    parts: list[tuple[str, str]] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        if rng.random() < 0.5:
            parts.append(_number_condition(words, rng.choice(numbers)))
        else:
            parts.append(_text_condition(words, rng.choice(text)))
    if len(parts) == 1:
        return parts[0]
    word = rng.choice(("and", "and", "or"))
    return f" {word} ".join(part[0] for part in parts), f" {word.upper()} ".join(part[1] for part in parts)


def _wanted(words: Words, table: str, columns: list[str]) -> tuple[str, str, bool]:
    """Say what to select; the flag tells that the words name the table or all of its rows."""
    rng, kind = words.rng, words.rng.random()
    if kind < 0.5:
        forms = ["all {t}", "all {t}", "all rows", "everything", "rows", "all the {t}", "every row of {t}"]
        if table in TABLES:
            forms += ["{t}", "the {t}"]
        said = rng.choice(forms).format(t=table)
        return said, "*", table in said
    if kind < 0.6:
        return (
            rng.choice((f"the number of {table}", f"how many {table} there are", "the count of rows")),
            "COUNT(*)",
            False,
        )
    chosen = rng.sample(columns, min(len(columns), rng.choice((1, 1, 1, 2))))
    said = listing(rng, chosen)
    if rng.random() < 0.5:
        said = f"the {said}"
    return said, ", ".join(chosen), False


def generate(rng: Random, split: Split) -> Example:
    """Make one request over a table and its SELECT statement."""
    words = Words(rng, split)
    table = words.table()
    text = sorted({words.text_column() for _ in range(rng.randint(1, 3))} - {table}) or ["name"]
    numbers = sorted({words.number_column() for _ in range(rng.randint(1, 3))} - {table, *text}) or ["id"]
    columns = [*text, *numbers]
    rng.shuffle(columns)
    wanted, selected, named = _wanted(words, table, columns)
    said, condition = _conditions(words, text, numbers)
    stated = rng.random() < 0.8
    source = ""
    if not named and (not stated or rng.random() < 0.35):
        link = rng.choice(("from", "from", "of", "in"))
        source = f" {link} {rng.choice(('', '', 'table ', 'the table '))}{table}"
    verb = pick(rng, split, _VERBS, _VERBS_HELD_OUT)
    if split is Split.TRAIN and rng.random() < 0.1:
        verb = rng.choice((words.word(), f"{words.word()} up", f"{words.word()} out"))
    core = f"{verb} {wanted}{source} {rng.choice(_WHERE)} {said}"
    asked = rng.random() < 0.3
    core = pick(rng, split, _ASKS, _ASKS_HELD_OUT).format(core) if asked else request(rng, split, core)
    answer = f"SELECT {selected} FROM {table} WHERE {condition};"
    return Example(_with_schema(words, core, table, columns) if stated else core, answer)


def _with_schema(words: Words, core: str, table: str, columns: list[str]) -> str:
    rng = words.rng
    plain, spoken = ", ".join(columns), listing(rng, columns)
    if rng.random() < 0.75:
        head = pick(rng, words.split, _SCHEMAS, _SCHEMAS_HELD_OUT).format(t=table, c=plain, l=spoken)
        gap = rng.choice((" ", " ", " ", "\n"))
        return f"{upper_first(head) if rng.random() < 0.7 else head}{gap}{core}"
    stop = "" if core[-1] in ".?" else rng.choice((".", "."))
    return rng.choice(_TAILS).format(r=core + stop, t=table, c=plain, l=spoken)


TASK = Task(
    name="sql-filter",
    title="Plain English to a SQL filter",
    description=(
        "Writes one SQL SELECT statement with a WHERE clause from a filter in plain English over a stated "
        "table and its columns: comparisons, text matches, AND/OR and counting."
    ),
    keywords=("SQL", "query", "SELECT", "WHERE", "table", "columns", "rows", "filter", "database"),
    negative_examples=(
        "What does SQL stand for?",
        "Set the table for dinner.",
        "How do I install a database server?",
    ),
    generate=generate,
    seed=12,
    steps=600,
)
