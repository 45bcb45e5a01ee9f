"""The endpoints that take a caller's text; a new one joins by a row here, and a test fails until it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from tests.fakes.canaries import FIELDS, UNREADABLE, Body
from tests.fakes.canaries_messages import MESSAGES_FIELDS, MESSAGES_UNREADABLE
from tests.fakes.responses_fields import FIELDS as RESPONSES_FIELDS


class Endpoint(msgspec.Struct, frozen=True):
    """One row."""

    path: str
    make: Callable[[str, str], Body]
    """A harmless body from a model's name and a question."""
    fields: Mapping[str, Callable[[Body, str], None]]
    """Field -> how a text gets into it."""
    say: Callable[[Body, str, str], None]
    """Puts a turn in front: whose (`user`, `assistant`), and what."""
    share: float
    """How often a campaign uses it, relative to the others."""
    streams: bool = True
    calls: bool = True
    """Whether it calls a model; one that doesn't tells of the decision in its answer."""
    unreadable: tuple[str, ...] = UNREADABLE
    """Fields whose requests never get to a cloud, whatever they hold."""
    here: bool = False
    """Whether this process answers what is sensitive, and what would be masked, itself."""


def chat(model: str, question: str) -> Body:
    """Make a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": question}]}


def messages(model: str, question: str) -> Body:
    """Make a request of Anthropic's Messages."""
    return {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": question}]}


def say(body: Body, role: str, text: str) -> None:
    """Put a turn in front of a chat."""
    body["messages"].insert(0, {"role": role, "content": text})


def completion(model: str, question: str) -> Body:
    """Make a request to complete a prompt."""
    return {"model": model, "prompt": question}


def lead(body: Body, role: str, text: str) -> None:
    """Put a turn in front of a prompt; in front of tokens none fits."""
    turn, prompt = f"{role}: {text}\n\n", body["prompt"]
    if isinstance(prompt, str):
        body["prompt"] = turn + prompt
    elif isinstance(prompt[0], str):
        body["prompt"] = [turn + prompt[0], *prompt[1:]]


def _encoded(text: str) -> list[int]:
    """Make tokens of a text, as a tokenizer of bytes does."""
    return [3 + byte for byte in text.encode()]


COMPLETION_FIELDS: dict[str, Callable[[Body, str], None]] = {
    "prompt": lambda b, t: b.update(prompt=t),
    "prompt in a list": lambda b, t: b.update(prompt=[t]),
    "second prompt": lambda b, t: b.update(prompt=["Hello", t]),
    "prompt of tokens": lambda b, t: b.update(prompt=_encoded(t)),
    "prompts of tokens": lambda b, t: b.update(prompt=[_encoded("Hello"), _encoded(t)]),
    "suffix": lambda b, t: b.update(suffix=t),
    "echo": lambda b, t: b.update(echo=t),
    "best_of": lambda b, t: b.update(best_of=t),
    **{
        name: FIELDS[name]
        for name in (
            "user field", "metadata", "metadata key", "metadata number", "stop", "seed", "logit_bias key",
            "service_tier", "stream_options", "unknown field", "unknown number", "unknown key", "unknown nested key",
        )
    },
}  # fmt: skip
"""Field of a completion request -> how a text gets into it."""


def embedding(model: str, question: str) -> Body:
    """Make a request for a vector."""
    return {"model": model, "input": question}


def preface(body: Body, role: str, text: str) -> None:
    """Embed another text too; tokens take none."""
    given = body["input"]
    if isinstance(given, str) or isinstance(given[0], str):
        body["input"] = [f"{role}: {text}", *([given] if isinstance(given, str) else given)]


EMBEDDING_FIELDS: dict[str, Callable[[Body, str], None]] = {
    "input": lambda b, t: b.update(input=t),
    "second input": lambda b, t: b.update(input=["Hello", t]),
    "input of tokens": lambda b, t: b.update(input=_encoded(t)),
    "inputs of tokens": lambda b, t: b.update(input=[_encoded("Hello"), _encoded(t)]),
    "encoding_format": lambda b, t: b.update(encoding_format=t),
    "dimensions": lambda b, t: b.update(dimensions=t),
    **{
        name: FIELDS[name]
        for name in (
            "user field", "metadata", "metadata key", "metadata number",
            "unknown field", "unknown number", "unknown key", "unknown nested key",
        )
    },
}  # fmt: skip
"""Field of an embeddings request -> how a text gets into it."""


def respond(model: str, question: str) -> Body:
    """Make a request of the Responses API."""
    return {"model": model, "input": [{"role": "user", "content": question}]}


def say_item(body: Body, role: str, text: str) -> None:
    """Put a turn in front of one."""
    if isinstance(body["input"], str):
        body["input"] = [{"role": "user", "content": body["input"]}]
    body["input"].insert(0, {"role": role, "content": text})


ENDPOINTS = (
    Endpoint("/v1/chat/completions", chat, FIELDS, say, 9),
    Endpoint("/v1/completions", completion, COMPLETION_FIELDS, lead, 2),
    Endpoint("/v1/embeddings", embedding, EMBEDDING_FIELDS, preface, 1, streams=False),
    Endpoint("/v1/messages", messages, MESSAGES_FIELDS, say, 5, unreadable=MESSAGES_UNREADABLE),
    Endpoint(
        "/v1/messages/count_tokens",
        messages,
        MESSAGES_FIELDS,
        say,
        1,
        streams=False,
        unreadable=MESSAGES_UNREADABLE,
        here=True,
    ),
    Endpoint("/v1/responses", respond, RESPONSES_FIELDS, say_item, 4),
    Endpoint("/v1/route/explain", chat, FIELDS, say, 1, streams=False, calls=False),
)
CALLING = frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.calls)
"""Those that call a model; the others remember nothing of a conversation, and send nothing."""
