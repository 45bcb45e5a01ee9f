"""Starts a second try when the first is late, takes the one that answers first, and gives the other up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from router.core.errors import RouterError
from router.core.types import Delta


class Contender(Protocol):
    """A try of a step."""

    async def begin(self) -> tuple[Delta, ...]:
        """Return the first pieces of its answer.

        Raises:
            RouterError: it has none.
        """
        ...

    def beaten(self) -> None:
        """Another answered first: what ends it from now on is that."""
        ...

    async def close(self) -> None: ...


One = TypeVar("One", bound=Contender)


class Won(NamedTuple, Generic[One]):
    """Who answered first, with its first pieces; and who failed before that, in this order."""

    winner: One | None
    """None = all that were begun failed."""
    pieces: tuple[Delta, ...]
    failed: tuple[tuple[One, RouterError], ...]


async def race(first: One, second: One, after_s: float, may_start: Callable[[], bool]) -> Won[One]:
    """Begin the first, and the second when the first has no answer `after_s` and it may be started.

    The winner is left open; whoever else was begun is closed. What they raise that is no `RouterError` goes on.
    """
    running = {asyncio.create_task(first.begin()): first}
    failed: list[tuple[One, RouterError]] = []
    won: Won[One] | None = None
    try:
        await asyncio.wait(running, timeout=after_s)
        if not any(task.done() for task in running) and may_start():
            running[asyncio.create_task(second.begin())] = second
        while running and won is None:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in [one for one in running if one in done]:
                try:
                    pieces = task.result()
                except RouterError as error:
                    failed.append((running[task], error))
                    await running.pop(task).close()
                else:
                    won = Won(running.pop(task), pieces, tuple(failed))
                    break
    except BaseException:
        await _give_up(running)
        raise
    if won is None or won.winner is None:
        return Won(None, (), tuple(failed))
    for contender in running.values():
        contender.beaten()
    try:
        await _give_up(running)
    except BaseException:
        await won.winner.close()  # nobody is left who could
        raise
    return won


async def _give_up(running: Mapping[asyncio.Task[tuple[Delta, ...]], Contender]) -> None:
    """End tries that are under way, and close them, also if this is cancelled meanwhile."""
    for task in running:
        task.cancel()
    try:
        if running:
            await asyncio.wait(running)
    finally:
        for contender in running.values():
            await contender.close()
