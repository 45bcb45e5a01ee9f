"""The engine host with a real vLLM on a tiny random model. One start serves the whole module; the order matters."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from local_inference.canary import distance
from tests.fakes.engine_tiny_model import write_adapter, write_model

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.timeout(300),
]
START_S = 200
BASE_BODY: dict[str, object] = {
    "model": "base",
    "max_tokens": 8,
    "temperature": 0,
    "messages": [{"role": "user", "content": "hello"}],
}


class HostProcess:
    """`python -m local_inference` as a child, and what it started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.adapters = root / "adapters"
        write_model(root / "model")
        engine = "{kind: vllm, model: model, max_loras: 2, max_cpu_loras: 3, adapter_patience_s: 1}"
        (root / "local.yaml").write_text(f"port: 0\nadapters_dir: adapters\nstore_dir: var/store\nengine: {engine}\n")
        self.log = (root / "host.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local_inference", "--config", str(root / "local.yaml")],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.process.stdout is not None
        url = re.search(r"http://\S+", self.process.stdout.readline())
        assert url is not None
        limits = httpx.Limits(max_connections=None)
        self.http = httpx.Client(base_url=url.group(), timeout=60, trust_env=False, limits=limits)

    def wait_ready(self) -> float:
        started = time.monotonic()
        while self.http.get("/ready").status_code != 200:
            assert time.monotonic() - started < START_S, (self.root / "host.log").read_text()[-4000:]
            assert self.process.poll() is None, (self.root / "host.log").read_text()[-4000:]
            time.sleep(0.2)
        return time.monotonic() - started

    def ask(self, model: str, **fields: object) -> httpx.Response:
        return self.http.post("/v1/chat/completions", json={**BASE_BODY, "model": model, **fields})

    def infos(self) -> dict[str, dict[str, str]]:
        return {info["name"]: info for info in self.http.get("/v1/adapters").json()["data"]}

    def engine_processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.log.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Generator[HostProcess]:
    root = tmp_path_factory.mktemp("vllm")
    for seed, name in enumerate(("legal", "medical", "sql", "poetry"), 1):
        write_adapter(root / "adapters" / name, seed=seed)
    write_adapter(root / "adapters" / "silent", seed=9, lora_alpha=0)
    running = HostProcess(root)
    try:
        seconds = running.wait_ready()
        sys.stderr.write(f"\nvLLM start: {seconds:.1f} s\n")
        yield running
    finally:
        running.close()


def wait_for(probe: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(processes: list[psutil.Process], timeout_s: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout_s)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def answer_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def test_every_adapter_answers_in_its_own_way(host: HostProcess) -> None:
    infos = host.infos()
    names = ["legal", "medical", "sql", "poetry"]
    assert [infos[name]["state"] for name in names] == ["ready"] * 4
    answers = {name: answer_of(host.ask(name)) for name in [*names, "base"]}
    assert len(set(answers.values())) == 5, answers
    response = host.ask("legal")
    assert response.json()["model"] == response.headers["x-adapter"] == f"legal@{infos['legal']['version']}"
    assert host.ask("base").json()["model"] == "local/base"


def test_an_adapter_without_effect_is_found_by_the_canary(host: HostProcess) -> None:
    silent = host.infos()["silent"]
    assert (silent["state"], silent["reason"]) == ("quarantined", "no_effect")


def test_a_dropped_adapter_is_ready_within_two_seconds(host: HostProcess) -> None:
    write_adapter(host.adapters / "new", seed=11)
    dropped = time.monotonic()
    while host.infos().get("new", {}).get("state") != "ready":
        assert time.monotonic() - dropped < 2, host.infos()["new"]
        time.sleep(0.02)
    seconds = time.monotonic() - dropped
    assert answer_of(host.ask("new")) != answer_of(host.ask("base"))
    sys.stderr.write(f"\ndrop to ready: {seconds:.2f} s, load: {host.infos()['new']['load_ms']} ms\n")


def test_an_adapter_is_proven_while_all_slots_are_held_by_answers_that_do_not_end(host: HostProcess) -> None:
    def drop() -> None:
        wait_for(lambda: running(host) == 2)
        write_adapter(host.adapters / "meanwhile", seed=13)
        wait_for(lambda: host.infos().get("meanwhile", {}).get("state") == "ready")

    async def ended_before_it_was_ready() -> list[bool]:
        async with httpx.AsyncClient(base_url=host.http.base_url, timeout=60, trust_env=False) as http:
            long = {"prompt": "hello", "max_tokens": 1900, "ignore_eos": True}
            asking = [
                asyncio.create_task(http.post("/v1/completions", json={"model": model, **long}))
                for model in ("legal", "medical")
            ]
            await asyncio.to_thread(drop)
            ended = [one.done() for one in asking]
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            return ended

    assert asyncio.run(ended_before_it_was_ready()) == [False, False], host.infos()["meanwhile"]["steps_ms"]
    shutil.rmtree(host.adapters / "meanwhile")
    wait_for(lambda: "meanwhile" not in host.infos())


def test_an_edit_changes_the_answers_of_its_name(host: HostProcess) -> None:
    before, old = answer_of(host.ask("new")), host.infos()["new"]["version"]
    write_adapter(host.adapters / "new", seed=12)
    deadline = time.monotonic() + 5
    while host.ask("new").headers["x-adapter"] == f"new@{old}":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer_of(host.ask("new")) != before


def engine(host: HostProcess) -> tuple[str, dict[str, str]]:
    """Return vLLM's own address and the header with its key."""
    server = next(one for one in host.engine_processes() if "vllm.entrypoints" in str(one.cmdline()[2:4]))
    command = server.cmdline()
    url = f"http://127.0.0.1:{command[command.index('--port') + 1]}"
    return url, {"authorization": f"Bearer {server.environ()['VLLM_API_KEY']}"}


def memory_of(host: HostProcess) -> dict[str, list[str]]:
    """Ask vLLM itself, past the host."""
    url, headers = engine(host)
    for path in ("/sona/adapters", "/v1/models", "/version", "/metrics", "/health", "/openapi.json"):
        assert httpx.get(url + path, trust_env=False).status_code == 401, path
    assert httpx.post(f"{url}/tokenize", json={"prompt": "Hello"}, trust_env=False).status_code == 401
    return httpx.get(f"{url}/sona/adapters", headers=headers, trust_env=False).json()


def computed(host: HostProcess) -> float:
    """Count the requests that vLLM computes now."""
    return told(host, "vllm:num_requests_running")


def told(host: HostProcess, name: str) -> float:
    """Read one of vLLM's own metrics."""
    url, headers = engine(host)
    text = httpx.get(f"{url}/metrics", headers=headers, trust_env=False).text
    found = re.search(rf"^{name}\S* (\S+)", text, re.MULTILINE)
    assert found is not None
    return float(found.group(1))


def running(host: HostProcess) -> float:
    found = re.search(r"^\w*engine_queue_running ([\d.]+)", host.http.get("/metrics").text, re.M)
    assert found is not None
    return float(found.group(1))


def test_a_removed_adapter_answers_its_100_running_requests_and_is_gone_after(host: HostProcess) -> None:
    write_adapter(host.adapters / "leaving", seed=21)
    wait_for(lambda: host.infos().get("leaving", {}).get("state") == "ready")
    id = f"leaving@{host.infos()['leaving']['version']}"
    answers: list[list[int]] = [[] for _ in range(100)]

    until = time.monotonic() + 60

    def ask_until_gone(statuses: list[int]) -> None:
        while time.monotonic() < until and (not statuses or statuses[-1] == 200):
            statuses.append(host.ask("leaving", max_tokens=150, ignore_eos=True).status_code)

    with ThreadPoolExecutor(100) as pool:
        asking = [pool.submit(ask_until_gone, statuses) for statuses in answers]
        wait_for(lambda: running(host) > 50)
        shutil.rmtree(host.adapters / "leaving")
        for one in asking:
            one.result()
    assert {tuple(statuses[-2:]) for statuses in answers} == {(200, 404)}, "those running were answered, the next not"
    wait_for(lambda: "leaving" not in host.infos())
    wait_for(lambda: id not in memory_of(host)["host"])
    assert memory_of(host)["unnamed"] == 0


def test_loading_the_same_adapter_again_makes_no_second_copy(host: HostProcess) -> None:
    wait_for(lambda: len(memory_of(host)["host"]) <= 3)
    for _ in range(3):
        write_adapter(host.adapters / "again", seed=22)
        wait_for(lambda: host.infos().get("again", {}).get("state") == "ready")
        held = memory_of(host)
        assert (len([one for one in held["host"] if one.startswith("again@")]), held["unnamed"]) == (1, 0)
        shutil.rmtree(host.adapters / "again")
        wait_for(lambda: not any(one.startswith("again@") for one in memory_of(host)["host"]))


def test_where_adapters_are_is_what_vllm_says(host: HostProcess) -> None:
    for name in ("legal", "medical", "sql", "poetry"):
        assert host.ask(name).status_code == 200
    held = memory_of(host)
    assert (len(held["host"]), len(held["device"])) == (3, 2)

    def told() -> bool:
        places = {info["name"]: info["residency"] for info in host.infos().values()}
        truth = {id.partition("@")[0]: "host" for id in held["host"]}
        truth |= {id.partition("@")[0]: "device" for id in held["device"]}
        return all(places[name] == truth.get(name, "disk") for name in ("legal", "medical", "sql", "poetry"))

    wait_for(told)
    assert all(info["load_ms"] and info["activate_ms"] for info in host.infos().values() if info["state"] == "ready")


def test_an_adapter_that_is_pinned_while_it_is_on_the_disk_is_fetched(host: HostProcess) -> None:
    for name in ("medical", "sql", "poetry"):
        assert host.ask(name).status_code == 200
    held = memory_of(host)["host"]
    gone = next(name for name in ("legal", "medical", "sql", "poetry") if not any(name in id for id in held))
    host.http.post(f"/v1/adapters/{gone}:pin")
    wait_for(lambda: any(id.startswith(f"{gone}@") for id in memory_of(host)["host"]))
    assert len(memory_of(host)["host"]) == 3
    host.http.post(f"/v1/adapters/{gone}:unpin")


def test_a_rare_adapter_gets_a_slot_though_two_others_never_let_go(host: HostProcess) -> None:
    wait_for(lambda: computed(host) == 0, 60)
    enough = threading.Event()
    took_s: list[float] = []

    def timed(name: str, **fields: object) -> float:
        started_s = time.monotonic()
        assert host.ask(name, **fields).status_code == 200
        return time.monotonic() - started_s

    def keep_asking(name: str, tokens: int) -> None:
        while not enough.is_set():
            took_s.append(timed(name, max_tokens=tokens, ignore_eos=True))

    with ThreadPoolExecutor(12) as pool:
        asking = [pool.submit(keep_asking, ("legal", "medical")[n % 2], 60 + 8 * n) for n in range(12)]
        try:
            wait_for(lambda: len(took_s) >= 50)  # by then vLLM knows what such answers take
            rare_s = [timed("sql") for _ in range(8)]
        finally:
            enough.set()
        for one in asking:
            one.result()
    assert max(rare_s) < 8 * statistics.median(took_s), "left alone, vLLM lets it wait for tens of answers"


def test_answers_that_do_not_end_give_way_and_are_finished_later(host: HostProcess) -> None:
    tokens = 1200
    long = {"prompt": "hello", "max_tokens": tokens, "ignore_eos": True, "temperature": 0}

    def ask(name: str) -> dict[str, object]:
        answer = host.http.post("/v1/completions", json={"model": name, **long}).json()
        return {"text": answer["choices"][0]["text"], "tokens": answer["usage"]["completion_tokens"]}

    alone = ask("legal")
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask, name) for name in ("legal", "medical")]
        wait_for(lambda: running(host) == 2)
        assert host.ask("sql").status_code == 200
        assert [one.done() for one in asking] == [False, False], "the rare one need not wait for their ends"
        legal, medical = (one.result() for one in asking)
    assert medical["tokens"] == tokens
    assert legal == alone, "nothing is lost and nothing comes twice"
    assert told(host, "vllm:num_preemptions_total") > 0


def test_a_stream_comes_through_with_usage(host: HostProcess) -> None:
    text = host.ask("legal", stream=True, stream_options={"include_usage": True}).text
    assert text.endswith("data: [DONE]\n\n")
    assert '"completion_tokens":8' in text
    assert '"model":"legal@' in text


def test_a_caller_who_leaves_a_whole_answer_frees_the_engine_at_once(host: HostProcess) -> None:
    url, headers = engine(host)
    tokens = {"max_tokens": 800, "ignore_eos": True}

    def running() -> float:
        text = httpx.get(f"{url}/metrics", headers=headers, trust_env=False).text
        return sum(float(value) for value in re.findall(r"^vllm:num_requests_running{.*} (\S+)$", text, re.M))

    started = time.monotonic()
    assert host.ask("base", **tokens).json()["usage"]["completion_tokens"] == 800
    answer_s = time.monotonic() - started
    with ThreadPoolExecutor(1) as callers:
        asking = callers.submit(host.http.post, "/v1/chat/completions", json=BASE_BODY | tokens, timeout=answer_s / 4)
        wait_for(lambda: running() == 1)
        with pytest.raises(httpx.ReadTimeout):
            asking.result()
    left = time.monotonic()
    wait_for(lambda: running() == 0)
    assert time.monotonic() - left < answer_s / 2


def test_the_base_model_answers_alike_whoever_shares_its_batch(host: HostProcess) -> None:
    def likeliest() -> dict[str, float]:
        body = {"model": "base", "prompt": "The quick brown fox", "max_tokens": 1, "temperature": 0, "logprobs": 5}
        answer = host.http.post("/v1/completions", json={**body, "return_tokens_as_token_ids": True})
        return answer.json()["choices"][0]["logprobs"]["top_logprobs"][0]

    alone = likeliest()
    enough = threading.Event()

    def keep_busy() -> None:
        while not enough.is_set():
            assert host.ask("legal", max_tokens=150, ignore_eos=True).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(keep_busy) for _ in range(4)]
        try:
            wait_for(lambda: running(host) > 0)
            together = [likeliest() for _ in range(20)]
        finally:
            enough.set()
        for one in busy:
            one.result()
    assert max(distance((alone,), (seen,)) for seen in together) < 0.2  # rounding; another's adapter makes it 8


def test_prompt_log_probabilities_are_refused_because_they_end_the_engine(host: HostProcess) -> None:
    body = {"model": "legal", "prompt": "hello", "max_tokens": 1}
    for fields in ({"prompt_logprobs": 0}, {"echo": True, "logprobs": 1}):
        answer = host.http.post("/v1/completions", json={**body, **fields})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_feature")
    assert host.ask("legal", logprobs=True, top_logprobs=2).status_code == 200


def test_the_engines_complaints_are_passed_on(host: HostProcess) -> None:
    answer = host.ask("legal", max_tokens=1_000_000)
    assert answer.status_code == 400
    assert "max_tokens" in answer.json()["error"]["message"]


def test_after_kill_9_the_engine_is_back_with_its_adapters(host: HostProcess) -> None:
    before = {name: answer_of(host.ask(name)) for name in ("legal", "sql", "base")}
    processes = host.engine_processes()
    server = next(process for process in processes if "vllm.entrypoints" in str(process.cmdline()[2:4]))
    server.kill()
    killed = time.monotonic()
    assert gone(processes, 5)
    answer = host.ask("legal")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert host.http.get("/health").status_code == 200
    while host.ask("legal").status_code != 200:
        assert time.monotonic() - killed < START_S
        time.sleep(0.5)
    sys.stderr.write(f"\nback after kill: {time.monotonic() - killed:.1f} s\n")
    assert {name: answer_of(host.ask(name)) for name in before} == before


def test_nothing_is_left_when_the_host_itself_is_killed(host: HostProcess) -> None:
    processes = host.engine_processes()
    assert len(processes) >= 3
    os.kill(host.process.pid, signal.SIGKILL)
    host.process.wait(5)
    assert gone(processes, 10)


def test_a_host_that_is_told_to_stop_while_the_engine_starts_stops_at_once(tmp_path: Path) -> None:
    running = HostProcess(tmp_path)
    try:
        while not running.engine_processes():
            time.sleep(0.1)
        time.sleep(3)
        assert running.http.get("/ready").json()["missing"][0]["what"] == "engine"
        assert running.ask("base").status_code == 503
        processes = running.engine_processes()
        running.process.terminate()
        assert running.process.wait(10) == 0
        assert gone(processes, 1)
    finally:
        running.close()
