"""The coloured view: spans by how sensitive they are, the verdict, and what it all adds up to; or the same as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from router.core.types import Finding, ScanStatus, Sensitivity
from router.tuning.documents import TEXT_PATH, Document, text_at
from router.tuning.examine import Examined

STYLES = {
    Sensitivity.RESTRICTED: "bold white on red",
    Sensitivity.CONFIDENTIAL: "black on yellow",
    Sensitivity.INTERNAL: "black on cyan",
    Sensitivity.PUBLIC: "black on white",
}
ACTIONS = {
    "leaves": ("may leave", "bold green"),
    "mask": ("may leave with placeholders", "bold cyan"),
    "local": ("stays local", "bold yellow"),
    "block": ("is refused", "bold red"),
}
WHOLE_CHARS, AROUND_CHARS, SHOWN_CHARS = 2_000, 100, 40
"""Up to this a text is shown whole; else this much around each finding; and this much of a match in the table."""


class View:
    """Prints what was examined. `levels` says how sensitive each entity type is."""

    def __init__(self, console: Console, levels: Mapping[str, Sensitivity]) -> None:
        self._console = console
        self._levels = levels
        self._marks = ("", "") if console.color_system is not None else ("[[", "]]")

    def document(self, examined: Examined) -> None:
        """Print one: its texts with what was found, the findings, the verdict."""
        document, report = examined.document, examined.report
        self._console.print(Rule(Text(document.name, style="bold"), align="left", style="dim"))
        if isinstance(document, Document):
            by_leaf: dict[tuple[tuple[str | int, ...], bool], list[Finding]] = {}
            for finding in report.findings:
                by_leaf.setdefault((finding.path, finding.in_key), []).append(finding)
            if not by_leaf and document.is_text:
                by_leaf[(TEXT_PATH, False)] = []
            for (path, in_key), findings in by_leaf.items():
                if not document.is_text:
                    self._console.print(Text(f"{dotted(path)}{' (the key)' if in_key else ''}:", style="dim"))
                self._console.print(self._highlighted(text_at(document.body, path, in_key), findings))
            if report.findings:
                self._console.print(self._findings(document, report.findings))
        self._console.print(self._verdict(examined))
        self._console.print()

    def _highlighted(self, text: str, findings: Sequence[Finding]) -> Text:
        """Colour the spans and name them; of a long text only what is around them."""
        out = Text()
        done = 0
        for start, end in _windows(text, findings):
            if start > done:
                out.append(" … ", "dim")
            place = start
            for span in (span for span in _merged(findings) if start <= span[0].start < end):
                first, last = span[0].start, max(finding.end for finding in span)
                out.append(_shown(text[place:first]))
                level = max(self._level(finding) for finding in span)
                out.append(f"{self._marks[0]}{_shown(text[first:last])}{self._marks[1]}", STYLES[level])
                names = ", ".join(f"{finding.entity} {finding.score:g}" for finding in span)
                out.append(f"‹{names}›", "italic dim")
                place = last
            out.append(_shown(text[place:end]))
            done = end
        if done < len(text):
            out.append(" …", "dim")
        return out

    def _findings(self, document: Document, findings: Sequence[Finding]) -> Table:
        table = _table("type", "sensitivity", "score", "recognizer", "where", "text")
        for finding in findings:
            text = text_at(document.body, finding.path, finding.in_key)
            level = self._level(finding)
            before = text[: finding.start]
            place = f"{before.count(chr(10)) + 1}:{finding.start - before.rfind(chr(10))}"
            where = place if document.is_text else f"{dotted(finding.path)} {place}"
            match = _shown(text[finding.start : finding.end]).replace("\n", "·")
            match = match if len(match) <= SHOWN_CHARS else f"{match[: SHOWN_CHARS - 1]}…"
            style = Text(f" {level.name.lower()} ", style=STYLES[level])
            table.add_row(finding.entity, style, f"{finding.score:g}", finding.recognizer, where, match)
        return table

    def _level(self, finding: Finding) -> Sensitivity:
        return self._levels.get(finding.entity, Sensitivity.RESTRICTED)

    def _verdict(self, examined: Examined) -> Text:
        says, style = ACTIONS[examined.action]
        out = Text("► ").append(says, style)
        report = examined.report
        out.append(f"  sensitivity {report.sensitivity.name.lower()}")
        if examined.rule:
            out.append(f", by rule '{examined.rule}'")
        if examined.reason and not examined.reason.startswith("sensitivity"):
            out.append(f": {examined.reason}")
        elif not report.findings and report.status is ScanStatus.COMPLETE:
            out.append(f": nothing was found in {report.scanned_chars:,} characters")
        return out.append(f"  ({report.elapsed_ms:.1f} ms)", "dim")

    def summary(self, all_of_it: Sequence[Examined], hidden: int = 0) -> None:
        """Print counts: by what becomes of the documents and why, and by entity type."""
        if hidden:
            self._console.print(Text(f"{hidden:,} more aren't shown; --limit shows more.", style="dim"))
        if len(all_of_it) > 1:
            table = _table("documents", "share", "what becomes of them", "found in them")
            for action, (says, style) in ACTIONS.items():
                these = [one for one in all_of_it if one.action == action]
                if these:
                    share = f"{len(these) / len(all_of_it):.1%}"
                    table.add_row(f"{len(these):,}", share, Text(says, style=style), ", ".join(_causes(these)))
            self._console.print(table)
        findings = [finding for one in all_of_it for finding in one.report.findings]
        if not findings:
            self._console.print(Text("Nothing was found.", style="green"))
            return
        table = _table("type", "sensitivity", "findings", "documents", "recognizers")
        held = Counter(entity for one in all_of_it for entity in one.report.entities)
        counts = Counter(finding.entity for finding in findings)
        for entity, number in sorted(counts.items(), key=lambda item: (-self._levels.get(item[0], 3), -item[1])):
            level = self._levels.get(entity, Sensitivity.RESTRICTED)
            by = sorted({finding.recognizer for finding in findings if finding.entity == entity})
            name = Text(f" {level.name.lower()} ", style=STYLES[level])
            table.add_row(entity, name, f"{number:,}", f"{held[entity]:,}", ", ".join(by))
        self._console.print(table)


def console(*, color: bool | None) -> Console:
    """Make the console: in colour on a terminal unless NO_COLOR is set; `color` says otherwise."""
    made = Console(markup=False, highlight=False, emoji=False)
    if color is None:
        color = made.is_terminal and not made.no_color
    if color:
        return Console(markup=False, highlight=False, emoji=False, force_terminal=True, no_color=False)
    width = made.width if made.is_terminal else max(made.width, 120)
    return Console(markup=False, highlight=False, emoji=False, color_system=None, width=width)


def as_json(all_of_it: Sequence[Examined]) -> bytes:
    """Encode it all; positions, never the matched text."""
    documents = [
        {
            "name": one.document.name,
            "action": one.action,
            "rule": one.rule,
            "reason": one.reason,
            "status": one.report.status.value,
            "sensitivity": one.report.sensitivity.name.lower(),
            "entities": one.report.entities,
            "findings": one.report.findings,
            "scanned_chars": one.report.scanned_chars,
            "elapsed_ms": round(one.report.elapsed_ms, 3),
        }
        for one in all_of_it
    ]
    counts = {action: sum(one.action == action for one in all_of_it) for action in ACTIONS}
    entities = Counter(finding.entity for one in all_of_it for finding in one.report.findings)
    summary = {"documents": len(all_of_it), "actions": counts, "entities": dict(entities.most_common())}
    return msgspec.json.format(msgspec.json.encode({"summary": summary, "documents": documents}), indent=2)


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as people do: `messages[0].content`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _causes(these: Sequence[Examined]) -> Iterator[str]:
    """Yield the entity types in some documents, most frequent first, and why others weren't read."""
    held = Counter(entity for one in these for entity in one.report.entities)
    held.update(f"{one.report.status.value} scan: {one.report.reason}" for one in these if one.report.reason)
    yield from (f"{name} {number:,}" for name, number in held.most_common(8))
    if len(held) > 8:
        yield f"{len(held) - 8} more"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        right = name in ("score", "findings", "documents", "share")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table


def _merged(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Group findings that overlap, in order."""
    groups: list[list[Finding]] = []
    end = -1
    for finding in sorted(findings, key=lambda one: (one.start, -one.end)):
        if finding.start < end:
            groups[-1].append(finding)
        else:
            groups.append([finding])
        end = max(end, finding.end)
    return groups


def _windows(text: str, findings: Sequence[Finding]) -> list[tuple[int, int]]:
    """Say which parts of a text are shown."""
    if len(text) <= WHOLE_CHARS:
        return [(0, len(text))]
    if not findings:
        return [(0, AROUND_CHARS)]
    parts: list[tuple[int, int]] = []
    for span in _merged(findings):
        start = max(span[0].start - AROUND_CHARS, 0)
        end = min(max(finding.end for finding in span) + AROUND_CHARS, len(text))
        if parts and start <= parts[-1][1]:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return parts


def _shown(text: str) -> str:
    """Make every character visible and harmless to a terminal; their number stays."""
    return "".join(one if one.isprintable() or one in "\n\t" else "·" for one in text)
