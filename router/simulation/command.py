"""`sona-router simulate`: reads a log of decisions and makes them again under a configuration."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from pathlib import Path

from router import compose
from router.config.load import Loc, Source, is_set, load
from router.core.types import JsonValue, Outcome
from router.policy.groups import group_actions
from router.providers.local import ENGINE
from router.simulation.log import read
from router.simulation.replay import Replayed, Rules, principals, replay, usual_ms
from router.simulation.report import Report, summed_up


def simulate(log: Path, file: Path) -> Report:
    """Make all decisions of a log again under the configuration in `file`. Reads the log twice, keeps no record in memory.

    Raises:
        ConfigError: the configuration is wrong, or there is no log.
    """
    config, source = load(file, _made_up(Source(file).data))
    compose.check(config, source)
    planning = compose.plan_with(config, source, ENGINE.dialects)
    rules = Rules(
        planner=planning.planner,
        privacy=config.privacy,
        keys=principals(config.server.keys),
        group_actions=group_actions(config),
        tariffs=planning.tariffs,
    )
    usual = usual_ms(one for one in _outcomes(log) if one is not None)
    replayed: list[Replayed] = []
    unplanned = unreadable = 0
    for outcome in _outcomes(log):
        again = replay(outcome, rules, usual) if outcome is not None else None
        if again is not None:
            replayed.append(again)
        elif outcome is None:
            unreadable += 1
        else:
            unplanned += 1
    return summed_up(replayed, unplanned, unreadable)


def _outcomes(log: Path) -> Generator[Outcome | None, None, None]:
    for line in read(log):
        yield line.outcome


class _made_up:
    """Stands in for secrets that aren't here, as nobody is called; an optional provider without its key is left out."""

    def __init__(self, data: JsonValue) -> None:
        self._data = data

    def __call__(self, loc: Loc) -> str | None:
        if loc[0] == "ledger":
            return ""  # nothing is spent
        row = _at(self._data, loc[:-1])
        is_optional = isinstance(row, dict) and bool(row.get("optional", False))
        return None if is_optional or is_set(_at(self._data, loc)) else f"made-up-{secrets.token_hex(16)}"


def _at(data: JsonValue, loc: Loc) -> JsonValue:
    for name in loc:
        if isinstance(data, dict):
            data = data.get(str(name))
        elif isinstance(data, list) and isinstance(name, int):
            data = data[name]
        else:
            return None
    return data
