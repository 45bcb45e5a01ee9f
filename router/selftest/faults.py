"""What goes wrong while requests are sent: each check sets something going, and puts it right when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from router.runtime import Runtime
from router.selftest.mock_server import Fault
from router.selftest.stand_ins import StandIns

KILL_EVERY_S = 0.12
DOWN_EVERY_S = 0.02
SOME_FAULTS = (*Fault, None, None, None)
"""What a failing server draws from: most requests fail, in every way there is."""


class World(msgspec.Struct, frozen=True):
    """What faults can get at."""

    runtime: Runtime
    mocks: StandIns


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try, and what is then no failure any more."""

    name: str
    share: float
    """Of all requests."""
    fault: Callable[[World], AbstractAsyncContextManager[None]]
    harmless_ratio: float = 0.2
    clouds_fail: bool = False
    engine_fails: bool = False
    scan_fails: bool = False
    needs_clouds: bool = False
    needs_mock_engine: bool = False
    deadline_ms: float | None = None
    """The scan's, where it isn't the configured one; such a check has a router of its own."""


@asynccontextmanager
async def nothing(_: World) -> AsyncGenerator[None]:
    """All is well."""
    yield


@asynccontextmanager
async def clouds_fail(world: World) -> AsyncGenerator[None]:
    """Each request to a cloud fails in some way, or not."""
    for cloud in world.mocks.clouds.values():
        cloud.faults = SOME_FAULTS
    yield
    for cloud in world.mocks.clouds.values():
        cloud.faults = (None,)


@asynccontextmanager
async def clouds_gone(world: World) -> AsyncGenerator[None]:
    """Nobody listens where the clouds were."""
    for cloud in world.mocks.clouds.values():
        await cloud.stop()
    yield
    for cloud in world.mocks.clouds.values():
        await cloud.start()


@asynccontextmanager
async def workers_killed(world: World) -> AsyncGenerator[None]:
    """A scan worker is killed every now and then, in the middle of what it reads."""
    async with _again_and_again(KILL_EVERY_S, lambda: _kill(world.runtime.scan_pids[:1])):
        yield


@asynccontextmanager
async def pool_killed(world: World) -> AsyncGenerator[None]:
    """All scan workers are killed, and what would start new ones, as often as they come back."""
    async with _again_and_again(DOWN_EVERY_S, lambda: _kill(_with_parents(world.runtime.scan_pids))):
        yield


@asynccontextmanager
async def engine_fails(world: World) -> AsyncGenerator[None]:
    """Each request to the local engine fails in some way, or not."""
    engine = world.mocks.engine
    assert engine is not None
    engine.faults = SOME_FAULTS
    yield
    engine.faults = (None,)


@asynccontextmanager
async def engine_gone(world: World) -> AsyncGenerator[None]:
    """Nobody listens where the local engine was."""
    engine = world.mocks.engine
    assert engine is not None
    await engine.stop()
    yield
    await engine.start()


@asynccontextmanager
async def _again_and_again(every_s: float, act: Callable[[], None]) -> AsyncGenerator[None]:
    async def repeat() -> None:
        while True:
            act()
            await asyncio.sleep(every_s)

    task = asyncio.create_task(repeat())
    await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _kill(pids: tuple[int, ...]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _with_parents(pids: tuple[int, ...]) -> tuple[int, ...]:
    """Put the processes in front that these were forked from; never this one."""
    parents: set[int] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            # `pid (name) state parent …`; the name may hold anything, brackets too.
            parents.add(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]))
    return (*(parents - {os.getpid(), 1, 0}), *pids)


CHECKS = (
    Check(name="all is well", share=0.42, fault=nothing),
    Check(name="clouds fail", share=0.16, fault=clouds_fail, harmless_ratio=0.4, clouds_fail=True, needs_clouds=True),
    Check(
        name="clouds are gone", share=0.08, fault=clouds_gone, harmless_ratio=0.4, clouds_fail=True, needs_clouds=True
    ),
    Check(name="scan workers are killed", share=0.12, fault=workers_killed, scan_fails=True),
    Check(name="the scan is down", share=0.06, fault=pool_killed, scan_fails=True),
    Check(name="local engine fails", share=0.06, fault=engine_fails, engine_fails=True, needs_mock_engine=True),
    Check(name="local engine is gone", share=0.06, fault=engine_gone, engine_fails=True, needs_mock_engine=True),
    Check(name="the scan is always late", share=0.04, fault=nothing, scan_fails=True, deadline_ms=0.0),
)
