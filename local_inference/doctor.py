"""Says before any drop whether an adapter would be taken, and why not: the intake's own checks, with nothing copied."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from local_inference.base import BaseFacts, read_base
from local_inference.errors import Rejected, fit_to_show
from local_inference.host import rules_of, sized
from local_inference.ingest import check_folder, check_name, missing
from local_inference.intake import Rules, judge
from local_inference.places import find
from local_inference.settings import load
from local_inference.store import Copy, hashes
from router.core.adapters import AdapterInfo
from router.core.errors import ConfigError


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one adapter."""

    name: str
    accepted: bool
    reason: str | None = None
    message: str | None = None
    """What is wrong; or warnings."""
    fix: str | None = None
    info: AdapterInfo | None = None


def examine(name: str, folder: Path, base: BaseFacts | None, rules: Rules) -> Diagnosis:
    """Check a folder where it lies. Only the engine's own tests, loading and canary, are left for later."""
    try:
        check_name(name, rules.limits.reserved)
        if not folder.is_symlink() and (lacks := missing(folder)) is not None:
            raise Rejected("unfinished", lacks, "copy the rest")
        check_folder(folder, rules.limits)
        sha256, sums = hashes(folder)
        info, _ = judge(folder, name, Copy(sha256, folder, sums), base, rules)
    except Rejected as error:
        return _refused(name, error)
    except OSError as error:
        return _refused(
            name, Rejected("unreadable", f"its files can't be read: {error.strerror}", "mend its permissions")
        )
    return Diagnosis(name=name, accepted=True, message=info.message, info=info)


def _refused(name: str, error: Rejected) -> Diagnosis:
    name = fit_to_show(name)
    return Diagnosis(name=name, accepted=False, reason=error.reason, message=error.message, fix=error.fix)


def examine_all(folder: Path, base: BaseFacts | None, rules: Rules) -> tuple[Diagnosis, ...]:
    """Check a folder as if it lay among the adapters: with sub-folders, it may be several."""
    found = {name: path for name, path in find(folder.parent).items() if folder in (path, path.parent)}
    if not found:
        found = {folder.name: folder}
    return tuple(examine(name, path, base, rules) for name, path in found.items())


def main(arguments: Sequence[str]) -> int:
    """Run `python -m local_inference doctor`: exit 0 = all would be taken, 1 = not all, 2 = the configuration is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m local_inference doctor", description="Say whether adapters would be accepted, and why not."
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path)
    parser.add_argument("--config", type=Path, required=True, help="the engine host's file, see configs/local.yaml")
    parser.add_argument("--json", action="store_true", help="print JSON, one line an adapter")
    given = parser.parse_args(arguments)
    try:
        loaded = load(given.config, keys=False)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    config = sized(loaded.engine, loaded.settings)
    base = read_base(config.model)
    if base is not None:
        base = msgspec.structs.replace(base, alias=loaded.settings.model_name)
    rules = rules_of(loaded, config)
    fine = True
    for folder in given.folders:
        if not folder.is_dir():
            sys.stderr.write(f"error: there is no folder {folder}\n")
            return 2
        for found in examine_all(folder.parent.resolve() / folder.name, base, rules):
            fine = fine and found.accepted
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n" if given.json else _shown(found))
    return 0 if fine else 1


def _shown(found: Diagnosis) -> str:
    if not found.accepted:
        return f"{found.name}: would be refused ({found.reason}): {found.message}\n  to mend it: {found.fix}\n"
    info = found.info
    assert info is not None
    warnings = "".join(f"  warning: {text}\n" for text in (found.message or "").split("; ") if text)
    size_mb = info.size_bytes / 1e6
    return f"{found.name}: would be accepted as {info.id}, rank {info.rank}, {size_mb:.1f} MB\n{warnings}"
