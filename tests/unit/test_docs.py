"""What the documentation says is so: keys, defaults, codes, commands, examples and links are compared with the code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import shutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from local_inference import settings
from local_inference.card import read_card
from router import compose
from router.cli import app
from router.config.load import load
from router.config.schema import PluginConfig, RouterConfig
from router.core import errors
from router.core.plugin import kinds
from router.privacy.severity import DEFAULTS, QUALIFIER
from router.record.metrics import Metrics
from router.server.app import SERVED
from router.wire.dialects import codec

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")],
    key=lambda page: str(page.relative_to(ROOT)),
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def every_page(pages: list[Path] = PAGES) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=name_of)


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


# -- keys of the configuration and their defaults


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key path, default) of a section and of what is inside it, as docs/configuration.md writes them."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        shape, inner = _section(field.annotation)
        default = field.get_default(call_default_factory=True)
        if not (inner and shape == "" and isinstance(default, BaseModel)):
            yield path, _written(field, default)
        if inner is not None:
            yield from keys(inner, f"{path}{shape}.")


def _section(annotation: object) -> tuple[str, type[BaseModel] | None]:
    """Find the section that a field holds, and how its path is written: `x.`, `x[].` or `x.<name>.`."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(one for one in get_args(annotation) if one is not NoneType)
    if annotation is PluginConfig:
        return "", None  # a plug-in's row is mostly its kind alone
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "", annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is dict and _section(arguments[1])[1]:
        return ".<name>", _section(arguments[1])[1]
    if get_origin(annotation) is tuple and _section(arguments[0])[1]:
        return "[]", _section(arguments[0])[1]
    return "", None


def _written(field: FieldInfo, default: object) -> str:
    """Write a default as YAML would."""
    if field.is_required():
        return "required"
    value: object = default
    match default:
        case None:
            value = "null"
        case Enum() | Path():
            value = str(getattr(default, "value", default))
        case bool():
            value = str(default).lower()
        case tuple() | frozenset():
            value = f"[{', '.join(map(str, default))}]"
        case float() if default.is_integer():
            value = int(default)
        case _:
            pass
    return f"`{value}`"


def all_keys() -> Iterator[tuple[str, str, str]]:
    """Yield (heading, key path, default) of everything that a configuration file may hold."""
    for path, default in keys(RouterConfig):
        yield "Router", path, default
    for kind in ("openai_compatible", "anthropic", "gemini", "cohere", "bedrock"):
        for path, default in keys(importlib.import_module(f"router.providers.{kind}").Config):
            yield f"Provider kind `{kind}`", path, default
    for kind in kinds("router.routing.strategies"):
        for path, default in keys(importlib.import_module(f"router.routing.strategies.{kind}").Config):
            yield f"Strategy `{kind}`", path, default
    for kind in kinds("router.execution.gates"):
        for path, default in keys(importlib.import_module(f"router.execution.gates.{kind}").Config):
            yield f"Gate kind `{kind}`", path, default
    for kind in kinds("router.record.sinks"):
        for path, default in keys(importlib.import_module(f"router.record.sinks.{kind}").Config):
            yield f"Sink kind `{kind}`", path, default
    for path, default in keys(settings.Settings):
        if not path.startswith("engine"):
            yield "Engine host", path, default
    for path, default in keys(importlib.import_module("local_inference.engines.vllm").Config):
        yield "Engine kind `vllm`", path, default


def sections(text: str) -> dict[str, str]:
    """Split a page at its second-level headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("heading", "key", "default"), list(all_keys()))
def test_every_key_is_documented_with_its_default(heading: str, key: str, default: str) -> None:
    assert f"\n| `{key}` | {default} |" in sections(text_of("configuration.md"))[heading]


def test_no_key_is_documented_that_does_not_exist() -> None:
    known = {(heading, key) for heading, key, _ in all_keys()}
    documented = {
        (heading, key)
        for heading, text in sections(text_of("configuration.md")).items()
        if heading in {heading for heading, _ in known}
        for key in re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    }
    assert documented == known


# -- examples


def blocks() -> list[Any]:
    """All YAML blocks of all pages."""
    found: list[Any] = []
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)):
            found.append(pytest.param(block, id=f"{name_of(page)}:{number}"))
    return found


@pytest.mark.parametrize("block", blocks())
def test_every_yaml_example_works(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a configuration of the router, one of the engine host, or an adapter's card."""
    for name in set(re.findall(r"env:(\w+)", block)):
        monkeypatch.setenv(name, "a-key-that-is-long-enough")
    for folder in re.findall(r"model: /([\w/]+)", block):
        (tmp_path / folder).mkdir(parents=True)
    block = block.replace("model: /", f"model: {tmp_path}/")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    file = tmp_path / "configs" / "example.yaml"
    file.write_text(block)
    for folder in re.findall(r"model: (models/\w+)", block):
        (file.parent / folder).mkdir(parents=True)
    top = set(yaml.safe_load(block))
    if top <= set(RouterConfig.model_fields):
        compose.check(*load(file))
    elif "engine" in top:
        assert settings.load(file)
    else:
        reading = read_card({"card.yaml": block.encode()}.get)
        assert not reading.warnings
        assert reading.card.description


def python_blocks(pages: list[Path]) -> list[Any]:
    return [
        pytest.param(block, id=f"{name_of(page)}:{number}")
        for page in pages
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
    ]


@pytest.mark.parametrize("block", python_blocks(PAGES))
def test_every_python_example_is_python(block: str) -> None:
    ast.parse(block)


@pytest.mark.parametrize("block", python_blocks([DOCS / "extending.md"]))
def test_every_example_of_an_extension_runs_and_builds(block: str) -> None:
    module: dict[str, Any] = {"__name__": "extension"}
    exec(compile(block, "extension", "exec", dont_inherit=True), module)
    values = {"kind": "x", "model": "x", "base_url": "https://example.com", "api_key": "x", "url": "http://127.0.0.1:9"}
    config = module.get("Config")
    known = {key: value for key, value in values.items() if config and key in config.model_fields}
    built = [config.model_validate(known)] if config else []
    arguments = {"build": built, "name": [*built, "x"], "deps": [*built, None]}
    last = list(inspect.signature(module["build"]).parameters)[-1:]
    assert module["build"](*arguments.get(last[0] if last else "", built))


# -- commands, variables, links


@every_page()
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|&& )make ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


@every_page()
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    groups = {group.name for group in app.registered_groups}
    for command, rest in re.findall(r"sona-router ([a-z][a-z-]+)([^`\n]*)", page.read_text()):
        words = [command, rest.split()[0]] if command in groups and rest.strip() else [command]
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert shown.exit_code == 0, f"sona-router has no command '{command}'"
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown.output
    for module in re.findall(r"python -m ([a-z_.]+)", page.read_text()):
        assert importlib.util.find_spec(module.rstrip(".")), f"there is no module {module}"


@every_page()
def test_every_environment_variable_that_is_named_exists(page: Path) -> None:
    prose = re.sub(r"^```yaml\n.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    places = [
        *(ROOT / "configs").rglob("*.yaml"),
        ROOT / "docker-compose.yml",
        *(ROOT / "local_inference").rglob("*.py"),
    ]
    known = "\n".join(place.read_text() for place in places)
    for name in re.findall(r"\b(?:SONA_[A-Z_]+|[A-Z]+_API_KEY|HF_[A-Z_]+|VLLM_[A-Z_]+)\b", prose):
        assert name in known, f"nothing reads {name}"


@every_page()
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", page.read_text()):
        target = (link[0] or link[1]).partition("#")[0]
        if target and "://" not in target:
            assert (page.parent / target).exists(), target


@every_page()
def test_every_file_that_is_named_exists(page: Path) -> None:
    for name in re.findall(
        r"`((?:router|sona|local_inference|configs|tests|bench|scripts|docs)/[\w./-]+)`", page.read_text()
    ):
        assert (ROOT / name).exists() or name.startswith("bench/results"), name


@every_page()
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:work|root|tmp|opt|home)/", page.read_text())


# -- tables


ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, errors.RouterError)
    and kind not in (errors.RouterError, errors.UpstreamError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_documented_as_it_is(kind: type[errors.RouterError]) -> None:
    status = "-" if kind is errors.ConfigError else str(kind.status)
    row = (
        f"\n| `{kind.__name__}` | {status} | `{kind.code}` | `{kind.type}` | {kind.retry.value} | {kind.blame.value} |"
    )
    assert row in text_of("errors.md")


def test_no_error_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `([A-Z]\w+)` \|", text_of("errors.md"), re.MULTILINE))
    assert documented == {kind.__name__ for kind in ERRORS}


def reason_codes() -> set[str]:
    """Read from the source why adapters are turned down: arguments of `Rejected`, and the table of PEFT options."""
    found: set[str] = set()
    for file in (ROOT / "local_inference").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = {"Rejected": 0, "_Unsupported": 2}.get(node.func.id)
            argument = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(argument, ast.Constant):
                found.add(str(argument.value))
    return found


def test_the_reason_codes_of_adapters_are_all_documented() -> None:
    table = sections(text_of("adapters.md"))["Reason codes"]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == reason_codes()


def test_the_metrics_are_all_documented() -> None:
    table = sections(text_of("operations.md"))["Metrics"]
    documented = set(re.findall(r"^\| `(sona_\w+)` \|", table, re.MULTILINE))
    assert documented == {
        f"{family.name}_total" if family.type == "counter" else family.name for family in Metrics().registry.collect()
    }


def test_the_endpoints_are_all_documented() -> None:
    page = sections(text_of("operations.md"))
    for heading, files in (
        ("Endpoints of the router", [*(ROOT / "router" / "server").rglob("*.py")]),
        ("Endpoints of the engine host", [ROOT / "local_inference" / "server.py"]),
    ):
        source = "\n".join(file.read_text() for file in files)
        routed = set(re.findall(r"(?:Route|add_api_route|app\.get|app\.post)\(\s*\"([^\"]+)\"", source))
        routed |= {
            path for group in re.findall(r"for path in \(([^)]*)\)", source) for path in re.findall(r'"([^"]+)"', group)
        }
        if "router" in heading:
            routed |= {codec(dialect).path for dialect in SERVED}
        documented = set(re.findall(r"^\| `[A-Z]+ ([^`]+)` \|", page[heading], re.MULTILINE))
        assert documented == {re.sub(r"\{(\w+):path\}", r"{\1}", path) for path in routed}


def test_the_response_headers_are_all_in_the_readme() -> None:
    source = (ROOT / "router" / "record" / "trace.py").read_text()
    sent = set(re.findall(r"\"(x-[a-z-]+)\"", source))
    documented = set(re.findall(r"`(x-[a-z-]+)`", sections((ROOT / "README.md").read_text())["Response headers"]))
    assert sent <= documented


def test_the_fields_of_a_decision_record_are_all_documented() -> None:
    from router.core.types import Outcome

    table = sections(text_of("operations.md"))["Decision records"]
    assert set(re.findall(r"`(\w+)`", table)) >= set(Outcome.__struct_fields__)


def test_every_entity_type_is_documented() -> None:
    table = sections(text_of("privacy.md"))["Entity types"]
    assert set(re.findall(r"\b[A-Z]{2,}[A-Z_]*\b", table)) >= DEFAULTS.keys() - {QUALIFIER}
