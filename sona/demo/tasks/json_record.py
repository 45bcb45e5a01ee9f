"""Task `json-record`: a short message to one flat JSON record."""

import json
from random import Random

from sona.demo.phrases import lines, table
from sona.demo.tasks.common import Example, Task, listing, pick, upper_first
from sona.demo.words import Split, Words

Value = str | int

_DOMAINS = table(r"""
name age city
- {name} is {age} years old and lives in {city}. | {name}, {age}, from {city}
- {name} from {city} is {age}. | My name is {name}, I am {age} and I live in {city}.
- In {city} lives {name}, aged {age}. | I'm {name}, {age} years old, living in {city}.
- {name} ({age}) lives in {city}. | {name} lives in {city} and is {age} years old.
- At {age}, {name} moved to {city}. | Hello, this is {name} from {city}, I am {age} years old.
? {name} of {city} is {age} years old. | I am {name}, aged {age}, and I live in {city}.

item quantity price
- {quantity} {item} for {price} dollars | I want to order {quantity} {item} at {price} each.
- {quantity} x {item}, {price} USD | Please send {quantity} {item} for {price} euros.
- The {item} costs {price} and we need {quantity}. | We bought {quantity} {item} for {price}.
- Order: {item}, quantity {quantity}, price {price}. | {item} at {price} dollars, {quantity} pieces
- Add {quantity} units of {item} priced at {price}. | She paid {price} dollars for {quantity} {item}.
? He ordered {quantity} {item} for {price} dollars. | Please add {quantity} {item} at {price} each.

person day room
- Meet {person} on {day} in room {room}. | {person} has room {room} on {day}.
- On {day}, {person} will be in room {room}. | Meeting with {person}, {day}, room {room}
- Room {room} is booked by {person} for {day}. | {person} booked room {room} on {day}.
- See {person} in room {room} this {day}. | We meet {person} in {room} on {day}.
- {day}: {person} in room {room} | The talk by {person} is on {day} in room {room}.
? {person} will meet us on {day} in room {room}. | On {day} room {room} is booked by {person}.

sender recipient amount
- {sender} sent {amount} dollars to {recipient}. | {sender} paid {recipient} {amount}.
- {recipient} got {amount} from {sender}. | Transfer {amount} from {sender} to {recipient}.
- {amount} euros from {sender} to {recipient} | {recipient} received {amount} dollars from {sender}.
- {sender} owes {recipient} {amount}. | Send {recipient} {amount} from {sender}.
- Payment of {amount} by {sender} to {recipient}. | From {sender} to {recipient}: {amount}
- {recipient} was paid {amount} by {sender}. | {sender} gave {recipient} {amount} dollars.
- {sender} transferred {amount} dollars to {recipient}.
? {recipient} got {amount} dollars from {sender}. | {sender} transferred {amount} to {recipient}.

product rating reviewer
- {reviewer} gave the {product} {rating} stars. | {rating} stars for the {product}, says {reviewer}.
- {product}: {rating}/5 by {reviewer} | The {product} got {rating} out of 5 from {reviewer}.
- {reviewer} rated the {product} {rating}. | {reviewer} rates {product} with {rating} points.
- My review of the {product}: {rating} stars. {reviewer}
- I give this {product} {rating} stars - {reviewer}
? {reviewer} gives the {product} {rating} out of 5. | The {product} was rated {rating} by {reviewer}.
""")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WITH_KEYS = lines(r"""
Extract {k} as JSON: {m}
Return a JSON record with {k}. {m}
JSON with the fields {k}: {m}
{m} Extract {k} as JSON.
Make a JSON object with {k} from: {m}
From this message make JSON with keys {k}: {m}
Convert to JSON ({k}): {m}
{m} -> JSON with {k}
{m}\nJSON with {k} please
Please extract the {k} as JSON from this text: {m}
Fields: {k}. Message: {m} Give JSON.
Turn this into a JSON record with {k}: {m}
Parse into JSON, fields {k}: {m}
Give me {k} as a JSON object. Text: {m}
Can you put the {k} into JSON? {m}
Extract {k} as JSON from "{m}"
Text: {m}\nKeys: {k}\nOutput JSON.
{m}\nReturn {k} as JSON.
I need a JSON object with {k} for this: {m}
""")
_WITH_KEYS_HELD_OUT = lines(r"""
Please make a JSON record with {k} from this: {m}
{m} Give me {k} as JSON.
Message: {m} Extract {k} as a JSON object.
Could you extract {k} as JSON? {m}
""")
_BARE = lines(r"""
Convert to JSON: {m}
Make a JSON record: {m}
{m} -> JSON
Turn this message into a JSON record: {m}
JSON: {m}
{m} as JSON
Extract a JSON record from: {m}
to json: {m}
Please write this as JSON: {m}
{m}\nGive me JSON.
Parse this into JSON: {m}
Can you turn this into JSON? {m}
Convert "{m}" to JSON
Represent as a JSON object: {m}
""")
_BARE_HELD_OUT = lines(r"""
Please convert this message to JSON: {m}
Write a JSON record for: {m}
Make this a JSON object: {m}
""")


def _values(words: Words, keys: tuple[str, ...]) -> dict[str, Value]:
    rng = words.rng
    found: dict[str, Value] = {}
    for key in keys:
        match key:
            case "age" | "quantity" | "price" | "room" | "amount":
                found[key] = words.number(99 if key == "age" else 999)
            case "rating":
                found[key] = rng.randint(1, 5)
            case "city":
                found[key] = words.city()
            case "day":
                found[key] = rng.choice(_DAYS)
            case "item" | "product":
                found[key] = words.item()
            case _:
                found[key] = words.full_name() if rng.random() < 0.3 else words.first_name()
    return found


def _loose(words: Words) -> tuple[dict[str, Value], str]:
    """Make a record whose keys stand in the message itself."""
    rng = words.rng
    keys = sorted({rng.choice((words.text_column, words.number_column))() for _ in range(rng.choice((2, 3, 3)))})
    rng.shuffle(keys)
    values: dict[str, Value] = {
        key: words.number(999) if rng.random() < 0.4 else rng.choice((words.word, words.first_name, words.city))()
        for key in keys
    }
    link, gap = rng.choice(
        (
            (" is ", ", "),
            (": ", ", "),
            (" ", ", "),
            ("=", ", "),
            (": ", "; "),
            (" = ", ", "),
            (" is ", " and "),
            (": ", "\n"),
        )
    )
    return values, gap.join(f"{key}{link}{value}" for key, value in values.items())


def generate(rng: Random, split: Split) -> Example:
    """Make one message and its JSON record."""
    words = Words(rng, split)
    if rng.random() < 0.2:
        values, message = _loose(words)
        chosen = list(values)
    else:
        head, train, held_out = rng.choice(_DOMAINS)
        keys = tuple(head.split())
        values = _values(words, keys)
        message = pick(rng, split, train, held_out).format(**values)
        chosen = list(keys)
        if rng.random() < 0.3 and message[-1] == ".":
            message = message[:-1]
    if rng.random() < 0.65:
        if rng.random() < 0.15:
            rng.shuffle(chosen)
        prompt = pick(rng, split, _WITH_KEYS, _WITH_KEYS_HELD_OUT).format(k=listing(rng, chosen), m=message)
    else:
        prompt = pick(rng, split, _BARE, _BARE_HELD_OUT).format(m=message)
        if split is Split.TRAIN and rng.random() < 0.15:
            form = rng.choice(("{w} a JSON record for: {m}", "{w} this message to JSON: {m}", "{w}: {m} {w} JSON"))
            prompt = form.format(w=words.word(), m=message)
    if rng.random() < 0.3 and prompt.split()[0] in (
        "Extract",
        "Convert",
        "Make",
        "Please",
        "Turn",
        "Parse",
        "Give",
        "Return",
        "Can",
    ):
        prompt = prompt[:1].lower() + prompt[1:]
    elif rng.random() < 0.1 and not any(str(value) in prompt.split()[0] for value in values.values()):
        prompt = upper_first(prompt)
    return Example(prompt, json.dumps({key: values[key] for key in chosen}))


TASK = Task(
    name="json-record",
    title="Message to JSON record",
    description=(
        "Extracts the facts of a short message (people, orders, meetings, payments, reviews, key-value "
        "pairs) as one flat JSON object with the fields that the prompt names."
    ),
    keywords=("JSON", "extract", "fields", "record", "object", "keys", "parse", "structured data"),
    negative_examples=("What is JSON?", "Who invented the phone?", "Tell me about Anna."),
    generate=generate,
    seed=13,
    steps=600,
)
