"""Writes docs/matrix.md from what became of every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conformance.callers import Caller
from tests.conformance.features import FEATURES
from tests.conformance.matrix import CALLERS, Cell, Result
from tests.conformance.reasons import lacking, reason
from tests.conformance.upstreams import UPSTREAMS

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
_SHOWN = {"none": "–"}
_HEAD = """# What works between which API and which provider

Written by `python -m tests.conformance --write` from real calls: for every cell the vendor's own Python client asks one
router over HTTP, and a stand-in for the provider answers as its API does. A test fails when this page and the calls differ.

| word | means |
|---|---|
| native | the provider speaks the caller's API: the request arrives unchanged but for the model's name, a whole answer is passed on byte for byte |
| yes | translated: it arrived at the provider, and what came of it came back |
| dropped | the request is answered without it, and `x-router-dropped` names it |
| refused | 400 `unsupported_feature`, `param` names it; nothing is sent |
| – | the provider has no such thing; below the tables: the caller's API has none |

Every feature is asked for whole and as a stream; where the two differ, both stand there. Nothing is lost without a word:
any other result fails the test. The same is tried of every further parameter that the clients have, one by one; those
aren't in the tables. What a provider has beside these, its own features and its models' faults, isn't tried here.

The router scans every request, except for the rows marked \\*: pictures and signed reasoning can't be read, so by default a
request with them stays on the local engine. Those rows are of a router with `privacy.scan.enabled: false`; see
[privacy](privacy.md).

Embeddings aren't in the tables: they are never translated. Nor is the local engine, whose own tests run it.

Calls of each API and what became of them:
"""


def page(cells: Sequence[Cell]) -> str:
    """Write the page."""
    notes: dict[str, int] = {}
    at = {(cell.caller, cell.upstream, cell.feature): cell for cell in cells}
    lacks = lacking(CALLERS)
    parts = [_HEAD, _summary(cells)]
    for caller in CALLERS:
        parts.append(_table(caller, at, lacks, notes))
    listed = [f"{number}. {text[0].upper()}{text[1:]}." for text, number in notes.items()]
    parts.append("## Reasons\n\n" + "\n".join(listed) + "\n")
    return "\n".join(parts)


def _summary(cells: Sequence[Cell]) -> str:
    counts = {caller.name: Counter[str]() for caller in CALLERS}
    for cell in cells:
        counts[cell.caller].update(result.kind for result in cell.results.values())
    kinds = ("native", "yes", "dropped", "refused", "none")
    lines = ["| calls from | native | yes | dropped | refused | – |", "|---|---|---|---|---|---|"]
    for caller in CALLERS:
        lines.append(f"| {caller.title} | {' | '.join(str(counts[caller.name][kind]) for kind in kinds)} |")
    return "\n".join(lines) + "\n"


def _table(
    caller: type[Caller],
    at: Mapping[tuple[str, str, str], Cell],
    lacks: Mapping[str, Mapping[str, str]],
    notes: dict[str, int],
) -> str:
    lines = [f"## Callers of {caller.title.lower()}", ""]
    lines.append("| | " + " | ".join(one.title for one in UPSTREAMS.values()) + " |")
    lines.append("|---|" + "---|" * len(UPSTREAMS))
    for feature in FEATURES:
        if feature.key in caller.lacks:
            continue
        shown = [_shown(at[caller.name, upstream, feature.key], lacks, notes) for upstream in UPSTREAMS]
        title = f"{feature.title} \\*" if feature.opaque else feature.title
        lines.append(f"| {title} | {' | '.join(shown)} |")
    titles: dict[str, list[str]] = {}
    for feature in FEATURES:
        if why := caller.lacks.get(feature.key):
            titles.setdefault(why, []).append(feature.title)
    if titles:
        lines += ["", "Not in the table, for this API has no such thing:", ""]
    lines += [f"- {', '.join(those)}: {why}" for why, those in titles.items()]
    return "\n".join(lines) + "\n"


def _shown(cell: Cell, lacks: Mapping[str, Mapping[str, str]], notes: dict[str, int]) -> str:
    def one(result: Result) -> str:
        word = _SHOWN.get(result.kind, result.kind)
        if result.kind in ("native", "yes"):
            return word
        why = reason(cell, result, lacks)
        number = "?" if why is None else notes.setdefault(why, len(notes) + 1)
        return f"{word} <sup>{number}</sup>"

    return " / ".join(dict.fromkeys(one(result) for result in cell.results.values()))
