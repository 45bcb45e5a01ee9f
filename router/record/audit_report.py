"""What `sona-router audit` shows: findings in plain words, as JSON, and as an exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.core.errors import ConfigError
from router.record import audit
from router.record.audit import Head
from router.record.audit_verify import Offender, Report, verify

WHOLE, BROKEN, LEFT = 0, 1, 3
"""Exit codes; 2 is a wrong call."""


def check(folder: Path, key: Path | None, head: Path | None) -> Report:
    """Check the log in `folder` with the public key in `key`; None = the one beside the log.

    Raises:
        ConfigError: a file or folder can't be read.
    """
    try:
        public = audit.public_key(key.read_bytes() if key is not None else own_key(folder))
        known = _known(head.read_bytes(), public, head) if head is not None else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key or head or folder}: {error}") from None
    try:
        return verify(folder, public, own_key=key is None, known=known)
    except OSError as error:
        raise ConfigError(f"{folder}: {error}") from None


def _known(line: bytes, public: Ed25519PublicKey, path: Path) -> Head:
    head = audit.read_head(line.removesuffix(b"\n"), public)
    if head is None:
        raise ConfigError(f"{path}: not a head that this key signed")
    return head


def own_key(folder: Path) -> bytes:
    """Read the public key that lies beside a log, as PEM.

    Raises:
        ConfigError: there is none.
    """
    try:
        return (folder / audit.PUBLIC_FILE).read_bytes()
    except OSError:
        raise ConfigError(f"{folder}: no {audit.PUBLIC_FILE} here; is it the folder of an audit log?") from None


def exit_code(report: Report) -> int:
    """Sum up."""
    if not report.intact:
        return BROKEN
    return LEFT if report.offender_count else WHOLE


def as_json(report: Report) -> bytes:
    """All findings; `verdict` and `left` sum up."""
    facts = msgspec.to_builtins(report)
    return msgspec.json.encode({"verdict": "whole" if report.intact else "broken", "left": _left(report), **facts})


def _left(report: Report) -> str:
    """Whether anything sensitive left: `yes`, `no`, or `unknown` where records are missing."""
    if report.offender_count:
        return "yes"
    return "no" if report.intact and not report.lost else "unknown"


def text(report: Report) -> str:
    """Write a report for people."""
    lines = [
        f"audit log {report.folder}, id {report.log or 'unknown'}",
        f"  {report.records:,} records ({report.decisions:,} decisions) in {report.files} files",
        f"  from {_time(report.first_time)} to {_time(report.last_time)}",
        f"  key {report.key}" + (" (the log's own: check with a copy kept elsewhere)" if report.own_key else ""),
        "",
    ]
    if report.intact:
        lines.append("WHOLE: every record is there, in order and as it was written.")
    else:
        lines.append(f"BROKEN: {report.problem_count} places are not as they were written.")
        lines += [f"  {one.file}:{one.line} record {one.seq}: {one.what}" for one in report.problems]
        lines += _more(report.problem_count, len(report.problems))
    if report.growing:
        lines.append("  A router writes to it; what came while this ran isn't checked.")
    lines += ["", *_notices(report), *_departures(report)]
    return "\n".join(lines)


def _notices(report: Report) -> list[str]:
    if not report.notices:
        return []
    return ["What the router noted itself:", *(f"  {one}" for one in report.notices), ""]


def _departures(report: Report) -> list[str]:
    lines = ["Did anything restricted leave?"]
    match _left(report):
        case "yes":
            lines.append(f"  YES: {report.offender_count} sensitive requests went to a cloud as they were:")
            lines += [f"    {_offender(one)}" for one in report.offenders]
            lines += _more(report.offender_count, len(report.offenders))
        case "no":
            lines.append("  NO: no sensitive request went to a cloud, but masked.")
        case _:
            why = f"{report.lost} decisions have no record" if report.intact else "the log is broken"
            lines.append(f"  UNKNOWN: no record says so, but {why}.")
    lines.append(f"  {'':14}{'requests':>10}{'to a cloud, masked':>20}{'to a cloud, as is':>20}")
    for level in ("restricted", "confidential", "internal", "public", "unscanned"):
        if tally := report.sensitivity.get(level):
            lines.append(f"  {level:14}{tally.requests:>10,}{tally.cloud_masked:>20,}{tally.cloud_clear:>20,}")
    return lines


def _offender(one: Offender) -> str:
    rule = one.rule or "none"
    where = f"{one.file}:{one.line} record {one.seq}, {_time(one.time)}, decision {one.decision_id}"
    return f"{where}: {one.sensitivity}, rule {rule}, to {', '.join(one.targets)}"


def _more(count: int, listed: int) -> list[str]:
    return [f"  … and {count - listed} more"] if count > listed else []


def _time(unix_s: float | None) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if unix_s is not None else "-"
