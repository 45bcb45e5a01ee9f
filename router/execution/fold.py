"""Puts the pieces of a chat answer together into what gates read; the pieces themselves stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.core.types import Delta


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer; of several choices, each is one."""

    text: str = ""
    finish_reason: str | None = None
    refusal: str = ""
    """Text of the refusal, where the model marks it as one."""
    tool_calls: tuple[tuple[str, str], ...] = ()
    """(name, arguments as JSON text)."""
    mean_logprob: float | None = None
    """Of the tokens of its text, where the upstream told any."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Token(msgspec.Struct):
    logprob: float


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    message: _Said | None = None
    delta: _Said | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


class _Folding:
    """One choice as far as it has come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refusals: list[str] = []
        self.calls: dict[int, list[str]] = {}
        """Name, then pieces of the arguments, by the call's place."""
        self.logprobs: list[float] = []
        self.finish: str | None = None

    def add(self, choice: _Choice) -> None:
        said = choice.message or choice.delta
        self.finish = choice.finish_reason or self.finish
        if choice.logprobs is not None:
            self.logprobs += [token.logprob for token in choice.logprobs.content or ()]
        if said is None:
            return
        self.texts.append(said.content or "")
        self.refusals.append(said.refusal or "")
        for place, call in enumerate(said.tool_calls or ()):
            pieces = self.calls.setdefault(place if call.index is None else call.index, [""])
            function = call.function or _Function()
            pieces[0] = pieces[0] or function.name or ""
            pieces.append(function.arguments or "")

    def folded(self) -> Folded:
        return Folded(
            text="".join(self.texts),
            finish_reason=self.finish,
            refusal="".join(self.refusals),
            tool_calls=tuple((pieces[0], "".join(pieces[1:])) for _, pieces in sorted(self.calls.items())),
            mean_logprob=sum(self.logprobs) / len(self.logprobs) if self.logprobs else None,
        )


def fold(deltas: Iterable[Delta]) -> tuple[Folded, ...]:
    """Fold an answer in chat completions, whole or streamed; one for each of its choices.

    What can't be read adds nothing.
    """
    choices: dict[int, _Folding] = {}
    for delta in deltas:
        try:
            answer = _ANSWER.decode(delta.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        for choice in answer.choices or ():
            choices.setdefault(choice.index or 0, _Folding()).add(choice)
    return tuple(folding.folded() for _, folding in sorted(choices.items()))


def without_logprobs(deltas: Sequence[Delta]) -> tuple[Delta, ...]:
    """Leave log-probabilities out of an answer whose caller didn't ask for them."""
    return tuple(_without_logprobs(delta) for delta in deltas)


class _Open(msgspec.Struct):
    choices: list[dict[str, object]] | None = None


def _without_logprobs(delta: Delta) -> Delta:
    if b'"logprobs"' not in delta.payload:
        return delta
    answer: dict[str, object] = msgspec.json.decode(delta.payload, type=dict[str, object])
    choices = msgspec.convert(answer, _Open).choices or []
    answer["choices"] = [{**choice, "logprobs": None} for choice in choices]
    return msgspec.structs.replace(delta, payload=msgspec.json.encode(answer))
