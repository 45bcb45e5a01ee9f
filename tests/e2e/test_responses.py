"""The Responses API with OpenAI's own client, in front of an upstream that speaks it, one that doesn't, and the local engine."""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from tests.fakes.cloud import chunk
from tests.fakes.cloud_responses import call, events, frames, message, thought
from tests.fakes.responses_fields import WEATHER, bodies
from tests.fakes.stack import Stack, cloud_config, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

KEYS = {name: f"sk-router-{name}-0123456789" for name in ("plain", "mask", "other")}
PLACEHOLDER = re.compile(r"<[A-Z_]+_[A-Z2-7]{6,}>")
EVENT = TypeAdapter[Any](ResponseStreamEvent)
RESPONSE = TypeAdapter(Response)
SSN = "My SSN is 536-22-8726"


class Capital(BaseModel):
    city: str


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    folder = tmp_path_factory.mktemp("responses")
    for name, key in KEYS.items():
        (folder / name).write_text(key)
    keys = [{"id": name, "key": f"file:{name}"} for name in KEYS]
    keys[1]["on_sensitive"] = "mask"
    async with running(folder, {"server": {"keys": keys}}) as first:
        cloud = first.cloud
        config: dict[str, Any] = cloud_config(cloud)
        config["providers"]["native"] = {**config["providers"]["cloud"], "endpoints": ["chat", "responses"]}
        for mode in ("ok", "failed", "failed-late", "incomplete", "error-event", "cut", "http-500", "no-finish"):
            config["models"][f"native-{mode}"] = {"deployments": [{"provider": "native", "model": mode}]}
        config["models"]["native-backed"] = {
            "deployments": [{"provider": "native", "model": "failed"}],
            "fallbacks": ["ok"],
        }
        config["models"]["mixed"] = {
            "deployments": [{"provider": "cloud", "model": "ok"}, {"provider": "native", "model": "ok"}]
        }
        config |= {
            "server": {"keys": keys},
            "privacy": {"scan": {"deadline_ms": 8000}},
            "routing": {"auto": {"strategy": "cost", "among": ["ok"]}, "fallback_local": False, "retries": 0,
                        "breaker": {"failures": 1_000_000, "error_ratio": 1}},
        }  # fmt: skip
        (folder / "second").mkdir()
        for name, key in KEYS.items():
            (folder / "second" / name).write_text(key)
        async with running(folder / "second", config) as one:
            one.cloud = cloud
            yield one


@pytest.fixture(autouse=True)
async def fresh(stack: Stack) -> AsyncGenerator[None]:
    yield
    cloud = stack.cloud
    cloud.answer = cloud.respond = cloud.turn = cloud.frames = cloud.payload = None
    cloud.received.clear()
    cloud.requests.clear()


@pytest.fixture
async def client(stack: Stack) -> AsyncGenerator[AsyncOpenAI]:
    async with sdk(stack) as one:
        yield one


def sdk(stack: Stack, key: str = "plain") -> AsyncOpenAI:
    http = httpx.AsyncClient(trust_env=False, timeout=60)
    return AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=KEYS[key], http_client=http, max_retries=0)


def sent(stack: Stack) -> list[dict[str, Any]]:
    """Take what the cloud got since the last time."""
    bodies = [json.loads(body) for body in stack.cloud.received]
    stack.cloud.received.clear()
    return bodies


def says(stack: Stack, text: str) -> None:
    stack.cloud.answer = lambda _: text


both = pytest.mark.parametrize("model", ["ok", "native-ok"])


@both
async def test_a_whole_answer_and_a_stream_are_what_the_client_expects(
    stack: Stack, client: AsyncOpenAI, model: str
) -> None:
    says(stack, "Paris it is")
    whole = await client.responses.create(model=model, input="What is the capital of France?")
    assert (whole.output_text, whole.status) == ("Paris it is", "completed")
    assert whole.usage is not None
    assert whole.usage.total_tokens == 116
    told: list[Any] = []
    async with client.responses.stream(model=model, input="What is the capital of France?") as stream:
        async for event in stream:
            told.append(event)
        final = await stream.get_final_response()
    assert final.output_text == "Paris it is"
    assert "".join(event.delta for event in told if event.type == "response.output_text.delta") == "Paris it is"


@both
@pytest.mark.parametrize(
    "turn",
    [{"content": "Hi there"}, {"content": "", "refusal": "I can't"}, {"content": "So", "reasoning_content": "Hm"}],
)
async def test_every_event_over_the_wire_is_of_the_sdks_types(stack: Stack, model: str, turn: dict[str, str]) -> None:
    stack.cloud.turn = lambda _: dict(turn)
    stack.cloud.respond = lambda _: [thought("x"), message(turn["content"]), call("weather", {"city": "Paris"}, "c1")]
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as http:
        headers = {"authorization": f"Bearer {KEYS['plain']}"}
        body = {"model": model, "input": "Hello", "stream": True}
        response = await http.post("/v1/responses", json=body, headers=headers)
        whole = await http.post("/v1/responses", json={**body, "stream": False}, headers=headers)
    found = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    names = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in found]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    for event in found:
        EVENT.validate_python(event)
    assert found[-1]["type"] == "response.completed"
    RESPONSE.validate_python(whole.json())


@both
async def test_an_answer_is_parsed_into_a_model_of_the_callers(stack: Stack, client: AsyncOpenAI, model: str) -> None:
    says(stack, '{"city": "Paris"}')
    parsed = await client.responses.parse(model=model, input="The capital of France?", text_format=Capital)
    assert parsed.output_parsed == Capital(city="Paris")
    (body,) = sent(stack)
    wanted = body["response_format"]["json_schema"] if model == "ok" else body["text"]["format"]
    assert (wanted["name"], wanted["strict"]) == ("Capital", True)


def called(*cities: str) -> dict[str, object]:
    """A chat message that calls a function for each city."""
    calls = [
        {
            "id": f"call_{len(city)}",
            "type": "function",
            "function": {"name": "weather", "arguments": json.dumps({"city": city})},
        }
        for city in cities
    ]
    return {"content": None, "tool_calls": calls}


def tools_then_answer(stack: Stack) -> None:
    """The cloud asks for the weather in two cities at once, and then says what it was told."""

    def turn(body: dict[str, object]) -> dict[str, object]:
        told = [one["content"] for one in cast("list[dict[str, str]]", body["messages"]) if one["role"] == "tool"]
        return {"content": " and ".join(told)} if told else called("Paris", "Rome")

    def respond(body: dict[str, object]) -> list[dict[str, Any]]:
        given = cast("list[dict[str, Any]]", body["input"] if isinstance(body["input"], list) else [])
        told = [item["output"] for item in given if item.get("type") == "function_call_output"]
        asked = [call("weather", {"city": city}, f"call_{len(city)}") for city in ("Paris", "Rome")]
        return [message(" and ".join(told))] if told else [thought("gAAA"), *asked]

    stack.cloud.turn, stack.cloud.respond = turn, respond


async def run_stateless(client: AsyncOpenAI, model: str, stream: bool) -> str:
    """Do as OpenAI's Agents SDK does: send everything back each time."""
    items: list[Any] = [{"role": "user", "content": "How is the weather in Paris and Rome?"}]
    for _ in range(3):
        response = await ask(client, stream, model=model, input=items, tools=[WEATHER], store=False)
        calls = [item for item in response.output if item.type == "function_call"]
        items += [item.to_dict() for item in response.output]
        if not calls:
            return response.output_text
        items += [
            {
                "type": "function_call_output",
                "call_id": one.call_id,
                "output": f"sun in {json.loads(one.arguments)['city']}",
            }
            for one in calls
        ]
    raise AssertionError("it never answered")


async def run_stored(client: AsyncOpenAI, model: str, stream: bool) -> str:
    """Go on from the stored answer instead."""
    items: Any = "How is the weather in Paris and Rome?"
    previous: dict[str, str] = {}
    for _ in range(3):
        response = await ask(client, stream, model=model, input=items, tools=[WEATHER], **previous)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        previous = {"previous_response_id": response.id}
        items = [
            {
                "type": "function_call_output",
                "call_id": one.call_id,
                "output": f"sun in {json.loads(one.arguments)['city']}",
            }
            for one in calls
        ]
    raise AssertionError("it never answered")


async def ask(client: AsyncOpenAI, stream: bool, **body: Any) -> Any:
    if not stream:
        return await client.responses.create(**body)
    async with client.responses.stream(**body) as one:
        return await one.get_final_response()


@both
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("run", [run_stateless, run_stored])
async def test_an_agents_loop_with_parallel_calls_comes_to_its_answer(
    stack: Stack, client: AsyncOpenAI, model: str, stream: bool, run: Callable[..., Awaitable[str]]
) -> None:
    tools_then_answer(stack)
    assert await run(client, model, stream) == "sun in Paris and sun in Rome"
    first, second = sent(stack)
    if model == "ok":
        roles = [one["role"] for one in second["messages"]]
        assert roles == ["user", "assistant", "tool", "tool"]
        assert len(second["messages"][1]["tool_calls"]) == 2
    else:
        kinds = [item.get("type", "message") for item in second["input"]]
        assert kinds == [
            "message",
            "reasoning",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
        ]
        assert second["input"][1]["encrypted_content"] == "gAAA"
        assert first["store"] is second["store"] is False


@both
async def test_five_turns_go_on_from_each_other(stack: Stack, client: AsyncOpenAI, model: str) -> None:
    previous: dict[str, str] = {}
    for number in range(5):
        says(stack, f"answer {number}")
        response = await client.responses.create(model=model, input=f"question {number}", **previous)  # type: ignore[call-overload]
        previous = {"previous_response_id": response.id}
    last = sent(stack)[-1]
    assert "previous_response_id" not in last
    said = json.dumps(last)
    places = [
        said.index(f"{what} {number}")
        for number in range(5)
        for what in ("question", "answer")
        if (what, number) != ("answer", 4)
    ]
    assert places == sorted(places)


@both
async def test_instructions_are_not_carried_over_and_branches_stay_apart(
    stack: Stack, client: AsyncOpenAI, model: str
) -> None:
    first = await client.responses.create(model=model, input="root", instructions="Only once")
    for branch in ("left", "right"):
        await client.responses.create(model=model, input=branch, previous_response_id=first.id)
    _, left, right = map(json.dumps, sent(stack))
    assert "Only once" not in left + right
    assert "right" not in left
    assert "left" not in right


@both
async def test_a_stored_answer_is_read_listed_and_deleted_by_its_caller_alone(
    stack: Stack, client: AsyncOpenAI, model: str
) -> None:
    first = await client.responses.create(model=model, input="question one", metadata={"a": "b"})
    second = await client.responses.create(
        model=model, input=[{"role": "user", "content": "question two"}], previous_response_id=first.id
    )
    read = await client.responses.retrieve(second.id)
    assert read.output == second.output
    listed = await client.responses.input_items.list(second.id, order="asc")
    assert [item.type for item in listed.data] == ["message", "message", "message"]
    newest = [item.id async for item in client.responses.input_items.list(second.id, limit=1)]
    assert newest == [item.id for item in listed.data][::-1]
    async with sdk(stack, "other") as stranger:
        for attempt in (
            stranger.responses.retrieve(first.id),
            stranger.responses.delete(first.id),
            stranger.responses.input_items.list(first.id),
        ):
            with pytest.raises(openai.NotFoundError):
                await attempt
        with pytest.raises(openai.BadRequestError) as caught:
            await stranger.responses.create(model=model, input="x", previous_response_id=first.id)
    error = cast("dict[str, str]", caught.value.body)
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert error["message"] == f"Previous response with id '{first.id}' not found."
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)
    third = await client.responses.create(model=model, input="question three", previous_response_id=second.id)
    assert "question one" in json.dumps(sent(stack)[-1]), third
    unkept = await client.responses.create(model=model, input="x", store=False)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(unkept.id)


async def test_references_are_resolved_from_the_store_or_refused(stack: Stack, client: AsyncOpenAI) -> None:
    says(stack, "I said this")
    first = await client.responses.create(model="native-ok", input="question one")
    items: Any = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "go on"}]
    await client.responses.create(model="native-ok", input=items)
    assert sent(stack)[-1]["input"][0]["content"][0]["text"] == "I said this"
    second = await client.responses.create(model="native-ok", input="question two", previous_response_id=first.id)
    for answer in (first, second):
        # An item of a caller's has one id, whichever answer's list shows it.
        shown = [item async for item in client.responses.input_items.list(answer.id, order="asc")]
        items[0]["id"] = shown[0].id
        sent(stack)
        await client.responses.create(model="native-ok", input=items)
        assert sent(stack)[-1]["input"][0]["content"][0]["text"] == "question one"
    for unknown in ({"id": "msg_unknown"}, {}, {"id": None}):
        items[0] = {"type": "item_reference", **unknown}
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="native-ok", input=items)
        assert cast("dict[str, str]", caught.value.body)["param"] == "input[0].id"
    assert sent(stack) == []


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"model": "ok", "input": "x", "tools": [{"type": "web_search"}]}, "unsupported_feature", "tools.web_search"),
        ({"model": "ok", "input": "x", "conversation": "conv_1"}, "unsupported_feature", "conversation"),
        ({"model": "native-ok", "input": "x", "conversation": "conv_1"}, "unsupported_feature", "conversation"),
        ({"model": "native-ok", "input": "x", "background": True}, "unsupported_feature", "background"),
        ({"model": "ok", "input": [{"x": 1}]}, "invalid_value", "input[0]"),
        ({"model": "native-ok", "input": SSN, "tools": [{"type": "web_search"}]}, "unsupported_feature", "tools.web_search"),
    ],
)  # fmt: skip
async def test_what_can_not_be_done_is_a_400_that_names_the_field(
    stack: Stack, client: AsyncOpenAI, body: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(**body)
    error = cast("dict[str, str]", caught.value.body)
    assert (error["code"], error["param"]) == (code, param)
    assert sent(stack) == []


async def test_hosted_tools_reach_the_upstream_that_has_them_whoever_else_is_in_the_group(
    stack: Stack, client: AsyncOpenAI
) -> None:
    for _ in range(5):
        await client.responses.create(model="mixed", input="x", tools=[{"type": "web_search"}])
    assert all(one.url.endswith(b"/responses") for one in stack.cloud.requests)


# -- native requests


async def test_an_upstream_that_speaks_it_gets_the_callers_json_but_for_what_is_said(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as http:
        for body in bodies(60):
            answer = await http.post("/v1/responses", json=body, headers={"authorization": f"Bearer {KEYS['plain']}"})
            assert answer.status_code == 200, answer.text
            (got,) = sent(stack)
            wanted = {**body, "model": "ok", "store": False}
            thinks = isinstance(body["input"], list) and any(item.get("type") == "reasoning" for item in body["input"])
            if thinks and body.get("store") is not False:
                wanted["include"] = [*body.get("include", []), "reasoning.encrypted_content"]
            assert got == wanted
            assert answer.json()["x_unknown"] == {"kept": [1, None]}
            stored = await http.get(
                f"/v1/responses/{answer.json()['id']}", headers={"authorization": f"Bearer {KEYS['plain']}"}
            )
            if body.get("store") is False:
                assert stored.status_code == 404
            else:
                assert stored.content == answer.content


async def test_encrypted_thinking_is_asked_for_only_where_the_model_thinks_and_the_chain_needs_it(
    stack: Stack, client: AsyncOpenAI
) -> None:
    stack.cloud.respond = lambda _: [thought(), message("So")]
    first = await client.responses.create(model="native-ok", input="one", reasoning={"effort": "low"})
    plain = await client.responses.create(model="native-ok", input="one")
    await client.responses.create(model="native-ok", input="one", reasoning={"effort": "low"}, store=False)
    asked, unasked, unstored = sent(stack)
    assert asked["include"] == ["reasoning.encrypted_content"]
    assert "include" not in unasked
    assert "include" not in unstored
    # The upstream gave none all the same: what it can't read any more is left out, and the caller is told.
    for one in (first, plain):
        raw = await client.responses.with_raw_response.create(
            model="native-ok", input="two", previous_response_id=one.id
        )
        (body,) = sent(stack)
        assert [item.get("type", "message") for item in body["input"]] == ["message", "message", "message"]
        assert not any("id" in item for item in body["input"])
        assert raw.headers["x-router-dropped"] == "input.reasoning"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_fails_at_once_may_be_stood_in_for(stack: Stack, client: AsyncOpenAI, stream: bool) -> None:
    says(stack, "the other one")
    assert (await ask(client, stream, model="native-backed", input="x")).output_text == "the other one"
    urls = [one.url for one in stack.cloud.requests]
    assert [url.rpartition(b"/")[2] for url in urls] == [b"responses", b"completions"]
    with pytest.raises(openai.APIStatusError) as caught:
        await ask(client, stream, model="native-failed", input="x")
    assert caught.value.status_code == 502
    assert "no luck" not in str(caught.value), "an upstream's text may quote a prompt"


async def test_one_that_fails_later_says_so_itself_and_is_not_kept(stack: Stack, client: AsyncOpenAI) -> None:
    raw = await client.responses.with_raw_response.create(model="native-failed-late", input="x", stream=True)
    found = [event async for event in raw.parse()]
    assert found[-1].type == "response.failed"
    record = await client.get(f"/decisions/{raw.headers['x-router-decision-id']}", cast_to=httpx.Response)
    decision = record.json()
    assert (decision["error_code"], decision["attempts"][0]["error_code"]) == (
        "stream_interrupted",
        "upstream_unavailable",
    )
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(found[-1].response.id)


async def test_one_that_was_cut_short_by_its_limit_says_so(stack: Stack, client: AsyncOpenAI) -> None:
    whole = await client.responses.create(model="native-incomplete", input="x")
    last = [event async for event in await client.responses.create(model="native-incomplete", input="x", stream=True)][
        -1
    ]
    assert last.type == "response.incomplete"
    for response in (whole, last.response):
        assert response.status == "incomplete"
        assert (await client.responses.retrieve(response.id)).status == "incomplete"


@pytest.mark.parametrize("model", ["native-error-event", "native-cut", "native-no-finish", "cut", "error-event"])
async def test_a_stream_that_breaks_ends_in_an_error_for_the_client(client: AsyncOpenAI, model: str) -> None:
    told: list[str] = []

    async def read() -> None:
        async for event in await client.responses.create(model=model, input="x", stream=True):
            told.append(event.type)

    with pytest.raises(openai.APIError):
        await read()
    assert "response.completed" not in told


@both
async def test_however_a_stream_is_cut_the_caller_gets_all_of_it_or_an_explicit_error(stack: Stack, model: str) -> None:
    output = [thought("gAAA"), message("Hello there, this is it"), call("weather", {"city": "Paris"}, "c1")]
    native = frames(events({"model": "ok"}, output))
    chat = [
        chunk("ok", {"role": "assistant", "content": "Hello"}),
        chunk("ok", {"content": " there"}),
        chunk("ok", {}, "stop"),
        b"data: [DONE]\n\n",
    ]
    whole = native if model == "native-ok" else chat
    data, chance = b"".join(whole), random.Random(3)
    ends = [len(b"".join(whole[:number])) for number in range(len(whole) + 1)]
    complete = 0
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as http:
        for cut in [*ends, *(chance.randrange(len(data)) for _ in range(60))]:
            stack.cloud.frames = [data[:cut], b""] if cut else [b""]
            answer = await http.post(
                "/v1/responses",
                json={"model": model, "input": "x", "stream": True},
                headers={"authorization": f"Bearer {KEYS['plain']}"},
            )
            told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
            if answer.status_code != 200:
                assert answer.json()["error"]["code"] in ("upstream_unavailable", "upstream_protocol_error")
                continue
            kinds = [event["type"] for event in told]
            for event in told:
                EVENT.validate_python(event)
            assert [event["sequence_number"] for event in told] == list(range(len(told)))
            if kinds[-1] == "response.completed":
                complete += 1
                assert "error" not in kinds
            else:
                assert kinds.count("error") == 1
                assert kinds[-1] == "error"
                assert told[-1]["code"] == "stream_interrupted"
    assert 1 <= complete <= len(ends)


# -- privacy


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_sensitive_is_answered_by_the_local_engine(
    stack: Stack, client: AsyncOpenAI, stream: bool
) -> None:
    response = await ask(client, stream, model="native-ok", input=SSN)
    assert response.output_text
    assert sent(stack) == []
    raw = await client.responses.with_raw_response.create(model="ok", input=[{"role": "user", "content": SSN}])
    assert raw.headers["x-router-locality"] == "local"


async def test_a_chain_that_was_local_stays_local_when_only_new_input_is_sent(
    stack: Stack, client: AsyncOpenAI
) -> None:
    previous: str | None = None
    for text in (SSN, "Thanks", "Write a haiku about rain"):
        raw = await client.responses.with_raw_response.create(
            model="native-ok", input=text, previous_response_id=previous
        )
        assert raw.headers["x-router-locality"] == "local"
        previous = raw.parse().id
    assert sent(stack) == []
    fresh = await client.responses.with_raw_response.create(model="native-ok", input="Write a haiku about rain")
    assert fresh.headers["x-router-locality"] == "cloud"


@both
@pytest.mark.parametrize("stream", [False, True])
async def test_masked_values_come_back_in_every_place_and_stay_masked_for_the_cloud(
    stack: Stack, model: str, stream: bool
) -> None:
    mail = "maria.gonzalez@example.com"

    def placeholder(body: dict[str, object]) -> str:
        return PLACEHOLDER.findall(json.dumps(body))[0]

    def turn(body: dict[str, object]) -> dict[str, object]:
        return {"content": f"To {placeholder(body)}!", "tool_calls": called(placeholder(body))["tool_calls"]}

    stack.cloud.turn = turn
    stack.cloud.respond = lambda body: [
        message(f"To {placeholder(body)}!"),
        call("weather", {"city": placeholder(body)}, "call_x"),
    ]
    async with sdk(stack, "mask") as client:
        first = await ask(client, stream, model=model, input=f"Write to {mail}", tools=[WEATHER])
        assert first.output_text == f"To {mail}!"
        (made,) = [item for item in first.output if item.type == "function_call"]
        assert json.loads(made.arguments) == {"city": mail}
        read = await client.responses.retrieve(first.id)
        assert read.output_text == f"To {mail}!"
        listed = await client.responses.input_items.list(first.id)
        assert mail in json.dumps([item.to_dict() for item in listed.data])
        told = [{"type": "function_call_output", "call_id": made.call_id, "output": "done"}]
        await ask(client, stream, model=model, input=told, previous_response_id=first.id, instructions="Now in French")
    one, two = stack.cloud.received
    assert mail.encode() not in one + two
    assert set(PLACEHOLDER.findall(one.decode())) == set(PLACEHOLDER.findall(two.decode()))


async def test_no_stored_text_is_on_disk_or_in_the_log(stack: Stack, client: AsyncOpenAI) -> None:
    await client.responses.create(model="ok", input="remember the quagga")
    files = [path for path in stack.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"quagga" in path.read_bytes()]
