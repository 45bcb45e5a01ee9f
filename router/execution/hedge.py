"""Starts a second try when the first is late, takes the one that answers first, and gives the other up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    is_won = False
    try:
        await asyncio.wait(running, timeout=after_s)
        if not any(task.done() for task in running) and may_start():
            running[asyncio.create_task(second.begin())] = second
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in [one for one in running if one in done]:
                try:
                    pieces = task.result()
                except RouterError as error:
                    contender = running.pop(task)
                    failed.append((contender, error))
                    await contender.close()
                else:
                    is_won = True
                    return Won(running.pop(task), pieces, tuple(failed))
        return Won(None, (), tuple(failed))
    finally:
        for task, contender in running.items():
            if is_won:
                contender.beaten()
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for contender in running.values():
            await contender.close()
