"""Command line of the demo model: build it, or evaluate a server that serves it."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

MODEL = Path("local_inference/models/demo")
ADAPTERS = Path("adapters")


def _build(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine
    import torch

    from sona.demo.base import build_base
    from sona.demo.cards import write_card
    from sona.demo.lora import build_adapter
    from sona.demo.tasks import TASKS

    torch.set_num_threads(arguments.threads)
    started = time.monotonic()
    if arguments.only is None or "base" in arguments.only:
        build_base(arguments.model)
    for task in TASKS:
        if arguments.only is None or task.name in arguments.only:
            folder = arguments.adapters / task.name
            score = build_adapter(task, arguments.model, folder)
            write_card(task, folder, score)
            print(f"{task.name}: held-out exact match {score:.3f}", flush=True)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)


def _evaluate(arguments: argparse.Namespace) -> None:
    from sona.demo.evaluate import Settings, evaluate

    settings = Settings(
        url=arguments.url,
        base=arguments.base,
        auto=arguments.auto,
        adapter=arguments.adapter,
        count=arguments.count,
        concurrency=arguments.concurrency,
        api_key=arguments.api_key,
    )
    table = asyncio.run(evaluate(settings))
    print(table)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sona.demo", description=__doc__)
    commands = parser.add_subparsers(required=True)
    build = commands.add_parser("build", help="train the tokenizer, the base model and the adapters")
    build.add_argument("--model", type=Path, default=MODEL)
    build.add_argument("--adapters", type=Path, default=ADAPTERS)
    build.add_argument("--threads", type=int, default=2)
    build.add_argument("--only", nargs="+", help="build only these: base, or names of adapters")
    build.set_defaults(run=_build)
    check = commands.add_parser("evaluate", help="measure exact match and adapter choice over HTTP")
    check.add_argument("--url", default="http://127.0.0.1:8080/v1")
    check.add_argument("--out", type=Path, help="also write the table to this file")
    check.add_argument("--base", default="local/base", help="model name that means the base model")
    check.add_argument("--auto", default="local", help="model name that lets SONA choose; empty: skip")
    check.add_argument("--adapter", default="{name}", help="model name of an adapter")
    check.add_argument("--count", type=int, default=60, help="held-out prompts per task")
    check.add_argument("--concurrency", type=int, default=8)
    check.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    check.set_defaults(run=_evaluate)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command, return its exit status."""
    arguments = _parser().parse_args(argv)
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
