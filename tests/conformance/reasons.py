"""Why a cell isn't `native` or `yes`: every such cell of the page needs a reason from here."""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.callers import Caller
from tests.conformance.matrix import Cell, Kind, Result

ANY = "*"

REASONS: Mapping[tuple[Kind, str, str, str], str] = {
    ("refused", "json", "anthropic", ANY): "Anthropic gives JSON by a schema only",
    ("refused", "json", "bedrock", ANY): "Bedrock gives JSON by a schema only",
    ("refused", "n", "anthropic", ANY): "Anthropic has no `n`",
    ("refused", "n", "bedrock", ANY): "Bedrock has no `n`",
    ("refused", "n", "cohere", ANY): "Cohere has no `n`",
    ("refused", "logprobs", "anthropic", ANY): "Anthropic has no log probabilities",
    ("refused", "logprobs", "bedrock", ANY): "Bedrock has no log probabilities",
    ("refused", "logprobs", ANY, "completions"): "the log probabilities of a completion can't be had from a chat",
    ("refused", "unknown", "gemini", ANY): (
        "an unknown field may be a feature: Gemini would refuse it, and nothing of its meaning is known here"
    ),
    ("refused", "file", "cohere", ANY): "Cohere takes no files in a chat",
    ("dropped", "file", "gemini", ANY): "the file arrives, without its name: Gemini has no place for that",
    ("dropped", "seed", "anthropic", ANY): "Anthropic has no seed",
    ("dropped", "seed", "bedrock", ANY): "Bedrock has no seed",
    ("dropped", "parallel", "gemini", ANY): "Gemini can't be kept from parallel calls",
    ("dropped", "parallel", "cohere", ANY): "Cohere can't be kept from parallel calls",
    ("dropped", "parallel", "bedrock", ANY): "Converse can't be kept from parallel calls",
    ("dropped", "mark", "chat", ANY): "chat completions outside have no marks: many vendors refuse them",
    ("dropped", "mark", "openai", ANY): "chat completions outside have no marks: many vendors refuse them",
    ("dropped", "mark", "gemini", ANY): "Gemini has no marks in a request; it caches by itself",
    ("dropped", "mark", "cohere", ANY): "Cohere has no marks; it caches by itself",
    (
        "dropped",
        "kept",
        "gemini",
        "chat",
    ): "Gemini takes back its signatures, and gets them, not the text of its thinking",
    ("dropped", "kept", "gemini", ANY): (
        "Gemini takes back its signatures, not the text of its thinking; this API has no place for signatures of calls"
    ),
    ("dropped", "unknown", ANY, ANY): "there is no place for it; the provider would refuse it",
    ("none", "usage_written", "gemini", ANY): "Gemini doesn't count tokens written to a cache",
    ("none", "usage_written", "cohere", ANY): "Cohere doesn't count tokens written to a cache",
    ("none", "usage_reasoning", "cohere", ANY): "Cohere doesn't count reasoning",
    ("none", "usage_reasoning", "bedrock", ANY): "Converse doesn't count reasoning",
}
"""(what became of it, feature, provider, caller's API) -> why; `ANY` stands for all that have no reason of their own."""


def reason(cell: Cell, result: Result, callers: Mapping[str, Mapping[str, str]]) -> str | None:
    """Find the reason of a result; `callers` are the features that each caller's API lacks, with reasons.

    None = there is none, which is a fault of the table, or of the router.
    """
    if result.kind == "none" and (lacking := callers[cell.caller].get(cell.feature)):
        return lacking
    for upstream in (cell.upstream, ANY):
        for caller in (cell.caller, ANY):
            if found := REASONS.get((result.kind, cell.feature, upstream, caller)):
                return found
    return None


def unused(cells: list[Cell]) -> list[tuple[Kind, str, str, str]]:
    """Say which reasons no cell has."""
    used: set[tuple[Kind, str, str, str]] = set()
    for cell in cells:
        for result in cell.results.values():
            keys = ((result.kind, cell.feature, up, by) for up in (cell.upstream, ANY) for by in (cell.caller, ANY))
            used |= {next((key for key in keys if key in REASONS), (result.kind, "", "", ""))}
    return [key for key in REASONS if key not in used]


def lacking(callers: list[type[Caller]]) -> Mapping[str, Mapping[str, str]]:
    """Collect what each caller's API lacks."""
    return {caller.name: caller.lacks for caller in callers}
