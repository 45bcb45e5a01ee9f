"""Rewrites a text the way a reader would see it, so that a disguise doesn't hide what it says; offsets map back.

The first view stands in for the original: it says the same, in plain characters. The others are read beside it, and
are themselves rewritten as often as `DEPTH` says. One more disguise is one more function in `DECODERS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from router.privacy.disguises.ciphers import backwards, braille, morse, other_alphabets, rot13
from router.privacy.disguises.escapes import character_codes, escapes, quoted_printable
from router.privacy.disguises.letters import hidden, normal, plain
from router.privacy.disguises.marks import grouped, markup, spaced_out
from router.privacy.disguises.packed import packed
from router.privacy.disguises.phonetic import spelled_letters
from router.privacy.disguises.spelled import misread, spoken_addresses, spoken_numbers
from router.privacy.layout import layouts
from router.privacy.view import Traits, View

__all__ = ("View", "views")

DEPTH = 3
"""How many layers of packed data are opened one in another; of all else two, as there is so much more of it."""
FURTHER = 1_500
"""Characters around a disguise in which the next one is looked for."""
GROWTH, SLACK = 12, 200_000
"""Characters that all views of a text may have, per character of the text and beyond: more can't be read."""

DECODERS: tuple[Callable[[View, Traits], Iterator[View]], ...] = (
    escapes, packed, morse, rot13, backwards, other_alphabets, quoted_printable, character_codes, markup, spaced_out, grouped, misread,
    spoken_numbers, spelled_letters, spoken_addresses, layouts,
)  # fmt: skip
"""Each takes one kind of disguise off; what it yields may equal the text it was given."""
QUICK = tuple(partial(packed, opens=False) if decode is packed else decode for decode in DECODERS)
"""Those that take no longer than the text is long."""


def views(text: str, *, opens: bool = True) -> Iterator[View]:
    """Yield the text in plain characters, then each other reading of it that differs; an empty one can't be read.

    Unless it `opens` what is compressed, which may take a while, that can't be read either.
    """
    first = normal(text)
    yield first
    decoders = DECODERS if opens else QUICK
    seen = {first.text}
    left = GROWTH * len(text) + SLACK
    ahead = deque([(first, DEPTH)])
    for view in (*hidden(text), *braille(text)):
        ahead.append((view, DEPTH))
        yield view
    while ahead:
        view, depth = ahead.popleft()
        traits = Traits.of(view.text)
        for reading in map(plain, chain.from_iterable(decode(view, traits) for decode in decoders)):
            if reading.text in seen:
                continue
            left -= len(reading.text)
            if left < 0:
                yield View("", whole=(0, len(text)))
                return
            if not reading.text:
                yield reading
                continue
            seen.add(reading.text)
            yield reading.excerpts()
            if depth > 1:
                ahead.append((reading.excerpts(FURTHER), depth - (1 if reading.whole else 2)))
