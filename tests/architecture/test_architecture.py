"""Rules that no type checker and no import contract can hold, checked on the syntax trees of all modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("router", "sona", "local_inference")
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}


class Module(NamedTuple):
    """A source file: where it is (from the root, with slashes), its text and its tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    texts = [(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")) for file in files]
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts)


def name_of(node: ast.expr) -> str:
    """The dotted name that an expression spells; empty if it is none."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{name_of(node.value)}.{node.attr}"
        case _:
            return ""


def constructions(tree: ast.AST, struct: str) -> Iterator[int]:
    """Lines that make a `struct`: by call, by decoding into it, or by copying one with changes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = name_of(node.func).rpartition(".")[2]
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            into = any(name_of(argument).rpartition(".")[2] == struct for argument in arguments)
            if called == struct or (into and called in ("convert", "decode", "Decoder", "cast", "replace", "__new__")):
                yield node.lineno


def environment_reads(tree: ast.AST) -> Iterator[int]:
    """Lines that read the environment; `{**os.environ, …}`, which only hands it to a child, is none."""
    handed_on = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in handed_on:
            if name_of(node) in ("os.environ", "os.environb", "os.getenv", "environ", "getenv"):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in ("environ", "getenv"))


CLOCKS = {f"time.{name}{ns}" for name in ("time", "monotonic", "perf_counter", "process_time") for ns in ("", "_ns")}
CLOCKS |= {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"}


def clock_reads(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        by_name = isinstance(node, ast.Attribute) and name_of(node) in CLOCKS
        if by_name or (isinstance(node, ast.ImportFrom) and node.module == "time"):
            yield node.lineno


def prints(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func) in ("print", "pprint", "pprint.pprint"):
            yield node.lineno


def silent_catch_alls(text: str, tree: ast.AST) -> Iterator[int]:
    """Handlers that catch everything without a word why. One that always raises again needs none."""
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        everything = any(one is None or name_of(one) in ("Exception", "BaseException") for one in caught)
        last = node.body[-1]
        raises_again = isinstance(last, ast.Raise) and last.exc is None
        comment = lines[node.lineno - 1].partition("#")[2]
        reason = re.sub(r"noqa:?\s*[A-Z0-9, ]*|pragma:?[\w ]*", "", comment).strip(" #()")
        if everything and not raises_again and len(reason.split()) < 3:
            yield node.lineno


def offences(found: dict[str, list[int]], allowed: set[str]) -> list[str]:
    return [f"{path}:{line}" for path, lines in found.items() if path not in allowed for line in lines]


def test_only_clearance_makes_what_a_cloud_provider_accepts() -> None:
    found = {module.path: list(constructions(module.tree, "Cleared")) for module in modules()}
    assert found["router/policy/clearance.py"], "the guard finds nothing even where it must"
    assert offences(found, {"router/policy/clearance.py"}) == []


def test_the_environment_is_read_where_configuration_is() -> None:
    found = {module.path: list(environment_reads(module.tree)) for module in modules()}
    assert found["router/config/load.py"], "the guard finds nothing even where it must"
    allowed = {"router/config/load.py", "local_inference/settings.py"}
    # base.py asks where the hub's cache lies, by the hub library's own variables; vllm.py extends a path for its child.
    allowed |= {"local_inference/base.py", "local_inference/engines/vllm.py"}
    # These run in vLLM's process: what they must know stands in its environment.
    allowed |= {"local_inference/engines/_vllm_admin.py", "local_inference/engines/_vllm_scheduler.py"}
    allowed |= {module.path for module in modules() if module.path.startswith("sona/demo/")}
    assert offences(found, allowed) == []


def test_the_router_takes_the_time_from_its_clock() -> None:
    found = {module.path: list(clock_reads(module.tree)) for module in modules() if module.path.startswith("router/")}
    assert found["router/core/clock.py"], "the guard finds nothing even where it must"
    assert offences(found, {"router/core/clock.py"}) == []


def test_nothing_prints_but_the_command_line() -> None:
    found = {module.path: list(prints(module.tree)) for module in modules()}
    allowed = {"router/cli.py", "router/serve.py", "local_inference/__main__.py"}
    allowed |= {module.path for module in modules() if module.path.startswith("sona/demo/")}
    assert offences(found, allowed) == []


def test_every_catch_all_says_why() -> None:
    found = {module.path: list(silent_catch_alls(module.text, module.tree)) for module in modules()}
    assert offences(found, set()) == []


def test_no_drawer_for_odds_and_ends() -> None:
    assert [
        module.path
        for module in modules()
        if Path(module.path).name in FORBIDDEN_NAMES and not module.path.startswith("sona/demo/")
    ] == []


def test_every_module_says_what_lives_in_it() -> None:
    assert [module.path for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)] == []


@pytest.mark.parametrize(
    ("code", "guard"),
    [
        ("types.Cleared(body=b)", lambda tree: constructions(tree, "Cleared")),
        ("msgspec.structs.replace(c, target=Cleared)", lambda tree: constructions(tree, "Cleared")),
        ("msgspec.convert(x, Cleared)", lambda tree: constructions(tree, "Cleared")),
        ("os.environ['KEY']", environment_reads),
        ("os.getenv('KEY')", environment_reads),
        ("from os import environ", environment_reads),
        ("start(env=os.environ)", environment_reads),
        ("now = time.monotonic()", clock_reads),
        ("from time import time", clock_reads),
        ("datetime.now(UTC)", clock_reads),
        ("print(prompt)", prints),
    ],
)
def test_each_guard_sees_what_it_guards_against(code: str, guard: object) -> None:
    assert callable(guard)
    assert list(guard(ast.parse(code)))


@pytest.mark.parametrize(
    ("handler", "caught"),
    [
        ("except Exception:", True),
        ("except Exception:  # noqa: BLE001", True),
        ("except:", True),
        ("except (KeyError, Exception):", True),
        ("except Exception:  # noqa: BLE001 a sink at fault must not cost the answer", False),
        ("except KeyError:", False),
    ],
)
def test_the_guard_on_catch_alls_wants_a_reason(handler: str, caught: bool) -> None:
    text = f"try:\n    f()\n{handler}\n    pass\n"
    assert bool(list(silent_catch_alls(text, ast.parse(text)))) is caught


def test_the_environment_may_be_handed_to_a_child() -> None:
    assert list(environment_reads(ast.parse("start(env={**os.environ, 'KEY': key})"))) == []
