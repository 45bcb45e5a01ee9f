"""`sona-router adapters`: looks at adapters and orders about them over the API of a running router; moves folders in and out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import msgspec
import typer

from router.core.adapters import AdapterInfo, AdapterListing
from router.core.errors import ConfigError, RouterError, UpstreamProtocolError, UpstreamUnavailable

app = typer.Typer(no_args_is_help=True, help="The local engine's LoRA adapters.")

_LISTING = msgspec.json.Decoder(AdapterListing)
_UNDER_WAY = frozenset({"copying", "checking", "stored", "loading", "canary"})
_TIMEOUT_S, _POLL_S = 30.0, 0.25

UrlOption = Annotated[str, typer.Option("--url", help="Where the router is.")]
KeyOption = Annotated[str | None, typer.Option("--key", envvar="SONA_KEY", help="One with `admin: true`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's answer.")]
IntoOption = Annotated[Path, typer.Option("--into", help="The engine host's adapters_dir.")]
HostOption = Annotated[Path, typer.Option("--host-config", help="The engine host's configuration.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="<name>, or <name>@<version>.")]
HERE = "http://127.0.0.1:8080"
HOST_CONFIG = Path("configs/local.yaml")
FOLDER = Path("adapters")
_CONFIG = "adapter_config.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Of an adapter; here it also keeps paths out. The engine host knows what else a name can't be."""


class _Refused(RouterError):
    """What the router answered, in its words."""


class _Error(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Error


class Api:
    """The routes under `/v1/adapters`."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._opener = build_opener(ProxyHandler({}))

    def listing(self) -> AdapterListing:
        return self._ask("GET", "/v1/adapters")

    def show(self, name: str) -> AdapterListing:
        return self._ask("GET", f"/v1/adapters/{quote(name, safe='@')}")

    def order(self, name: str, verb: str) -> AdapterListing:
        return self._ask("POST", f"/v1/adapters/{quote(name, safe='@')}:{verb}")

    def _ask(self, method: str, path: str) -> AdapterListing:
        try:
            with self._opener.open(
                Request(self._url + path, headers=self._headers, method=method), timeout=_TIMEOUT_S
            ) as answer:
                return _LISTING.decode(answer.read())
        except HTTPError as error:
            raise _refusal(error) from None
        except msgspec.DecodeError:
            raise UpstreamProtocolError(f"{self._url} doesn't answer as a router does") from None
        except (OSError, HTTPException, ValueError):
            raise UpstreamUnavailable(f"no router answers at {self._url}; give its address as --url") from None


def _refusal(error: HTTPError) -> RouterError:
    how = "; here: --key, or the variable SONA_KEY" if error.code == HTTPStatus.UNAUTHORIZED else ""
    try:
        return _Refused(msgspec.json.decode(error.read(), type=_ErrorBody).error.message + how)
    except (msgspec.DecodeError, OSError):
        return UpstreamProtocolError(f"{error.url} answered {error.code}")


@app.command("list")
def list_all(url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List all adapters, their versions and states."""
    _print(Api(url, key).listing(), as_json)


@app.command()
def show(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show all that is known of one."""
    listing = Api(url, key).show(name)
    if as_json:
        _print(listing, as_json)
        return
    for info in listing.data:
        typer.echo(_details(info))


@app.command()
def rollback(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Let the name mean the version before, or the one that is given."""
    _print(Api(url, key).order(name, "rollback"), as_json)


@app.command()
def pin(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Keep it in memory."""
    _print(Api(url, key).order(name, "pin"), as_json)


@app.command()
def unpin(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Don't keep it in memory any more."""
    _print(Api(url, key).order(name, "unpin"), as_json)


@app.command()
def disable(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Serve it no more, whatever its folder holds."""
    _print(Api(url, key).order(name, "disable"), as_json)


@app.command()
def enable(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Serve it again."""
    _print(Api(url, key).order(name, "enable"), as_json)


@app.command()
def rescan(name: NameArgument, url: UrlOption = HERE, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Have its folder checked again."""
    _print(Api(url, key).order(name, "rescan"), as_json)


@app.command()
def doctor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An adapter's folder, anywhere.")],
    host_config: HostOption = HOST_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say whether it would be accepted, and why not: exit 0 = yes, 1 = no. Needs no router, copies nothing."""
    raise typer.Exit(_examine(folder, host_config, ("--json",) if as_json else ()))


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An adapter's folder.")],
    name: Annotated[str | None, typer.Option(help="Call it so; else as the folder.")] = None,
    into: IntoOption = FOLDER,
    host_config: HostOption = HOST_CONFIG,
    url: UrlOption = HERE,
    key: KeyOption = None,
    wait_s: Annotated[float, typer.Option(help="How long to wait until it is served.")] = 120.0,
) -> None:
    """Check it, copy it to the others, and wait until it is served. Replaces one of the same name by a new version."""
    called = name or folder.resolve().name
    if not _NAME.fullmatch(called):
        raise ConfigError(f"'{called}' can't be an adapter's name: 1 to 64 of a-z 0-9 . _ -; give another as --name")
    api = Api(url, key)
    known = {info.id for info in api.listing().data if info.state == "ready"}
    if (code := _examine(folder, host_config, ())) != 0:
        raise typer.Exit(code)
    if not into.is_dir():
        raise ConfigError(f"there is no folder {into}; give the engine host's adapters_dir as --into")
    _copy(folder, into / called)
    served = True
    for one in _names(folder, called):
        info = _await(api, one, known, wait_s)
        typer.echo(_details(info) if info is not None else f"{one}: not served after {wait_s:.0f} s; see `list`")
        served = served and info is not None and info.state == "ready"
    raise typer.Exit(0 if served else 1)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    into: IntoOption = FOLDER,
) -> None:
    """Take its folder away from the others, to `.removed-NAME` beside them; running requests end first."""
    folder, aside = _place(into, name), into / f".removed-{name}"
    if folder is None:
        raise ConfigError(f"there is no folder '{name}' in {into}; give the engine host's adapters_dir as --into")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    typer.echo(f"{name}: removed; to take it back: mv {aside} {folder}")


def _place(into: Path, name: str) -> Path | None:
    """Find an adapter's folder: `legal.german` may lie in `legal/german`. Names lead nowhere else."""
    if not name or name.startswith(".") or "/" in name:
        return None
    parts = name.split(".")
    cuts = range(1, len(parts)) if all(parts) else ()
    splits = (into / ".".join(parts[:cut]) / ".".join(parts[cut:]) for cut in cuts)
    return next((place for place in (into / name, *splits) if place.is_dir()), None)


def _examine(folder: Path, host_config: Path, options: tuple[str, ...]) -> int:
    """Ask the engine host's own code, in a process of its own: this one never imports it."""
    if not host_config.is_file():
        raise ConfigError(f"there is no file {host_config}; give the engine host's configuration as --host-config")
    command = [sys.executable, "-m", "local_inference", "doctor", str(folder), "--config", str(host_config), *options]
    return subprocess.run(command, check=False).returncode


def _names(folder: Path, called: str) -> list[str]:
    """List the adapters that a folder holds: itself, or one in each sub-folder."""
    if (folder / _CONFIG).exists():
        return [called]
    return [f"{called}.{path.parent.name}" for path in sorted(folder.glob(f"*/{_CONFIG}"))] or [called]


def _copy(source: Path, to: Path) -> None:
    """Copy under a name that the engine host ignores, then swap it in."""
    draft, old = to.with_name(f".{to.name}.new"), to.with_name(f".{to.name}.old")
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(source, draft, symlinks=True)
    if to.exists():
        to.rename(old)
    draft.rename(to)
    shutil.rmtree(old, ignore_errors=True)


def _await(api: Api, name: str, known: set[str], wait_s: float) -> AdapterInfo | None:
    """Wait until what was copied is served or turned down; what was known before counts if nothing else comes."""
    patience = int(wait_s / _POLL_S)
    settled = 0
    for _ in range(patience):
        time.sleep(_POLL_S)
        found = [info for info in api.listing().data if info.name == name]
        fresh = [info for info in found if info.id not in known]
        done = next((info for info in fresh if info.state in ("ready", "quarantined", "disabled")), None)
        if done is not None:
            return done
        settled = 0 if any(info.state in _UNDER_WAY for info in fresh) or not found else settled + 1
        if settled * _POLL_S > 2:  # the same content as before
            return next((info for info in found if info.current and info.state == "ready"), None)
    return None


_COLUMNS: Mapping[str, int] = {"NAME": 28, "VERSION": 34, "STATE": 12, "MEMORY": 8, "RANK": 5, "MB": 8, "": 0}


def _print(listing: AdapterListing, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(listing), indent=2).decode())
        return
    typer.echo("".join(title.ljust(width) for title, width in _COLUMNS.items()).rstrip())
    for info in listing.data:
        mark = "*" if info.current and info.state == "ready" else " "
        cells = (
            f"{mark} {info.name}", info.version or "-", info.state, info.residency, str(info.rank or "-"),
            f"{info.size_bytes / 1e6:.1f}", _remark(info),
        )  # fmt: skip
        typer.echo(
            "".join(f"{cell} ".ljust(width) for cell, width in zip(cells, _COLUMNS.values(), strict=True)).rstrip()
        )


def _remark(info: AdapterInfo) -> str:
    parts = [
        "pinned" if info.pinned else "",
        f"takes {info.share:.0%}" if info.share else "",
        f"for {_tenants(info)}" if _tenants(info) else "",
        f"{info.reason}: {info.message}" if info.reason else (info.message or ""),
    ]
    return _plain("; ".join(part for part in parts if part))


def _tenants(info: AdapterInfo) -> str:
    """Name those that may use it; "" = everybody, or nobody can say yet."""
    named = ", ".join(filter(None, info.card.tenants))
    return named or ("nobody" if info.card.tenants and info.version else "")


def _details(info: AdapterInfo) -> str:
    card = info.card
    rows = {
        "state": info.state + (" (what the name means)" if info.current else ""),
        "reason": info.reason,
        "message": info.message,
        "to mend it": info.fix,
        "memory": info.residency + (", pinned" if info.pinned else ""),
        "rank": info.rank,
        "size": f"{info.size_bytes / 1e6:.1f} MB" if info.size_bytes else None,
        "load": f"{info.load_ms:.0f} ms" if info.load_ms is not None else None,
        "description": card.description or None,
        "languages": ", ".join(card.languages) or None,
        "tenants": _tenants(info) or None,
        "license": card.license,
        "metrics": ", ".join(f"{name} {value:g}" for name, value in card.metrics.items()) or None,
    }
    lines = [f"  {label}: {_plain(str(value))}" for label, value in rows.items() if value is not None]
    return "\n".join([info.id.rstrip("@"), *lines])


def _plain(text: str) -> str:
    """Put a card's words on one line that commands no terminal."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())
