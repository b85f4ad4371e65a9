"""Accepting, listing, showing, cancelling and deleting generations; and what is said to bad input."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from redis import Redis

from midstream.processes.valkey import Valkey
from shared.config.provider_settings import ProviderSettings
from shared.generations import generations
from shared.log.events import Cancelled, Cost, Delta, Part, PartEnd, Raw, Spent, Usage, UsageReport, encode
from shared.request.generation_request import GenerationRequest
from shared.storage.keys import GenerationKeys
from tests.api.harness import BODY, MODEL, Api, MakeApi, Producer, Viewing, whole
from tests.harness.repository import ROOT

JSON = {"Content-Type": "application/json"}
UNKNOWN = "gen_" + "a" * 32


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


YES = {"role": "assistant", "content": "Yes."}
LISTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}
CALLED = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "1"}


async def test_accept(api: Api) -> None:
    response = await api.client.post("/v1/generations", json=BODY)
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == body["links"]["self"] == f"/v1/generations/{body['id']}"
    assert (body["state"], body["model"]) == ("queued", MODEL)
    found = await api.generations.find(body["id"], request=True)
    assert found.owner == "local"
    assert GenerationRequest.model_validate_json(found.request).messages[0].content == "Go."
    assert [job for job, _ in (await api.generations.queue.take("w", most=5)).jobs] == [body["id"]]


async def test_accept_keeps_nulls_inside_a_schema(api: Api) -> None:
    parameters = {"type": "object", "properties": {"x": {"enum": [None, 1], "default": None}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    generation_id = await api.post(BODY | {"tools": tools})
    assert json.loads(await api.generations.request(generation_id))["tools"][0]["function"]["parameters"] == parameters


async def test_post_that_is_the_stream(api: Api) -> None:
    async with api.client.stream(
        "POST", "/v1/generations", json=BODY, headers={"Accept": "text/event-stream"}
    ) as response:
        assert response.status_code == 200
        viewing = Viewing(response)
        queued = await viewing.next()
        assert (queued.id, queued.event) == (None, "queued")
        data = json.loads(queued.data)
        assert response.headers["location"] == f"/v1/generations/{data['id']}"
        assert data["position"] == 1
        producer = await Producer.start(api.log, data["id"])
        await producer.say("hello")
        await producer.complete()
        assert await viewing.rest() == await whole(api.log, data["id"])


async def test_without_a_model_the_default_is_asked(make_api: MakeApi, redis_url: str) -> None:
    body = {"messages": BODY["messages"]}
    api = await make_api(redis_url, models={"quick": "simulator/echo?x=1"}, default_model="quick")
    key = {"Idempotency-Key": "k"}
    answer = (await api.client.post("/v1/generations", json=body, headers=key)).json()
    (default,) = (row["id"] for row in (await api.client.get("/v1/models")).json()["data"] if row["default"])
    assert answer["model"] == default == "simulator/echo?x=1"
    assert json.loads(await api.generations.request(answer["id"]))["model"] == default
    # It is the same request as one that names it.
    assert await api.post(body | {"model": "quick"}, headers=key) == answer["id"]


async def test_without_a_model_and_a_default_the_model_is_asked_for(make_api: MakeApi, redis_url: str) -> None:
    local = ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1")
    api = await make_api(redis_url, simulator_url=None, providers={"local": local})
    answer = await api.client.post("/v1/generations", json={"messages": BODY["messages"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/model"
    assert "MIDSTREAM_DEFAULT_MODEL" in error["message"]


async def test_alias(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, models={"quick": "simulator/echo?x=1"})
    response = await api.client.post("/v1/generations", json=BODY | {"model": "quick"})
    assert response.json()["model"] == "simulator/echo?x=1"


async def test_idempotency(api: Api) -> None:
    key = {"Idempotency-Key": "k 1"}
    first = await api.client.post("/v1/generations", json=BODY, headers=key)
    # The same request, written otherwise.
    again = await api.client.post(
        "/v1/generations", json={"temperature": None} | dict(reversed(BODY.items())), headers=key
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.client.post("/v1/generations", json=BODY | {"seed": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert len((await api.client.get("/v1/generations")).json()["data"]) == 1
    await api.client.delete(f"/v1/generations/{first.json()['id']}")
    gone = await api.client.post("/v1/generations", json=BODY, headers=key)
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")


@pytest.mark.parametrize("key", [b"", b"x" * 256, "é".encode(), b"a\tb"])
async def test_malformed_idempotency_key(api: Api, key: bytes) -> None:
    response = await api.client.post("/v1/generations", json=BODY, headers=httpx2.Headers({b"Idempotency-Key": key}))
    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer", "says"),
    [
        (BODY | {"model": "nobody/x"}, 422, "unknown_model", "/model", "simulator/…"),
        (BODY | {"model": "simulator/"}, 422, "unknown_model", "/model", "use one of"),
        (BODY | {"fallback": ["simulator/lorem", "nobody/x"]}, 422, "unknown_model", "/fallback/1", "simulator/…"),
        (BODY | {"seed": 1, "fallback": ["simulator-anthropic/x"]}, 422, "unsupported_field", "/seed", "/fallback/0"),
        (BODY | {"messages": []}, 422, "invalid_request", "/messages", "must not be empty; give at least 1"),
        (BODY | {"temperature": "hot"}, 422, "invalid_request", "/temperature", "must be a number, such as 0.7"),
        (BODY | {"temprature": 1}, 422, "invalid_request", "/temprature", "did you mean temperature?"),
        (
            BODY | {"messages": [{"role": "user", "content": "x", "function": {"name": "f"}}]},
            422,
            "invalid_request",
            "/messages/0/function",
            "leave it out",
        ),
        (BODY | {"a/b~c": 1}, 422, "invalid_request", "/a~1b~0c", "leave it out"),
        (BODY | {"messages": [{"role": "x"}]}, 422, "invalid_request", "/messages/0", "role"),
        (BODY | {"messages": user(5)}, 422, "invalid_request", "/messages/0/content", "must be text"),  # type: ignore[arg-type]
        (
            {"model": "simulator-anthropic/lorem", "messages": user("x"), "seed": 1},
            422, "unsupported_field", "/seed", "leave it out",
        ),
        (
            BODY | {"messages": user([{"type": "file", "file": {"file_url": "https://example.com/a.pdf"}}])},  # type: ignore[arg-type]
            422, "unsupported_field", "/messages/0/content/0/file/file_url", "file_data",
        ),
        (
            {"model": "simulator-gemini/lorem", "messages": user("x"), "parallel_tool_calls": False},
            422, "unsupported_field", "/parallel_tool_calls", "leave it out",
        ),
        (
            BODY | {"messages": [*user("x"), CALLED]},
            422, "invalid_request", "/messages/1/tool_calls/0", "has no result",
        ),
        (
            BODY | {"messages": [RESULT, *user("x")]},
            422, "invalid_request", "/messages/0/tool_call_id", "is of no call",
        ),
        (
            BODY | {"messages": [*user("x"), CALLED, RESULT, RESULT | {"content": "2"}]},
            422, "invalid_request", "/messages/3/tool_call_id", "another one",
        ),
        (
            BODY | {"messages": [user("x")[0] | {"cache_control": {"type": "ephemeral"}}]},
            422, "invalid_request", "/messages/0/cache_control", "give it to a part of the content",
        ),
        (
            BODY | {"messages": [*user("x"), {"role": "assistant", "content": "x", "reasoning_content": ["y"]}]},
            422, "invalid_request", "/messages/1/reasoning_content", "give reasoning instead",
        ),
        *(
            (
                {"model": f"{simulator}/m", "messages": user("x"), "tools": [LISTED]},
                422, "unsupported_field", "/tools/0/function/parameters", "schema of an object",
            )
            for simulator in ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
        ),
        *(
            (
                {"model": f"{simulator}/gpt-6-sol", "messages": user("x"), "temperature": 0.5},
                422, "unsupported_field", "/temperature", "set reasoning_effort to none",
            )
            for simulator in ("simulator", "simulator-responses")
        ),
        (
            {"model": "simulator-anthropic/m", "messages": [*user("x"), YES, *user(" ")]},
            422, "unsupported_field", "/messages/2/content", "is blank",
        ),
        (
            {"model": "simulator-anthropic/claude-opus-4-7", "messages": [*user("x"), YES]},
            422, "unsupported_field", "/messages/1", "end with the user's words",
        ),
        (
            {"model": "simulator-anthropic/m", "messages": user("x"), "stop": ["\n"]},
            422, "unsupported_field", "/stop", "must not be blank",
        ),
        (BODY | {"tool_choice": "required"}, 422, "unsupported_field", "/tool_choice", "needs tools"),
        (BODY | {"extra": {"no/body": {}}}, 422, "unsupported_field", "/extra/no~1body", "names no known provider"),
        (
            BODY | {"extra": {"simulator": {"stream": False}}},
            422, "unsupported_field", "/extra/simulator/stream", "overridden",
        ),
        (BODY | {"response_format": {"type": "yaml"}}, 422, "invalid_request", "/response_format", "json_schema"),
        ([1], 422, "invalid_request", "", "must be an object"),
    ],
)  # fmt: skip
async def test_bad_field(api: Api, body: object, status: int, code: str, pointer: str, says: str) -> None:
    response = await api.client.post("/v1/generations", json=body)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert problem["errors"][0]["pointer"] == pointer
    assert says in problem["errors"][0]["message"]
    assert "hot" not in response.text
    # Nothing was accepted.
    assert (await api.client.get("/v1/generations")).json()["data"] == []


async def test_the_example_of_the_documentation(api: Api) -> None:
    body = {"model": MODEL, "mesages": BODY["messages"], "temperature": "hot"}
    problem = (await api.client.post("/v1/generations", json=body)).json()
    section = (ROOT / "docs/protocol.md").read_text(encoding="utf-8").partition("\n## Errors")[2]
    assert problem == json.loads(section.partition("```json")[2].partition("```")[0])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": "\\ud800"}', b"[" * 60])
async def test_not_json(api: Api, body: bytes) -> None:
    response = await api.client.post("/v1/generations", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 65 + b"1" + b"}" * 65, b'{"\\"[":' + b"[" * 70])
async def test_nested_too_deep(api: Api, body: bytes) -> None:
    response = await api.client.post("/v1/generations", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (422, "too_deep")
    assert "64" in response.json()["errors"][0]["message"]


async def test_brackets_in_a_string_are_no_nesting(api: Api) -> None:
    response = await api.client.post("/v1/generations", json=BODY | {"messages": user('\\"[{' * 50_000)})
    assert response.status_code == 202


@pytest.mark.parametrize("announced", [True, False])
async def test_body_over_the_limit(make_api: MakeApi, redis_url: str, announced: bool) -> None:
    api = await make_api(redis_url, max_body=1000)
    body = json.dumps(BODY | {"messages": user("x" * 2000)}).encode()

    async def chunks() -> Any:
        for at in range(0, len(body), 100):
            yield body[at : at + 100]

    response = await api.client.post("/v1/generations", content=body if announced else chunks(), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert "1000 bytes" in response.json()["detail"]
    assert (await api.client.post("/v1/generations", json=BODY)).status_code == 202


async def test_queue_full(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_pending=1)
    await api.post()
    response = await api.client.post("/v1/generations", json=BODY)
    assert (response.status_code, response.json()["code"]) == (429, "queue_full")
    assert int(response.headers["retry-after"]) > 0


async def test_list(seasoned: Api) -> None:
    api = seasoned
    ids = []
    for _ in range(5):
        ids.append(await api.post())
        await asyncio.sleep(0.002)
    await api.client.post(f"/v1/generations/{ids[2]}/cancel")
    first = (await api.client.get("/v1/generations", params={"limit": 3})).json()
    assert [item["id"] for item in first["data"]] == ids[:1:-1]
    assert [item["state"] for item in first["data"]] == ["queued", "queued", "cancelled"]
    assert first["data"][2]["ended"].endswith("Z")
    # The page's last one expires meanwhile: the rest is still there.
    await api.log.redis.delete(GenerationKeys(ids[2]).record)
    second = (await api.client.get("/v1/generations", params={"limit": 3, "before": first["next"]})).json()
    assert [item["id"] for item in second["data"]] == ids[1::-1]
    assert second["next"] is None
    for limit, says in (
        ("0", "must be at least 1; raise it"),
        ("101", "must be at most 100; lower it"),
        ("x", "must be a whole number, such as 20"),
    ):
        bad = await api.client.get("/v1/generations", params={"limit": limit})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")
        (error,) = bad.json()["errors"]
        assert error["pointer"] == "limit"
        assert error["message"] == says


async def pages(api: Api, limit: int, **start: str) -> list[list[str]]:
    """Ids of all pages from there on."""
    found, query = [], {"limit": str(limit), **start}
    while True:
        page = (await api.client.get("/v1/generations", params=query)).json()
        found.append([item["id"] for item in page["data"]])
        if page["next"] is None:
            return found
        query["before"] = page["next"]


async def test_pages_stay_right_while_their_entries_go_and_come(api: Api) -> None:
    for _ in range(9):
        await api.post()
    (ids,) = await pages(api, 99)
    first = (await api.client.get("/v1/generations", params={"limit": 3})).json()
    listed = [item["id"] for item in first["data"]]
    assert listed == ids[:3]
    for generation_id in listed:
        await api.client.delete(f"/v1/generations/{generation_id}")
    await api.post()
    await api.log.redis.delete(GenerationKeys(ids[5]).record)
    found = await pages(api, 3, before=first["next"])
    assert found == [[ids[3], ids[4], ids[6]], ids[7:]]


async def test_a_list_is_filtered_by_state_and_metadata(api: Api) -> None:
    blue, red = [await api.post(BODY | {"metadata": {"colour": colour, "of": "x"}}) for colour in ("blue", "red")]
    plain = await api.post()
    await (await Producer.start(api.log, red)).complete()
    await Producer.start(api.log, plain)
    every = (await pages(api, 9))[0]
    assert {blue, red, plain} == set(every)

    async def found(*filters: tuple[str, str]) -> list[str]:
        return [item["id"] for item in (await api.client.get("/v1/generations", params=filters)).json()["data"]]

    assert await found(("state", "completed")) == [red]
    assert await found(("state", "queued"), ("state", "running")) == [one for one in every if one != red]
    assert await found(("metadata.colour", "blue")) == [blue]
    assert await found(("metadata.of", "x")) == [one for one in every if one != plain]
    assert await found(("metadata.of", "x"), ("metadata.colour", "red"), ("state", "completed")) == [red]
    assert await found(("metadata.of", "x"), ("state", "failed")) == []
    for wrong, pointer in (("state", "state"), ("metadata.", "metadata."), ("metadata." + "n" * 65, None)):
        answer = await api.client.get("/v1/generations", params={wrong: "x"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert pointer in (None, answer.json()["errors"][0]["pointer"])


async def test_a_filtered_page_looks_at_so_many_and_says_where_it_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "MAX_LOOKS_PER_PAGE", 2)
    monkeypatch.setattr(generations, "CHOSEN_FROM_PER_LOOK", 3)
    for number in range(10):
        await api.post(BODY | {"metadata": {"is": "wanted" if number % 7 == 0 else "not"}})
    (every,) = await pages(api, 99)
    listed = await pages(api, 2, **{"metadata.is": "wanted"})
    shown = {item: (await api.client.get(f"/v1/generations/{item}")).json()["metadata"]["is"] for item in every}
    # Six are looked at for a page; after them, `next` goes on, whatever was found.
    wanted = [[one for one in stretch if shown[one] == "wanted"] for stretch in (every[:6], every[6:])]
    assert listed == wanted
    first = (await api.client.get("/v1/generations", params={"metadata.is": "wanted", "limit": 1})).json()
    assert [item["id"] for item in first["data"]] == [one for one in every if shown[one] == "wanted"][:1]


async def test_a_full_last_page_says_that_it_is_the_last(api: Api) -> None:
    ids = [await api.post() for _ in range(4)]
    assert [len(page) for page in await pages(api, 2)] == [2, 2]
    assert [len(page) for page in await pages(api, 4)] == [4]
    # What has expired behind it is nothing that follows.
    listed = (await pages(api, 4))[0]
    assert sorted(listed) == sorted(ids)
    for generation_id in listed[2:]:
        await api.log.redis.delete(GenerationKeys(generation_id).record)
    assert [len(page) for page in await pages(api, 2)] == [2]


async def test_a_generation_of_ones_own_is_a_place_too_and_nothing_else_is(api: Api) -> None:
    ids = [await api.post() for _ in range(3)]
    listed = (await pages(api, 9))[0]
    assert sorted(listed) == sorted(ids)
    assert await pages(api, 9, before=listed[0]) == [listed[1:]]
    await api.client.delete(f"/v1/generations/{listed[0]}")
    assert await pages(api, 9, before=listed[0]) == [listed[1:]], "its tombstone says where it was"
    for wrong in ("x", "gen_" + "a" * 32, "12-gen_a", "-1-" + listed[0], "1e3-" + listed[0]):
        answer = await api.client.get("/v1/generations", params={"before": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"][0]["pointer"] == "before"


async def test_snapshot(api: Api) -> None:
    generation_id = await api.post(BODY | {"metadata": {"k": "v"}})
    first = await Producer.start(api.log, generation_id)
    await first.say("abandoned ")
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hello ", "world")
    await producer.write(
        PartEnd(part=0),
        Part(part=1, kind="tool_call", call_id="c1", name="clock"),
        Delta(part=1, kind="tool_call", delta='{"zone":'),
        UsageReport(usage=Usage(input_tokens=1, output_tokens=2)),
    )
    path = f"/v1/generations/{generation_id}"
    body = (await api.client.get(path)).json()
    assert (body["state"], body["text"], body["metadata"]) == ("running", "Hello world", {"k": "v"})
    assert (body["parts"][1]["arguments"], body["parts"][1]["arguments_text"]) == (None, '{"zone":')
    assert (body["parts"][1]["name"], body["parts"][1]["complete"]) == ("clock", False)
    assert [attempt["reason"] for attempt in body["attempts"]] == ["new", "worker_lost"]
    assert [part["part"] for part in body["parts"]] == [0, 1]
    assert [attempt["model"] for attempt in body["attempts"]] == ["simulator/lorem"] * 2
    assert [attempt["cost"] for attempt in body["attempts"]] == [None, None]
    assert body["answered_by"] == "simulator/lorem"
    assert body["usage"]["output_tokens"] == 2
    assert body["last_event_id"] == str(producer.last)
    assert body["ended"] is None
    await producer.complete()
    body = (await api.client.get(path)).json()
    assert (body["state"], body["finish_reason"], body["usage"]["output_tokens"]) == ("completed", "stop", 7)
    assert body["ended"] >= body["created"]
    assert not any("part" in part for part in body["parts"])
    assert [attempt["usage"] for attempt in body["attempts"]] == [None, body["usage"]]


async def test_snapshot_of_a_failure(api: Api, running: Producer) -> None:
    await running.fail()
    body = (await api.client.get(f"/v1/generations/{running.generation_id}")).json()
    assert body["state"] == "failed"
    assert body["error"]["code"] == "provider_error"


async def test_snapshot_says_what_was_paid(api: Api, running: Producer) -> None:
    used = Usage(input_tokens=3)
    known = Cost("0.5", at_least=True)
    generation_id = running.generation_id
    again = await Producer.start(api.log, generation_id)
    last = await Producer.start(api.log, generation_id)
    model = "simulator/lorem"
    lines = [
        Spent(model, used, known, attempt=1),
        Spent(model, used, Cost("0.25"), estimated=True, attempt=again.claim.number),
        Spent(model, used, attempt=last.claim.number),
    ]
    await last.write(Cancelled(usage=used, cost=known, spent=lines))
    body = (await api.client.get(f"/v1/generations/{generation_id}")).json()
    assert body["cost"] == {"amount": "0.5", "currency": "USD", "at_least": True}
    assert body["usage"]["input_tokens"] == 6, "the guess is in no sum"
    assert [(line["number"], line["cost"], line.get("estimated")) for line in body["attempts"]] == [
        (1, body["cost"], None),
        (2, {"amount": "0.25", "currency": "USD"}, True),
        (3, None, None),
    ]


async def test_raw_events_are_shown_where_they_are_asked_for(api: Api, running: Producer) -> None:
    path = f"/v1/generations/{running.generation_id}"
    await running.write(Raw(protocol="openai-chat", data={"odd": 1}))
    assert (await api.client.get(path)).json()["raw"] == {"count": 1}
    shown = (await api.client.get(path, params={"include": "raw"})).json()["raw"]
    assert shown == {"count": 1, "events": [{"protocol": "openai-chat", "data": {"odd": 1}}]}
    answer = await api.client.get(path, params={"include": "all"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "include")


async def cancelled(api: Api, generation_id: str) -> Any:
    """Its snapshot, once the API has sealed it: not while Redis has just started."""
    await api.client.post(f"/v1/generations/{generation_id}/cancel")
    async with asyncio.timeout(20):
        while True:
            body = (await api.client.get(f"/v1/generations/{generation_id}")).json()
            if body["state"] == "cancelled":
                return body
            await asyncio.sleep(0.05)


async def test_a_cancel_in_the_queue_has_the_bill_that_a_worker_left(api: Api, running: Producer) -> None:
    line = Spent("simulator/lorem", Usage(input_tokens=3), attempt=1)
    bill = Cancelled(usage=Usage(input_tokens=3), cost=Cost("0.5"), spent=[line])
    generation_id = running.generation_id
    await api.log.hand_over(generation_id, running.claim.token, "drained", cancelled=encode(bill))
    body = await cancelled(api, generation_id)
    assert (body["cost"]["amount"], body["attempts"][0]["usage"]["input_tokens"]) == ("0.5", 3)


async def test_a_bill_is_of_no_use_once_another_worker_has_it(api: Api, running: Producer) -> None:
    generation_id = running.generation_id
    await api.log.hand_over(generation_id, running.claim.token, "drained", cancelled=encode(Cancelled(cost=Cost("9"))))
    second = await Producer.start(api.log, generation_id)
    await api.log.hand_over(generation_id, second.claim.token, "drained")
    assert (await cancelled(api, generation_id))["cost"] is None


async def test_cancel_while_queued(seasoned: Api) -> None:
    api = seasoned
    generation_id = await api.post()
    for _ in range(2):
        response = await api.client.post(f"/v1/generations/{generation_id}/cancel")
        assert (response.status_code, response.json()) == (200, {"id": generation_id, "state": "cancelled"})


@pytest.mark.parametrize("winner", ["cancelled", "completed"])
async def test_cancel_while_running_says_who_won(api: Api, running: Producer, winner: str) -> None:
    cancelling = asyncio.create_task(api.client.post(f"/v1/generations/{running.generation_id}/cancel"))
    # What a worker does: it hears of the wish with its next write at the latest.
    async with asyncio.timeout(5):
        while not (await api.generations.find(running.generation_id)).record.cancel_requested:
            await asyncio.sleep(0.005)
    await (running.cancel() if winner == "cancelled" else running.complete())
    response = await cancelling
    assert (response.status_code, response.json()["state"]) == (200, winner)
    assert api.hub.tails == 0  # how it ended says its record, and its log may be long


async def test_cancel_that_takes_longer(api: Api, running: Producer) -> None:
    api.app.state.services = replace(api.app.state.services, cancel_wait_s=0.1)
    response = await api.client.post(f"/v1/generations/{running.generation_id}/cancel")
    assert (response.status_code, response.json()["state"]) == (202, "running")


async def test_delete_is_idempotent(api: Api, running: Producer) -> None:
    path = f"/v1/generations/{running.generation_id}"
    for _ in range(2):
        assert (await api.client.delete(path)).status_code == 204
    for method, address in (("GET", path), ("POST", f"{path}/cancel")):
        assert (await api.client.request(method, address)).status_code == 410
    assert not await api.log.redis.exists(GenerationKeys(running.generation_id).log)
    for method, address in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        response = await api.client.request(method, f"/v1/generations/{UNKNOWN}{address}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_redis_down(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url, redis_timeout=0.3)
    assert (await api.client.get("/readyz")).status_code == 200
    await own_valkey.kill()
    for method, path in (
        ("POST", "/v1/generations"),
        ("GET", "/v1/generations"),
        ("GET", f"/v1/generations/{UNKNOWN}"),
    ):
        response = await api.client.request(method, path, json=BODY if method == "POST" else None)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response.headers["retry-after"] == "2"
    assert (await api.client.get("/readyz")).status_code == 503
    assert (await api.client.get("/livez")).status_code == 200
    await own_valkey.start()
    assert (await api.client.get("/readyz")).status_code == 200


async def test_nothing_of_a_request_is_logged(
    api: Api, redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    await api.post(BODY | {"messages": user("TOPSECRET")})
    await api.client.post("/v1/generations", json=BODY | {"messages": user("x"), "TOPSECRET": 1})

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("TOPSECRET")

    monkeypatch.setattr(api.generations, "accept", broken)
    response = await api.client.post("/v1/generations", json=BODY | {"messages": user("TOPSECRET")})
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "TOPSECRET" not in response.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("midstream", "uvicorn"))]
    assert any("RuntimeError" in line for line in ours)
    assert not any("TOPSECRET" in line for line in ours)
    with Redis.from_url(redis_url) as redis:
        assert redis.ping()


async def test_nobody_reads_a_request_but_its_worker(
    api: Api, running: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = {"a": "b"}
    ids = [await api.post(BODY | {"metadata": metadata, "response_format": {"type": "json_object"}}) for _ in range(3)]

    async def none_is_read(_: object, generation_id: str) -> bytes:
        raise AssertionError(f"the request of {generation_id} was read")

    monkeypatch.setattr("shared.generations.generations.Generations.request", none_is_read)
    await running.complete()
    for path in ("", f"/{ids[0]}", f"/{running.generation_id}", f"/{running.generation_id}/events"):
        headers = {"Last-Event-ID": str(running.last)} if path.endswith("events") else {}
        response = await api.client.get(f"/v1/generations{path}", headers=headers)
        assert response.status_code == (204 if headers else 200)
    assert (await api.client.get(f"/v1/generations/{ids[0]}")).json()["metadata"] == metadata


async def test_what_an_older_version_has_accepted_shows_the_same(api: Api) -> None:
    generation_id = await api.post(BODY | {"metadata": {"a": "b"}, "response_format": {"type": "json_object"}})
    address = f"/v1/generations/{generation_id}"
    now = (await api.client.get(address)).json()
    assert await api.log.redis.hdel(GenerationKeys(generation_id).record, "shown")  # type: ignore[misc]
    assert (await api.client.get(address)).json() == now
    assert now["metadata"] == {"a": "b"}


async def test_a_look_reads_nothing_of_the_request(api: Api) -> None:
    """Of Redis, which counts what it sends."""
    generation_id = await api.post(BODY | {"messages": user("x" * 1_000_000)})
    producer = await Producer.start(api.log, generation_id)
    await producer.complete()
    redis: Any = api.generations.redis
    before = (await redis.info("stats"))["total_net_output_bytes"]
    for path in ("", "/events"):
        assert (await api.client.get(f"/v1/generations/{generation_id}{path}")).status_code == 200
    assert (await api.client.get("/v1/generations")).status_code == 200
    assert (await api.client.post(f"/v1/generations/{generation_id}/cancel")).status_code == 200
    assert (await redis.info("stats"))["total_net_output_bytes"] - before < 200_000


async def test_what_something_else_wrote_is_one_generations_matter(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = await api.post(), await api.post()
    redis: Any = api.generations.redis
    await redis.hset(GenerationKeys(bad).record, mapping={"created": "yesterday", "unwatched": "soon"})
    await redis.zadd("midstream:owner:local", {b"\xff\xfe": 5, "junk": "inf", "gen_": "-inf"})
    await redis.sadd("midstream:owners", b"\xff")
    for _ in range(2):
        listed = await api.client.get("/v1/generations")
        assert (listed.status_code, [one["id"] for one in listed.json()["data"]]) == (200, [good])
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        answer = await api.client.request(method, f"/v1/generations/{bad}{path}")
        assert (answer.status_code, answer.json()["code"]) == (410, "unreadable")
    assert await api.generations.queue.indexes.owners() == ["local", "\ufffd"]
    assert "Traceback" not in caplog.text
    assert bad in caplog.text
    assert (await api.client.delete(f"/v1/generations/{bad}")).status_code == 204
    assert (await api.client.get(f"/v1/generations/{bad}")).json()["code"] == "gone"
