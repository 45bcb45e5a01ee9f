"""`sona-router scan`: reads, scans, judges, prints."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from router import compose
from router.config.load import load, without_secrets
from router.config.schema import OnSensitive, PrivacyConfig, RouterConfig, ScanConfig, SensitivityName
from router.core.errors import ConfigError
from router.core.plugin import nearest
from router.core.types import Principal, Sensitivity
from router.privacy.severity import rules
from router.server.auth import ANONYMOUS, principal
from router.tuning.documents import read
from router.tuning.examine import examine
from router.tuning.view import View, as_json, console

PATIENT = ScanConfig(deadline_ms=10_000)
"""Without a configuration nobody waits: long texts are read whole."""

_CACHE = ".cache/sona-router/scan"
"""Below the home folder: where what the scan compiles is kept where no configuration says where."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    config: Path | None = None
    policy: OnSensitive | None = None
    threshold: SensitivityName | None = None
    key: str | None = None
    deadline_ms: float | None = None
    limit: int = 20
    as_json: bool = False
    color: bool | None = None


def run(file: Path, stdin: bytes | None, wanted: Wanted) -> Sensitivity:
    """Print what was found; return how sensitive the worst is.

    Raises:
        ConfigError: a wrong configuration, file or key.
    """
    config = _config(wanted)
    documents = list(read(file, stdin))
    compiled = config.record.path / "scan" if wanted.config is not None else Path.home() / _CACHE
    examined = asyncio.run(examine(config, documents, _principal(config, wanted.key), compiled))
    if wanted.as_json:
        sys.stdout.write(as_json(examined).decode() + "\n")
    else:
        levels = {entity: rule.sensitivity for entity, rule in rules(config.privacy).items()}
        view = View(console(color=wanted.color), levels)
        worth = examined if len(examined) == 1 else [one for one in examined if one.action != "leaves"]
        for one in worth[: wanted.limit]:
            view.document(one)
        view.summary(examined, hidden=max(len(worth) - wanted.limit, 0))
    return max((one.report.sensitivity for one in examined), default=Sensitivity.PUBLIC)


def _config(wanted: Wanted) -> RouterConfig:
    if wanted.config is None:
        config = RouterConfig(privacy=PrivacyConfig(scan=PATIENT))
    else:
        config, source = load(wanted.config, without_secrets)
        compose.check(config, source)
    privacy = config.privacy
    changes: dict[str, object] = {}
    if wanted.policy is not None:
        changes["on_sensitive"] = wanted.policy
    if wanted.threshold is not None:
        changes["threshold"] = wanted.threshold
    if wanted.deadline_ms is not None:
        changes["scan"] = privacy.scan.model_copy(update={"deadline_ms": wanted.deadline_ms})
    return config.model_copy(update={"privacy": privacy.model_copy(update=changes)})


def _principal(config: RouterConfig, key: str | None) -> Principal:
    if key is None:
        return ANONYMOUS
    known = {one.id: one for one in config.server.keys}
    if key not in known:
        raise ConfigError(f"--key: there is no key '{key}'{nearest(key, sorted(known))}")
    return principal(known[key])
