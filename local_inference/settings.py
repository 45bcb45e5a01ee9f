"""What the engine host's configuration file may say, and how it is read; every error names the key and the line."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Protocol, TypeVar, cast

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from local_inference.ports import Engine, EngineConfig, EngineDeps
from local_inference.rollout import Rules
from local_inference.signing import public_key
from router.core.errors import ConfigError
from router.core.plugin import load as load_plugin
from router.core.plugin import nearest

ENGINES = "local_inference.engines"
M = TypeVar("M", bound=BaseModel)


def _resolve(path: Path, info: ValidationInfo) -> Path:
    root = cast("dict[str, Path]", info.context or {}).get("root", Path())
    return (root / path.expanduser()).resolve()


FilePath = Annotated[Path, AfterValidator(_resolve)]
"""A path that is relative to the configuration file's folder."""


class EngineRow(BaseModel):
    """The engine's section; the keys beside `kind` belong to the `Config` of that kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str


class Settings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=())

    host: str = "127.0.0.1"
    port: int = Field(8001, ge=0, le=65535)
    """0 = any free port; the one taken is printed."""
    api_key: SecretStr | None = None
    """`env:NAME` or `file:PATH`; when set, every /v1 route needs `Authorization: Bearer`."""
    model_name: str = Field("local", min_length=1)
    """What clients may call the base model, beside `local/base` and `base`."""
    adapters_dir: FilePath = Path("../adapters")
    store_dir: FilePath = Path("../var/store")
    poll_s: float = Field(0.25, gt=0, le=10)
    """How often the folder is looked at, and how long nothing may have changed in a copy that is finished."""
    ready_wait_s: float = Field(10.0, ge=0)
    """How long a request waits for an adapter that is being loaded."""
    drain_s: float = Field(60.0, ge=0)
    """How long running requests may keep a replaced or removed adapter loaded."""
    max_wait_s: float = Field(30.0, gt=0)
    """The longest a request may wait for its turn; one that would wait longer gets 503 at once."""
    max_waiting: int = Field(2000, ge=0)
    load_gap_s: float = Field(0.5, ge=0)
    """How long a load waits for a moment in which the engine computes nothing; not at all where those are rare."""
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    max_adapter_gib: float = Field(8.0, gt=0)
    keep_versions: int = Field(3, ge=1, le=100)
    """Versions of one adapter that stay served and in the store, the current one included."""
    rollout: Rules | None = None
    """How a new version is tried on a part of the traffic first; null = it takes all at once."""
    trusted_keys: tuple[str, ...] = ()
    """Ed25519 public keys, in base64 or as `file:PATH` of a PEM; with any, unsigned adapters are refused."""
    engine: EngineRow


class EnginePlugin(Protocol):
    """What a module of `local_inference/engines/` offers."""

    Config: type[EngineConfig]

    def build(self, config: EngineConfig, deps: EngineDeps) -> Engine: ...


class Loaded(BaseModel):
    """A configuration that may start: settings, the engine's own, and the plug-in that builds it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, protected_namespaces=())
    settings: Settings
    engine: EngineConfig
    plugin: object
    trusted: tuple[Ed25519PublicKey, ...] = ()
    """`settings.trusted_keys`, read."""

    def build_engine(self, config: EngineConfig, deps: EngineDeps) -> Engine:
        """Make the engine; it isn't started yet."""
        return cast(EnginePlugin, self.plugin).build(config, deps)


def load(path: Path, *, port: int | None = None, api_key: str | None = None, keys: bool = True) -> Loaded:
    """Read and check a configuration file; `port` and `api_key` (`env:NAME`) win over what stands in it.

    `keys=False` reads no secret, for those who only look.

    Raises:
        ConfigError: says file, line, key path and what to write instead.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        raise ConfigError(f"{path}: can't be read: {why}") from None
    tree = _Tree(path, text)
    if {"server", "providers", "local"} & tree.value.keys():
        raise ConfigError(f"{path}: this is a router's file; give the engine host's, such as configs/local.yaml")
    given = {"port": port, "api_key": api_key}
    tree.value.update({name: value for name, value in given.items() if value is not None})
    root = path.resolve().parent
    settings = _validate(Settings, tree.value, tree, (), root)
    if keys:
        settings = settings.model_copy(update={"api_key": _secret(settings.api_key, tree, root)})
    try:
        plugin = cast(EnginePlugin, load_plugin(ENGINES, settings.engine.kind))
    except ConfigError as error:
        raise tree.error(("engine", "kind"), error.message) from None
    row = cast("dict[str, object]", tree.value["engine"])
    model = row.get("model")
    if isinstance(model, str):
        row = {**row, "model": _model(model, tree, root)}
    engine = _validate(plugin.Config, row, tree, ("engine",), root)
    _check_exposure(settings, tree)
    if settings.store_dir.is_relative_to(settings.adapters_dir):
        raise tree.error(
            ("store_dir",), "what lies there would be taken for adapters; choose a folder outside adapters_dir"
        )
    trusted = tuple(_public_key(key, tree, root) for key in settings.trusted_keys)
    return Loaded(settings=settings, engine=engine, plugin=plugin, trusted=trusted)


class _Tree:
    """A parsed YAML file that knows the line of each key."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        try:
            self._node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)  # pyright: ignore[reportUnknownMemberType] untyped
            value: object = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark is not None else ""
            raise ConfigError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: must hold settings as `key: value` lines")
        self.value = cast("dict[str, object]", value)

    def error(self, keys: tuple[str | int, ...], message: str) -> ConfigError:
        where = ".".join(str(key) for key in keys)
        return ConfigError(f"{self._path}:{self._line(keys)}: {where}: {message}", param=where)

    def _line(self, keys: tuple[str | int, ...]) -> int:
        node, line = self._node, 1
        for key in keys:
            if not isinstance(node, yaml.MappingNode):
                break
            pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
            found = next(((k, v) for k, v in pairs if k.value == str(key)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def _validate(model: type[M], value: object, tree: _Tree, at: tuple[str, ...], root: Path) -> M:
    try:
        return model.model_validate(value, context={"root": root})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        keys = (*at, *first["loc"])
        if first["type"] == "extra_forbidden":
            raise tree.error(keys, f"unknown key{nearest(str(keys[-1]), sorted(model.model_fields))}") from None
        raise tree.error(keys, first["msg"]) from None


def _secret(value: SecretStr | None, tree: _Tree, root: Path) -> SecretStr | None:
    if value is None:
        return None
    kind, _, rest = value.get_secret_value().partition(":")
    if kind == "env":
        found = os.environ.get(rest, "")
    elif kind == "file":
        try:
            found = (root / Path(rest).expanduser()).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise tree.error(("api_key",), f"'{rest}' can't be read: {error}") from None
    else:
        raise tree.error(("api_key",), "write `env:NAME` or `file:PATH`, not the key itself")
    if not found:
        raise tree.error(("api_key",), f"'{rest}' is empty or not set")
    return SecretStr(found)


def _public_key(value: str, tree: _Tree, root: Path) -> Ed25519PublicKey:
    kind, _, rest = value.partition(":")
    try:
        text = (root / Path(rest).expanduser()).read_text(encoding="utf-8") if kind == "file" else value
        return public_key(text)
    except OSError as error:
        raise tree.error(("trusted_keys",), f"'{rest}' can't be read: {error.strerror}") from None
    except ValueError as error:
        raise tree.error(("trusted_keys",), f"{error}, or `file:PATH`") from None


def _model(model: str, tree: _Tree, root: Path) -> str:
    """Make a path absolute; leave a hub name as it is."""
    path = root / Path(model).expanduser()
    if path.exists():
        return str(path.resolve())
    if model.startswith((".", "/", "~")):
        raise tree.error(("engine", "model"), f"there is no folder '{path.resolve()}'; write a path or a hub name")
    return model


def _check_exposure(settings: Settings, tree: _Tree) -> None:
    if settings.api_key is None and not is_loopback(settings.host):
        raise tree.error(
            ("host",),
            f"'{settings.host}' can be reached from other machines and no key is set; "
            "write `api_key: env:NAME`, or `host: 127.0.0.1`",
        )


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
