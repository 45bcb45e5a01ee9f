"""The command line: serve, check-config, explain, scan, selftest, simulate, keys, usage, audit, adapters."""

from __future__ import annotations

import asyncio
import sys
from itertools import compress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from router import adapters_cli
from router.config.schema import LocalityName, OnSensitive, SensitivityName
from router.core.errors import ConfigError, RouterError
from router.core.types import Dialect

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Private AI routing."
)

audit = typer.Typer(no_args_is_help=True, help="The audit log: check it, show its public key.")
app.add_typer(audit, name="audit")
app.add_typer(adapters_cli.app, name="adapters")

keys = typer.Typer(no_args_is_help=True, help="API keys in the ledger's store: make, list, revoke.")
app.add_typer(keys, name="keys")

CONFIG_ERROR = 2
LogArgument = Annotated[Path, typer.Argument(metavar="PATH", help="The log's folder, e.g. var/audit.")]
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
PortOption = Annotated[int | None, typer.Option("--port", "-p", help="Listen here instead of on server.port.")]


@app.command()
def serve(config: ConfigOption, port: PortOption = None) -> None:
    """Serve; starts the engine host too if local.managed is set."""
    from router.config.load import limit_threads

    limit_threads()
    from router.serve import serve as run

    with _clear_errors():
        run(config, port)


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(help="The configuration file.")]) -> None:
    """Check a configuration: exit 0, or 2 with file, line, key and what to write instead."""
    from router import compose
    from router.config.load import load

    with _clear_errors():
        loaded, source = load(file)
        compose.check(loaded, source)
    typer.echo(f"{file}: fine (providers: {len(loaded.providers)}, model groups: {len(loaded.models)})")


@app.command()
def explain(
    config: ConfigOption,
    dialect: Annotated[Dialect, typer.Option(help="The API that the request is made for.")] = Dialect.CHAT,
) -> None:
    """Read a request as JSON from standard input; print the decision and its reasons. Calls no model."""
    if sys.stdin.isatty():
        typer.echo("type the request as JSON, then Ctrl-D; or: explain --config FILE < request.json", err=True)
    with _clear_errors():
        explained = asyncio.run(_explain(config, sys.stdin.buffer.read(), dialect))
    typer.echo(msgspec.json.format(explained, indent=2).decode())


@app.command()
def scan(
    file: Annotated[Path, typer.Argument(help="A text, a request (.json), lines of either (.jsonl), a folder, or -.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Whose settings; else the defaults.")] = None,
    policy: Annotated[OnSensitive | None, typer.Option(help="Try this privacy.on_sensitive instead.")] = None,
    threshold: Annotated[SensitivityName | None, typer.Option(help="Try this privacy.threshold instead.")] = None,
    key: Annotated[str | None, typer.Option(help="Judge as for the key with this id.")] = None,
    deadline_ms: Annotated[float | None, typer.Option(help="Try this privacy.scan.deadline_ms instead.")] = None,
    fail_on: Annotated[SensitivityName | None, typer.Option(help="Exit 1 if anything is as sensitive as this.")] = None,
    limit: Annotated[int, typer.Option(help="Of many documents, show this many in full.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: positions, not the text.")] = False,
    color: Annotated[bool | None, typer.Option("--color/--no-color", help="By default on a terminal only.")] = None,
) -> None:
    """Show what the scan finds in texts, and what policy makes of it. Calls nobody, writes nothing."""
    from router.tuning.command import Wanted, run

    wanted = Wanted(
        config=config,
        policy=policy,
        threshold=threshold,
        key=key,
        deadline_ms=deadline_ms,
        limit=limit,
        as_json=as_json,
        color=color,
    )
    with _clear_errors():
        worst = run(file, sys.stdin.buffer.read() if str(file) == "-" else None, wanted)
    raise typer.Exit(1 if fail_on is not None and worst >= fail_on.level else 0)


@app.command()
def selftest(
    config: ConfigOption,
    requests: Annotated[int, typer.Option(help="How many to send.", min=50)] = 1000,
    seed: Annotated[int | None, typer.Option(help="The same seed sends the same; by default a new one.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report to this file too, as JSON.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Use the real local engine, not a mock.")] = False,
) -> None:
    """Prove a configuration against mock clouds that fail: exit 0, 1 if something leaked or broke, 2 if it is wrong.

    Needs no key and calls no provider.
    """
    from router.config.load import limit_threads

    limit_threads()
    from router.selftest import report
    from router.selftest.run import Options, new_seed
    from router.selftest.run import selftest as run

    options = Options(requests=requests, seed=new_seed() if seed is None else seed, real_engine=local)
    with _clear_errors(), report.progress() as progress:
        result = run(config, options, progress)
    report.show(result)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    raise typer.Exit(0 if result.passed else 1)


@app.command()
def simulate(
    log: Annotated[Path, typer.Option("--log", help="decisions.jsonl, or the folder record.path with all of them.")],
    config: ConfigOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make recorded decisions again under another configuration: what would change in cost, time and locality?

    Calls nobody, needs no keys. Under the configuration that they were made with, all come out as recorded.
    """
    from rich.console import Console

    from router.simulation import report
    from router.simulation.command import simulate as run

    with _clear_errors():
        result = run(log, config)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.Encoder(decimal_format="string").encode(result), indent=2).decode())
    else:
        report.show(result, Console())


async def _explain(file: Path, data: bytes, dialect: Dialect) -> bytes:
    from router import compose
    from router.config.load import load
    from router.core import clock
    from router.core.types import Hints, Request
    from router.server.auth import ANONYMOUS
    from router.server.routes.explain import whole
    from router.wire.dialects import codec

    config, source = load(file)
    decoded = codec(dialect).decode(data)
    runtime = compose.build(config, source, engine=compose.engine_host(config), records=False)
    deadline_s = clock.monotonic_s() + config.server.deadline_s
    request = Request(
        id="explain",
        principal=ANONYMOUS,
        model=decoded.model,
        body=decoded.body,
        stream=decoded.stream,
        hints=Hints(),
        deadline_s=deadline_s,
        dialect=dialect,
    )
    async with runtime.running():
        request = await whole(request, runtime)
        return msgspec.json.encode(await runtime.pipeline.explain(request, runtime.trace("explain")))


@keys.command("create")
def keys_create(
    config: ConfigOption,
    key_id: Annotated[str, typer.Option("--id", help="Its name in records and reports.")],
    tenant: Annotated[str, typer.Option(help="For rules and reports.")] = "default",
    model: Annotated[list[str] | None, typer.Option(help="A model it may ask for; again for more. Else all.")] = None,
    max_locality: Annotated[LocalityName, typer.Option(help="How far its requests may travel.")] = LocalityName.ANY,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens a minute.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests at a time.")] = None,
    day_usd: Annotated[str | None, typer.Option(help="Budget of a day, in US dollars.")] = None,
    week_usd: Annotated[str | None, typer.Option(help="Budget of a week.")] = None,
    month_usd: Annotated[str | None, typer.Option(help="Budget of a month.")] = None,
) -> None:
    """Make a key and show it, once. Running routers know it within ledger.refresh_s."""
    from router import bookkeeping
    from router.core.types import Limits

    with _clear_errors():
        budget = bookkeeping.budget(day_usd, week_usd, month_usd)
        limits = Limits(requests_per_minute=rpm, tokens_per_minute=tpm, concurrency=concurrency, budget=budget)
        models = tuple(model) if model else None
        made = bookkeeping.create_key(config, bookkeeping.bearer(key_id, tenant, models, max_locality.level, limits))
    typer.echo("Every caller needs a key from now on, also once all are revoked.", err=True)
    typer.echo("Keep this one now, it is not shown again:", err=True)
    typer.echo(made)


@keys.command("list")
def keys_list(
    config: ConfigOption, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the keys in the store. Those of the configuration stand there."""
    from router import bookkeeping

    with _clear_errors():
        found = bookkeeping.list_keys(config)
    if as_json:
        typer.echo(bookkeeping.keys_as_json(found))
    else:
        _table(*bookkeeping.keys_as_table(found))


@keys.command("revoke")
def keys_revoke(config: ConfigOption, key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let a key in no more. Running routers see it within ledger.refresh_s."""
    from router import bookkeeping

    with _clear_errors():
        bookkeeping.revoke_key(config, key_id)
    typer.echo(f"{key_id}: revoked")


@app.command()
def usage(
    config: ConfigOption,
    by: Annotated[
        str, typer.Option(help="Some of key, tenant, model, target, locality, day, hour, estimated.")
    ] = "key,model",
    since: Annotated[str | None, typer.Option(help="A day or time in UTC; by default when the month began.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; costs are to the last digit.")] = False,
) -> None:
    """Show what was used and what it cost."""
    from router import bookkeeping

    with _clear_errors():
        report = bookkeeping.usage(config, tuple(name.strip() for name in by.split(",") if name.strip()), since)
    if as_json:
        typer.echo(bookkeeping.as_json(report))
    else:
        _table(*bookkeeping.as_table(report))


def _table(heads: list[str], rows: list[list[str]]) -> None:
    """Print a table, without columns that say nothing; wide ones aren't cut where no terminal is."""
    from rich.console import Console
    from rich.table import Table

    said = [any(row[place] != "-" for row in rows) for place in range(len(heads))]
    table = Table()
    for head in compress(heads, said):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*compress(row, said))
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)


@audit.command("verify")
def audit_verify(
    path: LogArgument,
    key: Annotated[
        Path | None, typer.Option("--key", help="The public key, from a place the log's writers can't reach.")
    ] = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="An earlier copy of audit.head that must lie on the chain.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a log offline. Exit 0: whole; 1: not what was written; 3: whole, but something sensitive left unmasked."""
    from router.record import audit_report

    with _clear_errors():
        report = audit_report.check(path, key, head)
    shown = (
        msgspec.json.format(audit_report.as_json(report), indent=2).decode() if as_json else audit_report.text(report)
    )
    typer.echo(shown)
    raise typer.Exit(audit_report.exit_code(report))


@audit.command("key")
def audit_key(path: LogArgument) -> None:
    """Print the public key of a log as PEM, to keep where the log's writers can't reach."""
    from router.record import audit_report

    with _clear_errors():
        typer.echo(audit_report.own_key(path).decode(), nl=False)


class _clear_errors:
    """Shows an error as one line, never as a stack."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, RouterError):
            typer.echo(f"error: {error.message}", err=True)
            raise typer.Exit(CONFIG_ERROR if isinstance(error, ConfigError) else 1) from None


def main() -> None:
    """Run the command line."""
    try:
        app()
    except RouterError as error:
        typer.echo(f"error: {error.message}", err=True)
        sys.exit(CONFIG_ERROR if isinstance(error, ConfigError) else 1)
