"""The JavaScript client in Node.js against two API nodes, over connections that are cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import Node
from tests.e2e.cuts import cut_often
from tests.harness.processes import Stack
from tests.harness.proxy import Direction, Proxy

pytestmark = [
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("shown"),
    pytest.mark.timeout(300),
]

PATIENCE: Final = 90
LOREM: Final = "simulator/lorem?deltas=40&rate=60&seed=3"
TOOL: Final = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two API nodes, and a worker."""
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2) as running:
        yield running


@contextlib.asynccontextmanager
async def client(node: Node, **told: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that does what it is told with the client."""
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    words = [str(node.program), str(node.folder / "client.mjs"), json.dumps(told)]
    child = await asyncio.create_subprocess_exec(*words, env=environment, stdout=asyncio.subprocess.PIPE, limit=2**24)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def said(child: asyncio.subprocess.Process) -> dict[str, Any]:
    """Its next line."""
    assert child.stdout is not None
    async with asyncio.timeout(PATIENCE):
        said: dict[str, Any] = json.loads(await child.stdout.readline())
        return said


async def what(node: Node, **told: object) -> dict[str, Any]:
    """What came of it."""
    async with client(node, **told) as child:
        return await said(child)


def asked(model: str = LOREM, **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Say it"}], **fields}


def told(part: dict[str, Any]) -> dict[str, Any]:
    """A part without why its arguments cannot be parsed, which each language says in its own words."""
    return {name: value for name, value in part.items() if name != "arguments_error"}


@pytest.mark.parametrize(
    "body",
    [
        asked(),
        asked("simulator/reasoning?deltas=40&rate=60&seed=3"),
        asked("simulator/tools?deltas=40&rate=60&seed=3", tools=[TOOL]),
        asked("simulator/lorem?deltas=40&rate=60&fault=reset@20&times=1&key=javascript-restart"),
        asked("simulator/lorem?deltas=60&rate=30&fault=reset@45&times=9&key=javascript-fail", on_interrupt="fail"),
    ],
    ids=["text", "reasoning", "tools", "starts over", "fails"],
)
async def test_a_viewer_that_is_cut_all_the_time_has_what_the_snapshot_has(
    stack: Stack, node: Node, http: httpx2.AsyncClient, body: dict[str, object]
) -> None:
    async with cut_often(stack) as address:
        seen = await what(node, url=address, body=body)
    ids = [id for id, _ in seen["events"] if id]
    assert len(ids) == len(set(ids)) > 5
    assert seen["connections"] > 1
    answer = seen["answer"]
    snapshot = (await http.get(f"{stack.apis[1].url}/v1/generations/{answer['id']}")).json()
    for field in ("id", "state", "text", "finish_reason", "usage", "cost", "last_event_id", "response"):
        assert answer.get(field) == snapshot.get(field), field
    assert [*map(told, answer["parts"])] == [*map(told, snapshot["parts"])]
    assert [each["reason"] for each in answer["attempts"]] == [each["reason"] for each in snapshot["attempts"]]
    again = await what(node, url=stack.apis[1].url, id=answer["id"])
    assert [id for id, _ in again["events"]] == ids
    assert again["answer"]["parts"] == answer["parts"]


async def test_what_an_attempt_said_before_it_started_over_is_kept_aside(stack: Stack, node: Node) -> None:
    model = "simulator/lorem?deltas=40&rate=60&fault=reset@20&times=1&key=javascript-aside"
    answer = (await what(node, url=stack.apis[0].url, body=asked(model)))["answer"]
    (superseded,) = answer["superseded"]
    assert superseded["reason"] == "provider_error"
    assert answer["text"].startswith(superseded["parts"][0]["text"])


async def test_a_lost_reply_to_a_post_makes_one_generation(stack: Stack, node: Node, http: httpx2.AsyncClient) -> None:
    mark: dict[str, Any] = {"metadata": {"mark": "lost-reply"}}
    async with Proxy("viewer", ("127.0.0.1", stack.apis[0].port)).listening() as proxy:
        proxy.black_hole(Direction.DOWN)
        async with client(node, url=f"http://{proxy.address}", body=asked(**mark)) as child:
            url, params = f"{stack.apis[1].url}/v1/generations", {"metadata.mark": "lost-reply"}
            async with asyncio.timeout(PATIENCE):
                while not (await http.get(url, params=params)).json()["data"]:
                    await asyncio.sleep(0.05)
            proxy.restore()
            proxy.reset()
            seen = await said(child)
        assert seen["answer"]["state"] == "completed"
        assert len((await http.get(url, params=params)).json()["data"]) == 1


async def test_two_devices_see_the_turns_of_a_conversation(stack: Stack, node: Node, http: httpx2.AsyncClient) -> None:
    name = "trip/to Röm?"
    first = await what(node, url=stack.apis[1].url, body=asked(conversation=name))
    async with cut_often(stack) as address, client(node, url=address, conversation=name, turns=3) as laptop:
        assert await said(laptop) == {"loaded": 1}
        second = await what(node, url=stack.apis[1].url, body=asked(conversation=name, previous=first["answer"]["id"]))
        third = await what(node, url=stack.apis[1].url, body=asked(conversation=name))
        seen = await said(laptop)
    turns = seen["generations"]
    answers = [each["answer"] for each in (first, second, third)]
    assert [turn["id"] for turn in turns] == [answer["id"] for answer in answers]
    assert [turn["number"] for turn in turns] == [1, 2, 3]
    assert [turn["parts"] for turn in turns] == [answer["parts"] for answer in answers]
    assert [turn["input"][0]["content"] for turn in turns] == ["Say it"] * 3
    assert turns[1]["previous"] == turns[0]["id"]
    ids = [id for id, _ in seen["events"] if id]
    assert len(ids) == len(set(ids))


async def test_a_refusal_says_which_field(stack: Stack, node: Node) -> None:
    seen = await what(node, url=stack.apis[0].url, body={"model": LOREM})
    assert (seen["error"]["status"], seen["error"]["code"]) == (422, "invalid_request")
    assert "/messages" in seen["error"]["message"]
