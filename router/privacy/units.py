"""Cuts a request body into units that are scanned and remembered each by itself, and puts their findings together.

A unit is a message, a tool, any other field, or a seam: the edges of neighbouring messages, over which a number may be
split or a word may explain a number. A unit's findings depend on its own texts alone, so it doesn't matter which of them
were found in this scan and which are remembered.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from router.config.schema import Combination
from router.core.types import Finding, JsonObject, JsonValue, Sensitivity
from router.privacy.cache import Cache, Hit, Key, Summary
from router.privacy.combinations import combined
from router.privacy.leaves import JOINT, KEYS, MAX_NODES, Leaf, Path, Reading, Walk, is_said, resolve
from router.privacy.protocol import Found, Unit, WireMatch
from router.privacy.severity import Rule, Span, is_full_name, is_telling_word, judge

Pause: TypeAlias = Callable[[], Awaitable[None]]
"""Called between two small pieces of work; gives way to other tasks where that is due."""
Ahead: TypeAlias = Callable[[int, Unit], Awaitable[None]]
"""Called with a unit, and its place among the unknown ones, whose scan may begin at once."""

BLOCK, BLOCKS, TURN = 8, 64, 4
"""Where the beginnings of a list end that are looked for, to find how much is known from an earlier turn: after each 64
items, each 8 of the last 64, and each of the last 4."""
NEAR = 160
"""Characters at each edge of a message in which a neighbour's words count: as far as context reaches, and a number more."""
LOOKBACK = 64
"""How many messages back the last words of an author are looked for."""
MAX_ITEMS = 10_000
"""More messages than this count as unreadable."""
STEP = 500
"""Values that are read between two pauses."""
FAR = 25_000
"""Characters back from a new hit in which an earlier one may begin and still be near it; longer than any."""
GAP = 3
"""Characters that count between two texts, and between a key and its text."""
TALK = ("messages", "input", "system")
"""Lists of messages, or of a system prompt's blocks, which have neighbours."""
ABOUT = ((), ("user",), ("metadata",))
"""Fields that may name whom all messages are about; the first is that of all short ones."""


class Unread(Exception):
    """The body is more than may be scanned; `reason` says of what."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Place(NamedTuple):
    """Where a piece of a seam comes from."""

    item: int
    leaf: int
    offset: int = 0
    length: int = 0
    """Of the piece."""
    cut_left: bool = False
    cut_right: bool = False


class _Pending(NamedTuple):
    """A unit of this scan: known, or to be found; `slot` is its place in the job."""

    key: Key | None
    summary: Summary | None
    slot: int = -1


class _Field:
    """One field of the body: a list of items, or one value."""

    def __init__(self, path: Path, items: Sequence[JsonValue], *, is_list: bool, key: str = "") -> None:
        self.path = path
        self.items = items
        self.key = key
        self.is_list = is_list
        self.is_talk = is_list and path[0] in TALK
        self.kind = "/".join(map(str, path))
        self.start = 0
        """How many items are known together, and what of them."""
        self.known = Summary()
        self.keys: dict[int, Key] = {}
        """Those of the list's beginnings, by how many items they have; ascending."""
        self.units: list[_Pending] = []
        self.seams: dict[int, tuple[_Pending, list[_Place]]] = {}
        self.readings: dict[int, Reading] = {}

    def item_path(self, index: int) -> Path:
        """Give the path of an item."""
        return (*self.path, index) if self.is_list else self.path


class Plan:
    """One scan's units: read the body, have `unknown` scanned, then give what was found to `finish`."""

    def __init__(
        self,
        cache: Cache,
        rules: dict[str, Rule],
        combinations: Sequence[Combination],
        max_chars: int,
        pause: Pause,
        ahead: Ahead | None = None,
    ) -> None:
        self.unknown: list[Unit] = []
        self.total = Summary()
        self._cache = cache
        self._rules = rules
        self._combinations = combinations
        self._max_chars = max_chars
        self._pause = pause
        self._ahead = ahead
        self._slots: dict[Key, int] = {}
        self._fields: list[_Field] = []
        self._nodes = self._chars = 0
        self._body: JsonObject = {}

    async def read(self, body: JsonObject) -> None:
        """Find out which units the body has and which of them aren't known.

        Raises:
            Unread: it has more characters, values or messages than may be scanned.
        """
        self._body = body
        rest: JsonObject = {}
        for name, value in body.items():
            await self._pause()
            if name in TALK and isinstance(value, list) and len(value) > MAX_ITEMS:
                raise Unread("unreadable:nesting")
            objects = _objects(name, value)
            if objects:
                await self._list(_Field((name,), objects, is_list=True))
            elif isinstance(value, list | dict) or (isinstance(value, str) and len(value) > NEAR):
                await self._list(_Field((name,), [value], is_list=False, key="" if name in KEYS else name))
            else:
                rest[name] = value
        await self._list(_Field((), [rest], is_list=False))

    async def finish(self, found: Sequence[Found]) -> tuple[Sensitivity, tuple[Finding, ...]]:
        """Remember what was found and judge all of it; `total` then sums up what was read."""
        findings: list[Finding] = []
        worst = Sensitivity.PUBLIC
        is_named = is_telling = False
        is_exact = True
        for field in self._fields:
            total = await self._sum(field, found)
            is_named |= field.path in ABOUT and any(is_full_name(hit.span) for hit in total.hits)
            entities = {hit.span.entity for hit in total.hits}
            hidden = {entity for entity in entities if self._rules[entity].sensitivity is Sensitivity.PUBLIC}
            for first in range(0, len(total.hits), STEP):
                await self._pause()
                for hit in total.hits[first : first + STEP]:
                    if hit.span.entity in hidden:
                        is_telling |= field.is_talk and is_telling_word(hit.span)
                    elif hit.is_named:
                        findings.append(hit.finding)
                    else:
                        findings.append(self._named(field, hit.finding))
                        is_exact = False
            worst = max(worst, total.sensitivity)
            self.total = _joined(self.total, total)
        if is_named and is_telling:
            worst = Sensitivity.RESTRICTED
        if not is_exact:  # an index that goes may have been all that two of them differed in
            findings = list(dict.fromkeys(findings))
        return worst, tuple(findings)

    def _named(self, field: _Field, finding: Finding) -> Finding:
        """Write out the real path; a key over a list was read in front of each item, so the indexes behind it go."""
        path = resolve(self._body if field.path else field.items[0], finding.path)
        while finding.in_key and path and not isinstance(path[-1], str):
            path = path[:-1]
        return replace(finding, path=path)

    async def _list(self, field: _Field) -> None:
        self._fields.append(field)
        if field.is_talk and len(field.items) >= BLOCK and self._ahead is not None:
            await self._send_newest(field, self._ahead)
        await self._find_known(field)
        self._count(field.known.chars, field.known.nodes)
        for index in range(field.start, len(field.items)):
            await self._pause()
            key = self._cache.key(f"unit {field.kind}", field.key, field.items[index])
            known = self._cache.get(key)
            if known is not None:
                self._count(known.chars, known.nodes)
                field.units.append(_Pending(key, known))
            else:
                await self._pause()
                reading = await self._reading(field, index)
                await self._pause()
                self._count(reading.chars, reading.nodes)
                field.units.append(self._unit(key, reading))
            if field.is_talk and index:
                await self._seam(field, index)

    async def _send_newest(self, field: _Field, ahead: Ahead) -> None:
        """Have the newest message read while the long list before it is looked up: it is a new one in every turn."""
        index = len(field.items) - 1
        key = self._cache.key(f"unit {field.kind}", field.key, field.items[index])
        if key is None or self._cache.get(key) is not None:
            return
        reading = await self._reading(field, index)
        if reading.leaves and self._chars + reading.chars <= self._max_chars:
            slot = self._unit(key, reading).slot
            await ahead(slot, self.unknown[slot])

    def _count(self, chars: int, nodes: int) -> None:
        self._nodes += nodes
        self._chars += chars
        if self._chars > self._max_chars:
            raise Unread("oversize")
        if self._nodes > MAX_NODES:
            raise Unread("unreadable:nesting")

    async def _find_known(self, field: _Field) -> None:
        """Look for the longest beginning of a list that was read before; a short one's units are few anyway."""
        if len(field.items) < BLOCK:
            return
        hashed, done = self._cache.beginning(f"list {field.kind}"), 0
        for length in _lengths(len(field.items)):
            while done < length:
                await self._pause()
                items = field.items[done : min(done + BLOCK, length)]
                if not hashed.add(items):
                    break
                done += len(items)
            if done < length:
                break
            field.keys[length] = hashed.key
        for length in reversed(field.keys):
            known = self._cache.get(field.keys[length])
            if known is not None:
                field.start, field.known = length, known
                break

    def _pending(self, key: Key | None, unit: Unit) -> _Pending:
        """Give an unknown unit a place in the job; equal ones share it."""
        slot = self._slots.setdefault(key, len(self.unknown)) if key is not None else len(self.unknown)
        if slot == len(self.unknown):
            self.unknown.append(unit)
        return _Pending(key, None, slot)

    def _unit(self, key: Key | None, reading: Reading) -> _Pending:
        """Make a unit of what was read; one without a text needs no scan."""
        if not reading.leaves:
            return _Pending(key, Summary(unreadable=reading.unreadable, nodes=reading.nodes))
        return self._pending(key, Unit([(leaf.key, leaf.text) for leaf in reading.leaves], reading.joints))

    async def _reading(self, field: _Field, index: int) -> Reading:
        if index not in field.readings:
            walk = Walk(field.items[index], field.item_path(index), field.key)
            while not walk.step(STEP):
                await self._pause()
                if walk.chars > self._max_chars:
                    raise Unread("oversize")
            field.readings[index] = walk.reading
        return field.readings[index]

    # Seams

    async def _seam(self, field: _Field, index: int) -> None:
        """Read the beginning of a message with the end of those before it, and joined to what its author said last.

        Joined to what another one said last it is read only where both have digits: nobody else ends another's word.
        """
        here = (await self._reading(field, index)).leaves
        pieces: list[tuple[str, _Place]] = []
        before = await self._tail(field, index, NEAR, _has_text, range(index - 1, max(index - 9, -1), -1))
        after = _head(here, index, NEAR, _has_text)
        if before and after:
            pieces += before + after
        joints: list[tuple[int, ...]] = []
        after = _head(here, index, JOINT, is_said)
        role = _role(field.items[index])
        back = range(index - 1, max(index - LOOKBACK - 1, -1), -1)
        last = await self._tail(field, index, JOINT, is_said, back[:8]) if after else []
        same = await self._tail(
            field, index, JOINT, is_said, (i for i in back if after and _role(field.items[i]) == role)
        )
        for before in (same, last if last != same and _has_digit(last) and _has_digit(after) else []):
            if before:
                joints.append(tuple(range(len(pieces), len(pieces) + len(before) + len(after))))
                pieces += [(text, place._replace(cut_left=False, cut_right=False)) for text, place in before + after]
        if not pieces:
            return
        texts = [("", text) for text, _ in pieces]
        key = self._cache.key("seam", [text for _, text in texts], joints)
        known = self._cache.get(key)
        pending = _Pending(key, known) if known is not None else self._pending(key, Unit(texts, joints, is_seam=True))
        field.seams[index] = pending, [place for _, place in pieces]

    async def _tail(
        self, field: _Field, index: int, budget: int, wanted: Callable[[Leaf], bool], items: Iterable[int]
    ) -> list[tuple[str, _Place]]:
        """Take the last characters of what was said before, in order."""
        pieces: list[tuple[str, _Place]] = []
        for item in items:
            leaves = (await self._reading(field, item)).leaves
            for number in range(len(leaves) - 1, -1, -1):
                leaf = leaves[number]
                if wanted(leaf):
                    offset = max(len(leaf.text) - budget, 0)
                    text = leaf.text[offset:]
                    pieces.append((text, _Place(item, number, offset, len(text), cut_left=offset > 0)))
                    budget -= len(text)
                if budget <= 0:
                    return pieces[::-1]
        return pieces[::-1]

    # Findings

    async def _sum(self, field: _Field, found: Sequence[Found]) -> Summary:
        """Put a field's units together; remember them, and what the beginnings of its list add up to."""
        ends = {max(end for end in (0, *field.keys) if end % size == 0) for size in (1, BLOCK, BLOCKS) if field.keys}
        total = field.known
        hits: list[Hit] = []
        starts: dict[int, int] = {}
        for index, unit in enumerate(field.units, field.start):
            await self._pause()
            starts[index] = total.length
            path = field.item_path(index)
            summary = unit.summary
            if summary is None:
                summary = _summary(field.readings[index], len(path), found[unit.slot])
                self._cache.put(unit.key, summary)
            hits += (_moved(hit, index, total.length, path) for hit in summary.hits)
            total = _joined(total, summary)
            if index in field.seams:
                seam, places = field.seams[index]
                summary = seam.summary or _seam_summary(found[seam.slot])
                self._cache.put(seam.key, summary)
                total = _joined(total, summary)
                for hit in summary.hits:
                    await self._place(field, hit, places[hit.leaf], starts, hits)
            if index + 1 in ends:
                total, hits = self._with_hits(total, hits), []
                self._cache.put(field.keys[index + 1], total)
        return self._with_hits(total, hits)

    def _with_hits(self, total: Summary, hits: list[Hit]) -> Summary:
        """Add hits behind or among those of a summary, once each, and judge them by what lies around them."""
        if not hits:
            return total
        first = bisect_left(total.hits, min(hit.span.start for hit in hits) - FAR, key=_start)
        near: dict[tuple[int, int, str, str], Hit] = {}
        for hit in sorted((*total.hits[first:], *hits), key=_order):
            near.setdefault(_order(hit)[:4], hit)
        spans = [hit.span for hit in near.values()]
        worst = max(judge(spans, self._rules), combined(spans, self._combinations))
        return replace(total, hits=(*total.hits[:first], *near.values()), sensitivity=max(worst, total.sensitivity))

    async def _place(self, field: _Field, hit: Hit, place: _Place, starts: dict[int, int], hits: list[Hit]) -> None:
        """Add a seam's hit at its place in the message; not one that is cut off, since the message has it whole."""
        start, end = hit.finding.start, hit.finding.end
        if (place.cut_left and start == 0) or (place.cut_right and end == place.length):
            return
        reading = await self._reading(field, place.item)
        leaf = reading.leaves[place.leaf]
        at = await self._start(field, place.item, starts) + _layout(reading)[0][place.leaf][1] + place.offset
        finding = replace(hit.finding, path=leaf.safe_path, start=start + place.offset, end=end + place.offset)
        span = hit.span._replace(start=at + start, end=at + end)
        hits.append(Hit(place.item, place.leaf, span, finding, leaf.safe_path is leaf.path))

    async def _start(self, field: _Field, item: int, starts: dict[int, int]) -> int:
        """Say where a message begins in the document; those that are known together are measured from behind."""
        if item not in starts:
            length = _layout(await self._reading(field, item))[1]
            behind = field.known.length if item + 1 == field.start else await self._start(field, item + 1, starts)
            starts[item] = behind - length
        return starts[item]


def _lengths(items: int) -> list[int]:
    """Say which beginnings of a list are looked for, by their length."""
    last = items // BLOCK * BLOCK
    return sorted({
        *range(BLOCKS, items, BLOCKS), *range(max(last - BLOCKS, BLOCK), last + 1, BLOCK), *range(items - TURN + 1, items + 1)
    })  # fmt: skip


def _objects(name: str, value: JsonValue) -> list[JsonValue]:
    """Return the items of a list that has only objects, each of which can be a unit; else none."""
    if name not in KEYS or name == "content" or not isinstance(value, list) or len(value) > MAX_ITEMS:
        return []
    return value if {*map(type, value)} == {dict} else []


def _role(item: JsonValue) -> JsonValue:
    return item.get("role") if isinstance(item, dict) else None


def _has_digit(pieces: Iterable[tuple[str, _Place]]) -> bool:
    return any(any(map(str.isdigit, text)) for text, _ in pieces)


def _has_text(leaf: Leaf) -> bool:
    return bool(leaf.text)


def _head(leaves: Sequence[Leaf], item: int, budget: int, wanted: Callable[[Leaf], bool]) -> list[tuple[str, _Place]]:
    """Take the first characters of a message."""
    pieces: list[tuple[str, _Place]] = []
    for number, leaf in enumerate(leaves):
        if budget <= 0:
            break
        if wanted(leaf):
            text = leaf.text[:budget]
            pieces.append((text, _Place(item, number, 0, len(text), cut_right=len(leaf.text) > budget)))
            budget -= len(text)
    return pieces


def _layout(reading: Reading) -> tuple[list[tuple[int, int]], int]:
    """Say where each key and text begins in the document of its unit, and how long that is."""
    places: list[tuple[int, int]] = []
    at = 0
    for leaf in reading.leaves:
        text_at = at + len(leaf.key) + GAP if leaf.key else at
        places.append((at, text_at))
        at = text_at + len(leaf.text) + GAP
    return places, at


def _order(hit: Hit) -> tuple[int, int, str, str, float]:
    """Put hits in the order of the document; of equal ones, which a seam may have found again, the surest is first."""
    span = hit.span
    return span.start, span.end, span.entity, span.recognizer, -span.score


def _start(hit: Hit) -> int:
    return hit.span.start


def _moved(hit: Hit, item: int, at: int, path: Path) -> Hit:
    """Move a unit's hit to its place in the list and in the body."""
    span = hit.span._replace(start=hit.span.start + at, end=hit.span.end + at)
    finding = replace(hit.finding, path=(*path, *hit.finding.path))
    return Hit(item, hit.leaf, span, finding, hit.is_named)


def _hit(match: WireMatch, at: int, path: Path = (), *, is_named: bool = False) -> Hit:
    leaf, in_key, start, end, entity, score, recognizer = match
    finding = Finding(
        entity=entity, path=path, start=start, end=end, score=round(score, 3), recognizer=recognizer, in_key=in_key
    )
    return Hit(0, leaf, Span(entity, at + start, at + end, score, recognizer), finding, is_named)


def _summary(reading: Reading, depth: int, found: Found) -> Summary:
    """Sum up a unit that was scanned; paths begin at the item, `depth` levels down."""
    layout, length = _layout(reading)
    hits: list[Hit] = []
    for match in found.matches:
        leaf = reading.leaves[match[0]]
        at = layout[match[0]][0 if match[1] else 1]
        hits.append(_hit(match, at, leaf.safe_path[depth:], is_named=leaf.safe_path is leaf.path and not match[1]))
    unreadable = (*reading.unreadable, *((found.unreadable,) if found.unreadable else ()))
    return Summary(
        hits=tuple(hits),
        unreadable=unreadable,
        length=length,
        leaves=len(reading.leaves),
        chars=reading.chars,
        bytes=reading.bytes,
        nodes=reading.nodes,
    )


def _seam_summary(found: Found) -> Summary:
    """Sum up a seam: its hits stand in its pieces."""
    unreadable = (found.unreadable,) if found.unreadable else ()
    return Summary(hits=tuple(_hit(match, 0) for match in found.matches), unreadable=unreadable)


def _joined(total: Summary, more: Summary) -> Summary:
    """Add up all but the hits."""
    return Summary(
        hits=total.hits,
        sensitivity=total.sensitivity,
        unreadable=(*total.unreadable, *(kind for kind in more.unreadable if kind not in total.unreadable)),
        length=total.length + more.length,
        leaves=total.leaves + more.leaves,
        chars=total.chars + more.chars,
        bytes=total.bytes + more.bytes,
        nodes=total.nodes + more.nodes,
    )
