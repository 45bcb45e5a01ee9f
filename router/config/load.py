"""Reads a configuration file: YAML, secrets from the environment, and errors that say line, key and remedy.

The only module of the router that reads the environment.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from router.config.schema import RouterConfig
from router.core.errors import ConfigError
from router.core.plugin import nearest
from router.core.types import JsonValue

Loc = tuple[str | int, ...]
StandIn = Callable[[Loc], str | None]


def without_secrets(loc: Loc) -> str:
    """Stand in for every secret, each with a text of its own; sinks and the ledger have none."""
    return "" if loc[0] in ("record", "ledger") else f"made-up-{secrets.token_hex(16)}"


SECRETS = frozenset({"key", "api_key", "credentials", "access_key_id", "secret_access_key", "session_token"})
"""Keys of a configuration whose values stand elsewhere: in the environment or in a file."""

_RULES = ("routing", "auto", "rules")
"""Where `key` is a key's id."""

_NO_SECRET = "chain"
"""What may stand there instead: whoever is asked finds the secret itself."""

_SECRET_PLACES = frozenset({("ledger", "url")})
"""Key paths of further ones."""

Model = TypeVar("Model", bound=BaseModel)


class Source:
    """A YAML file and the line on which each of its keys stands."""

    def __init__(self, path: Path) -> None:
        """Read and parse the file.

        Raises:
            ConfigError: it is missing, unreadable, not YAML, or not a mapping; or names a key twice.
        """
        self.path = path
        self._lines: dict[Loc, int] = {}
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
            raise ConfigError(f"{path}: can't read the configuration: {why}") from None
        try:
            node = cast("yaml.Node | None", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
            self.data: JsonValue = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
        if not isinstance(self.data, dict):
            raise ConfigError(f"{path}: the configuration must be a mapping of sections (server, providers, models…)")
        self._index(node, ())

    def _index(self, node: yaml.Node | None, loc: Loc) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    where = f"{self.path}:{key.start_mark.line + 1}"
                    raise ConfigError(f"{where}: '{dotted((*loc, name))}' stands twice; remove one")
                seen.add(name)
                self._lines[(*loc, name)] = key.start_mark.line + 1
                self._index(value, (*loc, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*loc, index)] = value.start_mark.line + 1
                self._index(value, (*loc, index))

    def error(self, loc: Loc, message: str) -> ConfigError:
        """Build the error for one key: `FILE:LINE: key.path: message`."""
        known = loc
        while known and known not in self._lines:
            known = known[:-1]
        line = f":{self._lines[known]}" if known else ""
        return ConfigError(f"{self.path}{line}: {dotted(loc)}: {message}")


def dotted(loc: Iterable[str | int]) -> str:
    """Write a key path as people do: `models.gpt.deployments[0].provider`."""
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else part)
    return out or "(top level)"


def load(path: Path, stand_in: StandIn = lambda loc: None) -> tuple[RouterConfig, Source]:
    """Read, resolve and validate a router configuration.

    Relative paths in it are taken from the file's own folder. What `stand_in` gives for a secret's place in the file is
    taken instead of the secret, which is then not read: "" for none at all. By default it gives nothing.

    Raises:
        ConfigError: with file, line, key path and what to write instead.
    """
    source = Source(path)
    if isinstance(source.data, dict) and "engine" in source.data:
        raise ConfigError(f"{path}: this is an engine host's file; name it under 'local.managed' of a router's file")
    data = _secrets(source, source.data, (), stand_in)
    config = parse(source, RouterConfig, data, ())
    base = path.resolve().parent
    local = config.local
    if local is not None and local.managed is not None:
        managed = base / local.managed
        if not managed.is_file():
            raise source.error(("local", "managed"), f"no such file: {managed}; write one, or give 'url' instead")
        local = local.model_copy(update={"managed": managed})
    record = config.record.model_copy(update={"path": base / config.record.path})
    privacy = config.privacy
    if privacy.names.model is not None:
        names = privacy.names.model_copy(update={"model": base / privacy.names.model})
        privacy = privacy.model_copy(update={"names": names})
    return config.model_copy(update={"local": local, "record": record, "privacy": privacy}), source


def parse(source: Source, model: type[Model], data: object, loc: Loc) -> Model:
    """Validate `data`, found at `loc` of the file, against a pydantic model.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # An unknown key is often a known one misspelt, which is then missing too: name the typo first.
        errors = error.errors(include_input=False, include_url=False)
        first = min(errors, key=lambda item: item["type"] != "extra_forbidden")
        where = (*loc, *(part for part in first["loc"]))
        if first["type"] == "extra_forbidden":
            key = str(where[-1])
            raise source.error(where, f"unknown key '{key}'{nearest(key, _keys(model, first['loc'][:-1]))}") from None
        raise source.error(where, str(first["msg"]).removeprefix("Value error, ")) from None


def _keys(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Name the keys that the section at `loc` knows."""
    annotation: object = model
    for part in loc:
        annotation = _inside(annotation, part)
    section = _unwrapped(annotation)
    return sorted(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _inside(annotation: object, part: str | int) -> object:
    """Step from a section into one of its fields, or from a mapping or list into its items."""
    annotation = _unwrapped(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = get_args(annotation)
    return arguments[1 if get_origin(annotation) is dict else 0] if arguments else None


def _unwrapped(annotation: object) -> object:
    """Take the section, mapping or list out of `X | None`."""
    if get_origin(annotation) in (Union, UnionType):
        return next((argument for argument in get_args(annotation) if argument is not NoneType), None)
    return annotation


def _secrets(source: Source, value: JsonValue, loc: Loc, stand_in: StandIn) -> object:
    """Replace `env:NAME` and `file:PATH` under the keys in `SECRETS` by what they refer to."""
    if isinstance(value, dict):
        optional = bool(value.get("optional", False))
        return {
            key: _secret(source, item, (*loc, key), optional, stand_in)
            if ((key in SECRETS and loc[:3] != _RULES) or (*loc, key) in _SECRET_PLACES)
            and not (key == "credentials" and item == _NO_SECRET)
            else _secrets(source, item, (*loc, key), stand_in)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_secrets(source, item, (*loc, index), stand_in) for index, item in enumerate(value)]
    return value


def _secret(source: Source, value: JsonValue, loc: Loc, optional: bool, stand_in: StandIn) -> SecretStr | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise source.error(loc, "write env:NAME or file:PATH")
    scheme, _, rest = value.partition(":")
    if scheme in ("env", "file") and (instead := stand_in(loc)) is not None:
        return SecretStr(instead) if instead else None
    if scheme == "env":
        found = os.environ.get(rest, "")
        if not found and not optional:
            raise source.error(loc, f"the environment variable {rest} is not set; set it (export {rest}=…)")
    elif scheme == "file":
        try:
            found = (source.path.resolve().parent / rest).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise source.error(loc, f"can't read the key file: {error}") from None
        if not found:
            raise source.error(loc, f"the key file {rest} is empty")
    else:
        raise source.error(loc, "a key must not stand in the file; write env:NAME or file:PATH")
    return SecretStr(found) if found else None


def is_set(reference: JsonValue) -> bool:
    """Whether `env:NAME` names a variable of the environment that holds something."""
    return isinstance(reference, str) and bool(os.environ.get(reference.removeprefix("env:")))


def limit_threads() -> None:
    """Give numpy's linear algebra one thread; call it before numpy is imported.

    A request's few rows gain nothing from a thread for every core, and cost other requests theirs.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
