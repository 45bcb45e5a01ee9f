"""Measures a running server over the OpenAI chat endpoint and writes a Markdown table."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import httpx

from sona.demo.outside import OUT_OF_SCOPE
from sona.demo.tasks import TASKS, Example, Task
from sona.demo.words import Split

CHOICE_HEADER = "x-router-adapter"
NONE = "none"
EVALUATION_SEED = 2024
MOST_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Settings:
    """Which server to measure and how."""

    url: str
    base: str = "local/base"
    auto: str = "local"
    adapter: str = "{name}"
    count: int = 60
    concurrency: int = 8
    api_key: str = "none"
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered, and the adapter that it says it used."""

    text: str
    adapter: str


@dataclass(slots=True)
class TaskScore:
    """Right answers of one task by model, and what SONA chose."""

    count: int = 0
    right: dict[str, int] = field(default_factory=dict[str, int])
    chosen: dict[str, int] = field(default_factory=dict[str, int])


class _Client:
    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._url = f"{settings.url.rstrip('/')}/chat/completions"
        self._gate = asyncio.Semaphore(settings.concurrency)

    async def ask(self, model: str, prompt: str) -> Reply:
        """Send one prompt at temperature 0."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
        }
        async with self._gate:
            response = await self._http.post(self._url, json=body)
        if response.status_code != 200:
            code = f"HTTP {response.status_code}"
            raise RuntimeError(f"{code} for model {model!r}: {response.text[:300]}")
        content = response.json()["choices"][0]["message"]["content"] or ""
        return Reply(content.strip(), response.headers.get(CHOICE_HEADER, ""))


async def _score_task(client: _Client, settings: Settings, task: Task) -> TaskScore:
    examples = task.examples(Split.HELD_OUT, settings.count, seed=EVALUATION_SEED)
    columns = {"base": settings.base, **{t.name: settings.adapter.format(name=t.name) for t in TASKS}}
    if settings.auto:
        columns["SONA"] = settings.auto
    score = TaskScore(len(examples), dict.fromkeys((*columns, "random", "oracle"), 0))
    rng = Random(f"random/{task.name}")
    drawn = [rng.choice(TASKS).name for _ in examples]

    async def one(example: Example, random_name: str) -> None:
        async with asyncio.TaskGroup() as group:
            asked = {name: group.create_task(client.ask(model, example.prompt)) for name, model in columns.items()}
        replies = {name: reply.result() for name, reply in asked.items()}
        for name, reply in replies.items():
            score.right[name] += reply.text == example.answer
        score.right["random"] += replies[random_name].text == example.answer
        score.right["oracle"] += replies[task.name].text == example.answer
        if "SONA" in replies:
            choice = replies["SONA"].adapter
            score.chosen[choice] = score.chosen.get(choice, 0) + 1

    async with asyncio.TaskGroup() as group:
        for example, random_name in zip(examples, drawn, strict=True):
            group.create_task(one(example, random_name))
    return score


async def _abstentions(client: _Client, settings: Settings) -> tuple[int, int]:
    """Count out-of-scope prompts for which SONA chose no adapter, and all of them."""
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(client.ask(settings.auto, prompt)) for prompt in OUT_OF_SCOPE]
    return sum(reply.result().adapter == NONE for reply in asked), len(asked)


async def evaluate(settings: Settings) -> str:
    """Measure every column on every task and return the table as Markdown.

    Raises: RuntimeError when the server refuses a request, httpx.HTTPError when it can't be reached.
    """
    headers = {"authorization": f"Bearer {settings.api_key}"}
    async with httpx.AsyncClient(timeout=settings.timeout_s, headers=headers) as http:
        client = _Client(http, settings)
        scores = {task.name: await _score_task(client, settings, task) for task in TASKS}
        outside = await _abstentions(client, settings) if settings.auto else None
    return render_table(scores, outside)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def render_table(scores: dict[str, TaskScore], outside: tuple[int, int] | None) -> str:
    """Write the scores as Markdown: exact match, then SONA's choices."""
    columns = list(next(iter(scores.values())).right)
    whole = sum(score.count for score in scores.values())
    lines = [
        f"Exact match on held-out prompts ({whole} in all), temperature 0.",
        "",
        f"| task | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    for name, score in scores.items():
        lines.append(f"| {name} | {' | '.join(_share(score.right[c], score.count) for c in columns)} |")
    total = [_share(sum(score.right[c] for score in scores.values()), whole) for c in columns]
    lines += [f"| **all** | {' | '.join(total)} |", ""]
    if outside is not None:
        right = sum(score.chosen.get(name, 0) for name, score in scores.items())
        lines += [
            "| SONA | share | of |",
            "|---|---:|---:|",
            f"| right adapter | {_share(right, whole)} | {whole} |",
        ]
        lines += [
            f"| no adapter, out-of-scope prompts | {_share(*outside)} | {outside[1]} |",
            "",
            _choices(scores),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _choices(scores: dict[str, TaskScore]) -> str:
    names = sorted({choice for score in scores.values() for choice in score.chosen})
    lines = [
        f"| prompts of / SONA chose | {' | '.join(name or '(no header)' for name in names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for task, score in scores.items():
        lines.append(f"| {task} | {' | '.join(str(score.chosen.get(name, 0)) for name in names)} |")
    return "\n".join(lines)
