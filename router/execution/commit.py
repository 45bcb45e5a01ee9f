"""The pre-commit gate: the first pieces of a stream are held back until it has proved itself, for until then another target
may step in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import NamedTuple

from router.config.schema import CommitConfig
from router.core.types import Delta

Piece = asyncio.Task[Delta | None]


class Held(NamedTuple):
    """What was held back and may go now."""

    deltas: tuple[Delta, ...]
    pending: Piece | None = None
    """What was being waited for when the time was over: the next piece, or None where there is no more."""


def has_proved(deltas: Sequence[Delta], events: int) -> bool:
    """Whether a stream's first pieces are enough: so many hold something of the answer, or it is finished."""
    return deltas[-1].finish_reason is not None or sum(delta.content for delta in deltas) >= events


async def hold(first: Delta, pull: Callable[[], Coroutine[None, None, Delta | None]], config: CommitConfig) -> Held:
    """Hold pieces back, beginning with the first, until they have proved themselves or have been held for long enough.

    Raises:
        RouterError: as `pull`; nothing was let through.
    """
    held = [first]
    loop = asyncio.get_running_loop()
    until_s = loop.time() + config.within_ms / 1000
    while not has_proved(held, config.events):
        piece: Piece = asyncio.create_task(pull())
        try:
            await asyncio.wait((piece,), timeout=max(0.0, until_s - loop.time()))
        except asyncio.CancelledError:
            await drop(piece)
            raise
        if not piece.done():
            return Held(tuple(held), piece)
        delta = piece.result()
        if delta is None:
            break
        held.append(delta)
    return Held(tuple(held))


async def drop(piece: Piece) -> None:
    """Stop waiting for a piece; whatever becomes of it is nobody's business any more."""
    piece.cancel()
    await asyncio.wait((piece,))
    if not piece.cancelled():
        piece.exception()
