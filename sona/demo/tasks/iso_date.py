"""Task `iso-date`: a date as people write it to YYYY-MM-DD."""

from calendar import month_abbr, month_name
from datetime import date, timedelta
from random import Random

from sona.demo.phrases import lines
from sona.demo.tasks.common import Example, Task, pick, upper_first
from sona.demo.words import Split, Words, split_of

_ONES = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
ORDINALS = (*_ONES, *(f"twenty-{word}" for word in _ONES[:9]), "thirtieth", "thirty-first")

_FORMATS = lines(r"""
{d} {month} {y}
{d} {month} {y}
{d} {mon} {y}
{month} {d}, {y}
{month} {d} {y}
{mon} {d}, {y}
{mon} {d} {y}
{mon}. {d}, {y}
the {dth} of {month} {y}
the {dth} of {month}, {y}
{dth} of {month} {y}
{month} {dth}, {y}
{month} the {dth}, {y}
{dth} {month} {y}
{d}-{mon}-{y}
{d}.{m}.{y}
{dd}.{mm}.{y}
{y}/{m}/{d}
{y}/{mm}/{dd}
{y}.{mm}.{dd}
{y}{mm}{dd}
the {word} of {month} {y}
the {word} of {month}, {y}
{month} {word}, {y}
{weekday}, {d} {month} {y}
{weekday} {d} {month} {y}
{weekday}, {month} {d}, {y}
{weekday}, {month} {dth}, {y}
{y} {month} {d}
{d}/{mon}/{y}
{month} {dth} {y}
the {dth} {month} {y}
{weekday} the {dth} of {month} {y}
{d} {MON} {y}
{lowmonth} {d} {y}
{d} {lowmonth} {y}
{lowmonth} {dth}, {y}
{dd} {mon} {y}
""")
_FORMATS_HELD_OUT = lines(r"""
{weekday}, {mon} {d}, {y}
{dth} of {mon} {y}
{mon} {dth}, {y}
{weekday} {month} {d} {y}
{weekday} the {dth} of {month}, {y}
{y}, {month} {d}
the {word} {month} {y}
{dth} {mon} {y}
""")
_FRAMES = lines(r"""
{date}
{date} in ISO format
{date} as an ISO date
Convert {date} to ISO
Convert to ISO: {date}
Convert the date {date} to ISO 8601
Write {date} as YYYY-MM-DD
ISO date: {date}
{date} -> ISO
What is {date} in ISO format?
Please convert {date} to an ISO date.
Normalize this date: {date}
Turn {date} into ISO format
date to ISO: {date}
Give me the ISO date for {date}
Format {date} as an ISO date.
Can you write {date} in ISO 8601?
Could you please rewrite {date} as YYYY-MM-DD?
ISO 8601 for {date}
How do I write {date} in ISO format?
Convert this date to YYYY-MM-DD: {date}
Convert "{date}" to ISO format.
{date} to YYYY-MM-DD
{date} - convert to ISO please
Normalize the date '{date}'
Change {date} to ISO 8601 format
I need {date} in the form YYYY-MM-DD
What would {date} be as an ISO date?
Standardize the date {date}
The {event} is on {date}. What is the ISO date?
{event} on {date}: give the date in ISO format
Our {event} was held on {date}. Write the date as YYYY-MM-DD.
Find the date and convert it to ISO: {name} arrived on {date}.
{name} was born on {date}. ISO date?
Extract the ISO date: the {event} starts {date}.
Give the date in ISO format: the {event} in {city} ends on {date}.
When is the {event}? It is on {date}. Answer as YYYY-MM-DD.
""")
_FRAMES_HELD_OUT = lines(r"""
Rewrite {date} in ISO format
Please give me {date} as an ISO 8601 date
{date}, as YYYY-MM-DD please
What's the ISO format of {date}?
Put {date} into ISO format.
The {event} in {city} is on {date}. Convert the date to ISO.
Transform the date {date} to ISO
{name} left on {date}. Write that date in ISO format.
ISO format of {date}?
""")


def _date(rng: Random, split: Split) -> date:
    start = date(1900, 1, 1) if rng.random() < 0.3 else date(1985, 1, 1)
    while True:
        day = start + timedelta(days=rng.randrange((date(2060, 12, 31) - start).days))
        if split_of(day.isoformat()) is split:
            return day


def ordinal(day: int) -> str:
    """Write 1 as 1st, 2 as 2nd, 11 as 11th."""
    suffix = "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{suffix}"


def write_date(day: date, form: str) -> str:
    """Write a date in one of the forms of this module."""
    return form.format(
        d=day.day,
        dd=f"{day.day:02d}",
        m=day.month,
        mm=f"{day.month:02d}",
        y=day.year,
        month=month_name[day.month],
        mon=month_abbr[day.month],
        MON=month_abbr[day.month].upper(),
        lowmonth=month_name[day.month].lower(),
        dth=ordinal(day.day),
        word=ORDINALS[day.day - 1],
        weekday=day.strftime("%A"),
    )


def generate(rng: Random, split: Split) -> Example:
    """Make one prompt with a date and its ISO form."""
    words = Words(rng, split)
    day = _date(rng, split)
    text = write_date(day, pick(rng, split, _FORMATS, _FORMATS_HELD_OUT))
    prompt = pick(rng, split, _FRAMES, _FRAMES_HELD_OUT).format(
        date=text, event=words.word(), name=words.first_name(), city=words.city()
    )
    if rng.random() < 0.5:
        prompt = upper_first(prompt)
    elif rng.random() < 0.4:
        prompt = prompt.replace("Convert", "convert").replace("Write", "write").replace("What", "what")
    return Example(prompt, day.isoformat())


TASK = Task(
    name="iso-date",
    title="Dates to ISO 8601",
    description=(
        "Rewrites a date as people write it, such as 'the 3rd of March 2024' or 'Mar 3, 2024', "
        "in the ISO 8601 format YYYY-MM-DD."
    ),
    keywords=(
        "date",
        "ISO 8601",
        "YYYY-MM-DD",
        "normalize date",
        "convert date",
        "calendar",
        "month",
        "day",
        "year",
    ),
    negative_examples=("What day is today?", "How many days are in a leap year?", "Who was born in 1984?"),
    generate=generate,
    seed=11,
    steps=300,
)
