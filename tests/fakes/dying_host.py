"""An engine host's life without its HTTP, in processes that kill themselves at a chosen moment, and what they leave.

`python -m tests.fakes.dying_host FOLDER` runs one history once for each of its moments: before, in the midst of and
after every write of the journal, every step of the store, every load and unload of the engine. Each run is a process of
its own that ends by SIGKILL there; another one then opens what is left. One line of JSON a moment.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from local_inference.admission import Admission
from local_inference.admission import Limits as QueueLimits
from local_inference.base import read_base
from local_inference.catalog import Catalog, State
from local_inference.engines.fake import Config, FakeEngine
from local_inference.ingest import Limits
from local_inference.intake import Intake, Rules
from local_inference.journal import Journal
from local_inference.keeper import Keeper
from local_inference.lifecycle import Lifecycle, Options
from local_inference.operations import Operations
from local_inference.registry import Adapter
from local_inference.residency import Residency
from local_inference.store import Copy, Store
from local_inference.supervisor import Supervisor
from local_inference.traffic import Traffic
from local_inference.watcher import Gone, Settled
from tests.fakes.engine_tiny_model import write_adapter

Moment = Callable[[str], None]
Registry = dict[str, Adapter]


class DyingStore(Store):
    """Tells of its steps."""

    def __init__(self, root: Path, moment: Moment) -> None:
        super().__init__(root)
        self._moment = moment

    def take(self, folder: Path, unwanted: Callable[[], bool] = lambda: False, *, known: bool = True) -> Copy:
        copy = super().take(folder, unwanted, known=known)
        self._moment("copied")
        return copy

    def keep(self, copy: Copy) -> Path:
        path = super().keep(copy)
        self._moment("kept")
        return path


class DyingEngine(FakeEngine):
    """Tells of its steps."""

    def __init__(self, moment: Moment) -> None:
        super().__init__(Config(kind="fake", load_ms=0))
        self._moment = moment

    async def load(self, name: str, path: Path) -> None:
        self._moment("loading")
        await super().load(name, path)
        self._moment("loaded")


class Life:
    """The parts of a host that make its registry."""

    def __init__(self, root: Path, moment: Moment) -> None:
        self.root = root
        self.adapters = root / "adapters"
        self._moment = moment
        store = DyingStore(root / "store", moment)
        engine = DyingEngine(moment)
        self._supervisor = Supervisor(engine, lambda: None)
        self.journal = Journal(root / "store", self._write)
        traffic = Traffic()
        rules = Rules(limits=Limits(max_rank=16, max_bytes=10**9))
        self.catalog = Catalog()
        residency = Residency(device_slots=2, host_slots=4)
        limits = QueueLimits(slots=2, batch=8, seats=8, max_wait_s=30, max_waiting=100)
        self.lifecycle = Lifecycle(
            catalog=self.catalog,
            journal=self.journal,
            residency=residency,
            traffic=traffic,
            store=store,
            intake=Intake(
                self.adapters, store, rules, lambda: read_base(str(root / "model")), self._supervisor.wait_running
            ),
            engine=engine,
            supervisor=self._supervisor,
            options=Options(keep_versions=2),
            admission=Admission(limits),
            keeper=Keeper(engine, residency, self._supervisor),
            look_again=lambda name: None,
        )
        self.operations = Operations(self.lifecycle, traffic)
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []

    def _write(self, file: int, data: bytes) -> int:
        self._moment("before a line")
        written = os.write(file, data[: len(data) // 2])
        self._moment("half a line")
        written += os.write(file, data[written:])
        self._moment("after a line")
        return written

    async def start(self) -> None:
        self._store.open()
        self.journal.open()
        self.lifecycle.restore()
        self._tasks = [asyncio.create_task(self._supervisor.run()), asyncio.create_task(self.lifecycle.run())]
        await self._supervisor.wait_running()
        await self.idle()

    async def idle(self) -> None:
        while not self.lifecycle.idle:
            await asyncio.sleep(0.002)

    async def drop(self, name: str, seed: int) -> None:
        write_adapter(self.adapters / name, seed=seed)
        self.lifecycle.arrivals.on_event(Settled(name))
        await self.idle()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.journal.close()


async def history(make: Callable[[], Life]) -> None:
    """One of everything that a journal hears of, with a restart in its midst."""
    life = make()
    await life.start()
    await life.drop("legal", 1)
    await life.drop("legal", 2)
    await life.operations.roll_back("legal")
    await life.operations.pin("legal", pinned=True)
    await life.stop()
    life = make()
    await life.start()
    await life.drop("sql", 3)
    await life.operations.disable("sql")
    await life.operations.enable("sql")
    await life.idle()
    await life.drop("legal", 4)
    life.lifecycle.arrivals.on_event(Gone("sql"))
    await life.stop()


async def what_is_left(root: Path) -> dict[str, object]:
    """Open a dead host's folder: its registry at first sight, and what serves once it has come up again."""
    life = Life(root, lambda moment: None)
    life.journal.open()
    seen = dict(life.journal.adapters)
    life.journal.close()
    life = Life(root, lambda moment: None)
    await life.start()
    after = dict(life.journal.adapters)
    serving = {
        name: life.catalog.current(name) is not None and life.catalog.current(name).state is State.READY  # type: ignore[union-attr]
        for name, adapter in after.items()
        if adapter.current and not adapter.disabled
    }
    leftovers = [path.name for path in (root / "store" / ".incoming").iterdir()]
    await life.stop()
    return {
        "seen": msgspec.to_builtins(seen),
        "after": msgspec.to_builtins(after),
        "serving": serving,
        "leftovers": leftovers,
    }


def _in_child(work: Callable[[], None]) -> int:
    """Run in a process of its own; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 shown by its status
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def _reference(root: Path) -> list[tuple[str, Registry]]:
    """Run the history to its end; tell each moment and the registry that the disk holds then."""
    told: list[tuple[str, Registry]] = []

    lives: list[Life] = []

    def moment(what: str) -> None:
        told.append((what, dict(lives[-1].journal.adapters)))

    def make() -> Life:
        lives.append(Life(root, moment))
        return lives[-1]

    asyncio.run(history(make))
    # What a line says holds from the moment that the line is whole, a little before the process knows it.
    states = [state for _, state in told[1:]] + [dict(lives[-1].journal.adapters)]
    return [(what, after if what == "after a line" else now) for (what, now), after in zip(told, states, strict=True)]


def main(folder: Path) -> None:
    """Kill one process at each moment; print what was to be left and what is."""
    moments = _reference(folder / "reference")
    for number, (what, expected) in enumerate(moments):
        root = folder / str(number)
        shutil.rmtree(root, ignore_errors=True)

        def live(root: Path = root, number: int = number) -> None:
            left = number

            def moment(_: str) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            asyncio.run(history(lambda: Life(root, moment)))

        status = _in_child(live)
        result = root.with_suffix(".json")
        _in_child(lambda root=root, result=result: _note(result, asyncio.run(what_is_left(root))))
        left = json.loads(result.read_text()) if result.exists() else {}
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        line = {"moment": what, "killed": killed, "expected": msgspec.to_builtins(expected), **left}
        sys.stdout.write(json.dumps(line) + "\n")
        shutil.rmtree(root, ignore_errors=True)


def _note(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
