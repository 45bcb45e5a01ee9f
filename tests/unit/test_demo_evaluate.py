"""The evaluation of the demo: what it asks a server and how it writes the table."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sona.demo.evaluate import EVALUATION_SEED, Settings, evaluate
from sona.demo.tasks import TASKS
from sona.demo.words import Split

_ANSWERS = {
    example.prompt: (task.name, example.answer)
    for task in TASKS
    for example in task.examples(Split.HELD_OUT, 2, seed=EVALUATION_SEED)
}


class _Server(BaseHTTPRequestHandler):
    """A server whose adapters know their own task, and whose choice is always right."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, answer = _ANSWERS.get(body["messages"][-1]["content"], ("none", "I can't."))
        right = body["model"] in (name, "local")
        reply = json.dumps({"choices": [{"message": {"content": answer if right else "no"}}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(reply)))
        if body["model"] == "local":
            self.send_header("x-router-adapter", name)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_table_shows_base_adapters_choice_and_oracle(url: str) -> None:
    table = asyncio.run(evaluate(Settings(url=url, count=2, concurrency=4)))
    header, _, *rows = table.split("\n")[2:]
    columns = [cell.strip() for cell in header.strip("|").split("|")]
    assert columns == ["task", "base", *(task.name for task in TASKS), "SONA", "random", "oracle"]
    for task, row in zip(TASKS, rows, strict=False):
        cells = dict(zip(columns, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
        assert cells["task"] == task.name
        assert cells["base"] == "0 %"
        assert cells["SONA"] == cells["oracle"] == cells[task.name] == "100 %"
    assert "| right adapter | 100 % | 10 |" in table
    assert "| no adapter, out-of-scope prompts | 100 % | 60 |" in table


def test_choice_is_left_out_when_the_server_has_none(url: str) -> None:
    table = asyncio.run(evaluate(Settings(url=url, auto="", count=1)))
    assert "SONA" not in table
