"""Every event of real logs is as /openapi.json describes it: what all four protocols say, and what is beside a log."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from tests.e2e.viewers import ask, watch
from tests.harness.json_schema import flaws
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(240)]

BLOCK = re.compile(r"event: (\w+)\ndata: (.*)\n(?:id: (.*)\n)?")
BODY = {"model": "simulator/lorem?deltas=3&rate=0", "messages": [{"role": "user", "content": "Go."}]}
MODELS = (
    "simulator/tools?rate=0", "simulator-responses/tools?rate=0", "simulator-anthropic/tools?rate=0",
    "simulator-gemini/tools?rate=0", "simulator-responses/reasoning?rate=0", "simulator-anthropic/reasoning?rate=0",
    "simulator-responses/lorem?deltas=4&rate=0&extras=1",
    "simulator-anthropic/lorem?deltas=9&rate=0&fault=reset@4&times=1&key=schemas",
)  # fmt: skip


def read(body: str) -> list[dict[str, Any]]:
    """Server-sent events as OpenAPI has them: an object for each, whose data is text."""
    found = [BLOCK.search(block + "\n") for block in body.split("\n\n")]
    events = [match.groups() for match in found if match]
    return [{"event": type, "data": data} | ({"id": id} if id else {}) for type, data, id in events]


async def counted(http: httpx2.AsyncClient, address: str) -> str:
    """What a viewer that asks for it is told, until it was told how many there are."""
    said = ""
    async with http.stream("GET", address, params={"viewers": "1"}) as answer:
        async for text in answer.aiter_text():
            said += text
            if "event: viewers" in said and said.endswith("\n\n"):
                break
    return said


async def test_each_event_of_a_log_is_described(stack: Stack, http: httpx2.AsyncClient) -> None:
    url = stack.apis[0].url
    components = (await http.get(f"{url}/openapi.json")).json()["components"]["schemas"]
    ids = [await ask(http, url, model) for model in MODELS]
    fallback = BODY | {"model": "simulator/lorem?fault=401", "fallback": ["simulator-anthropic/lorem?deltas=2&rate=0"]}
    for body in (fallback, BODY | {"model": "simulator/lorem?deltas=500&rate=5"}):
        ids.append((await http.post(f"{url}/v1/generations", json=body)).json()["id"])
    bodies = [(await watch(url, generation_id)).decode() for generation_id in ids[:-1]]
    bodies += [await counted(http, f"{url}/v1/generations/{ids[-1]}/events")]
    await http.post(f"{url}/v1/generations/{ids[-1]}/cancel")
    bodies += [(await watch(url, ids[-1])).decode()]
    failing = await ask(http, url, "simulator/lorem?fault=401")
    bodies += [(await watch(url, failing)).decode()]
    stream = {"Accept": "text/event-stream"}
    bodies += [(await http.post(f"{url}/v1/generations", json=BODY, headers=stream)).text]
    for cursor in ("odd", "1-1"):
        again = await http.get(f"{url}/v1/generations/{ids[0]}/events", headers={"Last-Event-ID": cursor})
        bodies += [again.text]
    schemas = {one["properties"]["event"]["const"]: one for one in components["GenerationEvent"]["oneOf"]}
    seen: set[str] = set()
    for event in (one for body in bodies for one in read(body)):
        schema = schemas[event["event"]]
        name = schema["properties"]["data"]["contentSchema"]["$ref"].rpartition("/")[2]
        wrong = [*flaws(event, schema, components), *flaws(json.loads(event["data"]), components[name], components)]
        assert not wrong, (event, wrong)
        seen.add(event["event"])
    assert seen == schemas.keys() - {"drain"}


async def test_after_a_fallback_it_says_who_answered(stack: Stack, http: httpx2.AsyncClient) -> None:
    url = stack.apis[0].url
    first, second = "simulator/lorem?fault=401", "simulator-anthropic/lorem?deltas=2&rate=0"
    generation_id = await ask(http, url, first, fallback=[second])
    body = (await watch(url, generation_id)).decode()
    attempts = [json.loads(event["data"]) for event in read(body) if event["event"] == "attempt"]
    snapshot = (await http.get(f"{url}/v1/generations/{generation_id}")).json()
    assert [attempt["model"] for attempt in attempts] == [first, second]
    assert [attempt["model"] for attempt in snapshot["attempts"]] == [first, second]
    assert (snapshot["model"], snapshot["answered_by"]) == (first, second)
    refused, answered = snapshot["attempts"]
    assert (refused["usage"], answered["usage"]) == (None, snapshot["usage"])


async def test_usage_is_of_all_attempts_as_cost_is(stack: Stack, http: httpx2.AsyncClient) -> None:
    url = stack.apis[0].url
    model = "simulator-anthropic/lorem?deltas=9&rate=0&fault=reset@4&times=1&key=all"
    generation_id = await ask(http, url, model)
    end = json.loads(read((await watch(url, generation_id)).decode())[-1]["data"])
    snapshot = (await http.get(f"{url}/v1/generations/{generation_id}")).json()
    assert len(snapshot["attempts"]) == 2
    for count in ("input_tokens", "output_tokens"):
        each = [attempt["usage"][count] for attempt in snapshot["attempts"]]
        assert min(each) > 0
        assert snapshot["usage"][count] == end["usage"][count] == sum(each)


async def test_every_answer_has_a_request_id(stack: Stack, http: httpx2.AsyncClient) -> None:
    url = f"{stack.apis[0].url}/v1/generations"
    made = await http.post(url, json=BODY)
    generation_id = made.json()["id"]
    end = (await watch(stack.apis[0].url, generation_id)).decode()
    last = read(end)[-1]["id"]
    here = f"{url}/{generation_id}"
    answers = [
        (202, made),
        (200, await http.get(url)),
        (200, await http.head(url)),
        (200, await http.get(here)),
        (200, await http.head(here)),
        (200, await http.get(f"{here}/events")),
        (200, await http.head(f"{here}/events")),
        (204, await http.get(f"{here}/events", headers={"Last-Event-ID": last})),
        (204, await http.head(f"{here}/events", headers={"Last-Event-ID": last})),
        (200, await http.post(f"{here}/cancel")),
        (204, await http.delete(here)),
        (410, await http.get(here)),
        (404, await http.get(f"{url}/gen_{'a' * 32}")),
        (405, await http.put(url)),
        (422, await http.get(url, params={"limit": "0"})),
        (200, await http.get(f"{stack.apis[0].url}/openapi.json")),
    ]
    ids = [answer.headers["x-request-id"] for _, answer in answers]
    assert [answer.status_code for _, answer in answers] == [status for status, _ in answers]
    assert len(set(ids)) == len(ids)
    own = await http.delete(here, headers={"X-Request-Id": "mine-1"})
    assert (own.status_code, own.headers["x-request-id"]) == (204, "mine-1")
