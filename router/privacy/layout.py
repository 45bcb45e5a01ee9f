"""Reads tables and forms the way their reader does: each cell beside the head of its column, each line of a form filled in.

A decoder of `router.privacy.views`: what a label says counts for the cell far below it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from router.privacy.view import Traits, View

_ROW = re.compile(r"^(?=[^\n]*\d)(?=[^\n]*(?:[|\t;,]|  ))[^\n]+$", re.MULTILINE)
"""A line that may be a row with a number in it."""
_CELLS = tuple(
    re.compile(expression)
    for expression in (
        r"([^|\n]*+)(?:\||$)", r"([^\t\n]*+)(?:\t|$)", r'("[^"\n]*+"|[^;\n]*+)(?:;|$)', r'("[^"\n]*+"|[^,\n]*+)(?:,|$)',
        r"(\S++(?:[ ]\S++)*+)(?:[ ]{2,}+|[ ]?$)",
    )
)  # fmt: skip
"""Ways to part a line into cells: bars, tabs, semicolons, commas, gaps."""
_SIGNS = ("|", "\t", ";", ",", "  ")
"""What parts the cells in each of these ways: a line without it is one cell."""
_HEAD = re.compile(r"[^\W\d_][^,;|\t\n]{0,39}")
_RULE = re.compile(r"[-=:| +\t]+")
_INSERT = re.compile(r"\(([^()]{3,600})\)\s{0,9}VALUES\s{0,9}(?=\()", re.IGNORECASE)
_TUPLE = re.compile(r"\s{0,9},?\s{0,9}\(((?:'[^'\n]{0,300}'|[^()'\n]){1,2000})\)")
_VALUE = re.compile(r"\s*+('[^'\n]*+'|[^,\n]*+)(?:,|$)")
_WIDEST, _ABOVE = 60, 8
"""Columns of the widest table that is read, and lines between its head and the first row with a number."""
_LINE = re.compile(r"(?<!_)_{3,}+(?=[\"'(+]?[^\W_])|(?<=[^\W_])_{3,}+")
"""The line that a form is filled in on."""


class _Cell(NamedTuple):
    start: int
    end: int
    text: str


_Head: TypeAlias = tuple[re.Pattern[str], list[_Cell]]
"""How a line is parted, and the names of columns in it."""


def layouts(view: View, traits: Traits) -> Iterator[View]:
    """Yield another reading of forms and of tables, if there are any; nobody writes a table backwards."""
    form = view.rewrite(_LINE, lambda line: [" "] * len(line)) if "___" in view.text else view
    if form is not view:
        yield form
    table = _labelled(view) if traits.digits and view.mirrored is None else None
    if table is not None:
        yield table


def _labelled(view: View) -> View | None:
    """Write each number in a table as `head: number`; the head stands where the number does."""
    pieces: list[str] = []
    offsets: list[int] = []
    for head, cell in sorted((*_tables(view.text), *_inserts(view.text)), key=lambda pair: pair[1].start):
        label = f"\n{head}: "
        pieces += (label, cell.text, "\n")
        places = [view.original(at, at + 1)[0] for at in range(cell.start, cell.end)]
        offsets += (*places[:1] * len(label), *places, view.original(cell.start, cell.end)[1])
    return View("".join(pieces), [*offsets, offsets[-1]], whole=view.whole) if pieces else None


def _cells(expression: re.Pattern[str], text: str, start: int, end: int) -> list[_Cell]:
    """Part a piece of the text into cells, without the blanks and quotes around them."""
    return [
        _cell(match.group(1), match.start(1))
        for match in islice(expression.finditer(text, start, end), _WIDEST)
        if match.group()
    ]


def _cell(raw: str, start: int) -> _Cell:
    text = raw.lstrip(" \"'`*")
    start += len(raw) - len(text)
    text = text.rstrip(" \"'`*\r")
    return _Cell(start, start + len(text), text)


def _tables(text: str) -> Iterator[tuple[str, _Cell]]:
    """Yield each cell that holds a number, with the head of its column."""
    expression, head, last = _CELLS[0], list[_Cell](), -1
    heads: dict[int, list[_Head]] = {}
    for match in _ROW.finditer(text):
        start, end = match.span()
        if start != last:
            expression, head = _head(text, start, end, heads)
        row = _cells(expression, text, start, end) if head else []
        last = end + 1 if head and len(row) == len(head) else -1
        for name, cell in zip(head, row, strict=False) if last > 0 else ():
            if name.text and sum(map(str.isdigit, cell.text)) >= 2:
                yield name.text, cell


def _head(text: str, start: int, end: int, heads: dict[int, list[_Head]]) -> _Head:
    """Look above a row for the line that names its columns, and say how both are parted."""
    stop = start - 1
    for _ in range(_ABOVE):
        above = text.rfind("\n", 0, max(stop, 0)) + 1
        if not above < stop <= above + 2_000:
            break
        if above not in heads:
            heads[above] = list(_heads(text, above, stop))
        for expression, cells in heads[above]:
            if len(cells) == len(_cells(expression, text, start, end)):
                return expression, cells
        stop = above - 1
    return _CELLS[0], []


def _heads(text: str, start: int, end: int) -> Iterator[_Head]:
    """Yield each way to read a line as the names of columns."""
    if _RULE.fullmatch(text, start, end):
        return
    for expression, sign in zip(_CELLS, _SIGNS, strict=True):
        if text.find(sign, start, end) >= 0:
            cells = _cells(expression, text, start, end)
            named = [cell.text for cell in cells if cell.text]
            if len(named) > 1 and all(map(_HEAD.fullmatch, named)):
                yield expression, cells


def _inserts(text: str) -> Iterator[tuple[str, _Cell]]:
    """Yield each value of an SQL INSERT, with the name of its column."""
    for match in _INSERT.finditer(text):
        names = _cells(_VALUE, text, *match.span(1))
        place = match.end()
        while row := _TUPLE.match(text, place):
            place = row.end()
            for name, cell in zip(names, _cells(_VALUE, text, *row.span(1)), strict=False):
                if sum(map(str.isdigit, cell.text)) >= 2:
                    yield name.text, cell
