"""The AI SDK's own chat, versions 7 and 6, without a page: what it holds after each turn is what was said.

Its `DefaultChatTransport` asks one API process and resumes at another.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import Node
from tests.harness.processes import Process, Stack

pytestmark = [
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("shown"),
    pytest.mark.timeout(240),
]
PACKAGES = ("ai-7", pytest.param("ai-6", marks=pytest.mark.nightly))
DEADLINE = 60.0
WEATHER = {"get_weather": {"description": "The weather.", "inputSchema": {"type": "object"}}}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CUT = {"metadata": {"cut": True}}
"""What a page says that comes back after a cut."""
both = pytest.mark.parametrize("package", PACKAGES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs and two workers, with leases that outlast an image of 20 MB on a machine that others use."""
    lease = {"MIDSTREAM_LEASE": "10"}
    async with Stack(tmp_path_factory.mktemp("stack"), apis=2, workers=2, environment=lease) as running:
        yield running


class Chat:
    """A running `chat.mjs`."""

    def __init__(self, process: asyncio.subprocess.Process, id: str) -> None:
        self._process = process
        self.id = id
        self.said = 0
        """Characters of the newest answer that were seen so far."""

    async def do(self, what: str, **fields: Any) -> None:
        """Begins something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")
        await self._process.stdin.drain()

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            line = await self._process.stdout.readline()
        assert line, "the chat has ended"
        told: dict[str, Any] = json.loads(line)
        self.said = told.get("said", self.said)
        return told

    async def begun(self) -> None:
        """Waits until it takes orders."""
        assert (await self._line())["chat"] == self.id

    async def until_said(self, characters: int) -> None:
        """Waits until the answer has so many."""
        self.said = 0
        while self.said < characters:
            await self._line()

    async def done(self) -> dict[str, Any]:
        """What there is once the oldest thing that has begun is done."""
        while "done" not in (told := await self._line()):
            pass
        return told

    async def turn(self, what: str, **fields: Any) -> dict[str, Any]:
        """Does something, and waits for its end."""
        await self.do(what, **fields)
        return await self.done()


@contextlib.asynccontextmanager
async def chatting(node: Node, package: str, api: str, id: str = "", **options: Any) -> AsyncIterator[Chat]:
    """A chat at an API; killed at the end of the block."""
    id = id or f"chat {secrets.token_hex(8)}/ä"
    process = await asyncio.create_subprocess_exec(
        node.program,
        node.folder / "chat.mjs",
        package,
        f"{api}/api/chat",
        id,
        json.dumps(options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
        cwd=node.folder,
    )
    try:
        chat = Chat(process, id)
        await chat.begun()
        yield chat
    finally:
        process.kill()
        await process.communicate()


def address(api: str, id: str, rest: str) -> str:
    """Of a chat's stream or stop, as the transport writes it."""
    return f"{api}/api/chat/{quote(id, safe='')}/{rest}"


def parts(told: dict[str, Any], type: str, at: int = -1) -> list[dict[str, Any]]:
    """Those of a message that are of a type."""
    return [part for part in told["messages"][at]["parts"] if part["type"] == type]


def text(told: dict[str, Any], at: int = -1) -> str:
    """All that a message says."""
    return "".join(part["text"] for part in parts(told, "text", at))


async def native(http: httpx2.AsyncClient, api: str, message: dict[str, Any]) -> dict[str, Any]:
    """The snapshot of the generation that a message came from last."""
    response = await http.get(f"{api}/v1/generations/{message['metadata']['generation']}")
    snapshot: dict[str, Any] = response.json()
    return snapshot


@both
async def test_turns_of_text(package: str, node: Node, stack: Stack, http: httpx2.AsyncClient) -> None:
    api = stack.apis[0].url
    async with chatting(node, package, api, body={"model": "simulator/lorem?deltas=20&rate=0&seed=1"}) as chat:
        first = await chat.turn("send", text="Go.")
        assert (first["status"], first["error"], first["finished"]["finishReason"]) == ("ready", None, "stop")
        answer = first["messages"][-1]
        said = await native(http, api, answer)
        assert (text(first), answer["id"]) == (said["text"], said["id"].replace("gen_", "msg_"))
        assert answer["metadata"]["usage"]["outputTokens"] == 20
        assert [part["state"] for part in parts(first, "text")] == ["done"]
        second = await chat.turn("send", text="Go on.")
        assert [message["role"] for message in second["messages"]] == ["user", "assistant"] * 2
        again = await chat.turn("regenerate")
        assert len(again["messages"]) == 4
        assert again["messages"][-1]["id"] != second["messages"][-1]["id"]


@both
async def test_midstream_up_with_two_apis_on_one_port(package: str, node: Node, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "midstream", "up", "--port", "0", "--processes", "2"]
    up = Process("up", [*command, "--data-dir", str(tmp_path / "data")], r"ready at (\S+)", tmp_path, {})
    await up.start()
    try:
        [api] = re.findall(r"ready at (\S+)", up.output.read_text())
        async with (
            chatting(node, package, api, body={"model": "simulator/lorem?deltas=80&rate=40"}) as chat,
            chatting(node, package, api, chat.id) as other,
        ):
            await chat.do("send", text="Go.")
            await chat.until_said(20)
            resumed, whole = await other.turn("resume"), await chat.done()
        assert whole["status"] == resumed["status"] == "ready"
        assert whole["messages"][-1] == resumed["messages"][-1]
    finally:
        await up.stop()
        up.show()


@both
async def test_reasoning_comes_back_to_its_model(
    package: str, node: Node, stack: Stack, http: httpx2.AsyncClient
) -> None:
    model = "simulator-anthropic/reasoning?deltas=12&rate=0"
    async with chatting(node, package, stack.apis[0].url, body={"model": model}) as chat:
        told = await chat.turn("send", text="Think.")
        said = await native(http, stack.apis[0].url, told["messages"][-1])
        thought = "".join(part["text"] for part in said["parts"] if part["kind"] == "reasoning")
        assert thought
        assert "".join(part["text"] for part in parts(told, "reasoning")) == thought
        assert text(told) == said["text"]
        # The simulator refuses thinking whose signature is not the one it gave.
        assert (await chat.turn("send", text="And again."))["status"] == "ready"


@both
async def test_a_tool_that_the_client_runs(package: str, node: Node, stack: Stack) -> None:
    options: dict[str, Any] = {
        "body": {"model": "simulator/demo?rate=0", "tools": WEATHER},
        "tools": {"get_weather": {"degrees": 21}},
    }
    async with chatting(node, package, stack.apis[0].url, **options) as chat:
        told = await chat.turn("send", text="Use a tool: get_weather")
        while told["messages"][-1]["parts"][-1]["type"] != "text":
            told = await chat.done()
        assert told["status"] == "ready"
        assert told["ran"] == [
            {"name": "get_weather", "input": {"city": "Berlin", "unit": "celsius"}, "dynamic": False}
        ]
        # One message, which begins with the call and goes on with what its result led to.
        assert [message["role"] for message in told["messages"]] == ["user", "assistant"]
        [call] = parts(told, "tool-get_weather")
        assert (call["state"], call["output"]) == ("output-available", {"degrees": 21})
        assert len(parts(told, "step-start")) == 2
        assert text(told)


@both
async def test_a_provider_that_counts_its_calls_anew_in_each_answer(package: str, node: Node, stack: Stack) -> None:
    """A page puts what a tool gave it at the first call of the whole chat that has the id."""
    body = {"model": "simulator/tools?rate=0&seed=5", "tools": WEATHER}
    async with chatting(node, package, stack.apis[0].url, body=body) as chat:
        await chat.turn("send", text="Weather?")
        told = await chat.turn("send", text="And tomorrow?")
    first, second = ([part["toolCallId"] for part in parts(told, "tool-get_weather", at)] for at in (1, 3))
    assert first
    assert len({*first, *second}) == len(first) + len(second)


@both
async def test_a_tool_that_the_provider_runs(package: str, node: Node, stack: Stack) -> None:
    model = "simulator-responses/lorem?deltas=9&rate=0&extras=1"
    async with chatting(node, package, stack.apis[0].url, body={"model": model}) as chat:
        told = await chat.turn("send", text="Search.")
        assert told["status"] == "ready", told["error"]
        assert told["ran"] == []
        [call] = parts(told, "dynamic-tool")
        assert call["providerExecuted"] is True
        assert call["state"] == "output-available"
        assert parts(told, "source-url")
        assert (await chat.turn("send", text="Again."))["status"] == "ready"


@both
async def test_files_both_ways(package: str, node: Node, stack: Stack, http: httpx2.AsyncClient) -> None:
    api = stack.apis[0].url
    async with chatting(node, package, api, body={"model": "simulator/echo?rate=0"}) as chat:
        sent = [{"type": "file", "mediaType": "image/png", "filename": "a.png", "url": PIXEL}]
        told = await chat.turn("send", text="Look.", files=sent)
        assert told["status"] == "ready", told["error"]
        model = {"model": "simulator/lorem?deltas=3&rate=0&quirk=large-image"}
        told = await chat.turn("send", text="Draw.", options={"body": model})
        assert told["status"] == "ready", told["error"]
        [image] = parts(told, "file")
        assert image["mediaType"] == "image/png"
        assert image["url"].startswith("data:image/png;base64,iVBORw0KGgo")
        assert len(image["url"]) > 20_000_000


@both
async def test_a_failure_for_good_is_an_error_and_no_disconnect(package: str, node: Node, stack: Stack) -> None:
    body = {"model": "simulator/lorem?deltas=9&rate=0&fault=error@3", "on_interrupt": "fail"}
    async with chatting(node, package, stack.apis[0].url, body=body) as chat:
        told = await chat.turn("send", text="Go.")
        assert told["status"] == "error"
        assert told["error"]
        assert told["finished"]["isError"]
        assert not told["finished"]["isDisconnect"]
        assert text(told)
        # There is nothing to come back to.
        assert (await chat.turn("resume"))["status"] == "ready"


@both
async def test_what_is_refused_says_why(package: str, node: Node, stack: Stack) -> None:
    async with chatting(node, package, stack.apis[0].url, body={"model": "nowhere/lorem"}) as chat:
        told = await chat.turn("send", text="Go.")
        assert told["status"] == "error"
        assert told["error"].startswith("No such model.")
        assert told["finished"]["isError"]


@both
async def test_another_tab_comes_back_to_what_runs(package: str, node: Node, stack: Stack) -> None:
    here, there = (api.url for api in stack.apis)
    body = {"model": "simulator/lorem?deltas=120&rate=8"}
    async with (
        chatting(node, package, here, body=body) as chat,
        chatting(node, package, there, chat.id) as other,
    ):
        await chat.do("send", text="Go.")
        await chat.until_said(20)
        resumed, whole = await other.turn("resume"), await chat.done()
    assert resumed["status"] == whole["status"] == "ready"
    assert resumed["messages"][-1] == whole["messages"][-1]


@both
async def test_a_cut_looks_like_no_end_and_is_resumed(package: str, node: Node, stack: Stack) -> None:
    here, there = stack.apis
    body = {"model": "simulator/lorem?deltas=120&rate=15"}
    id = f"cut-{secrets.token_hex(8)}"
    async with chatting(node, package, here.url, id, body=body) as chat:
        await chat.do("send", text="Go.")
        await chat.until_said(20)
        await here.kill()
        cut = await chat.done()
        assert cut["status"] == "error"
        await here.start()
        whole = await chat.turn("resume", options=CUT)
        assert whole["status"] == "ready"
    async with chatting(node, package, there.url, id) as other:
        assert (await other.turn("resume"))["messages"] == []
    assert len(whole["messages"]) == 2
    assert whole["messages"][-1]["id"] == cut["messages"][-1]["id"]
    assert text(whole).startswith(text(cut))
    assert len(text(whole).split()) == 120


@both
async def test_a_worker_killed_in_mid_answer(package: str, node: Node, stack: Stack, http: httpx2.AsyncClient) -> None:
    """What was said is void: the stream breaks, and the same message is written anew."""
    body = {"model": "simulator/lorem?deltas=120&rate=15", "on_interrupt": "restart"}
    async with chatting(node, package, stack.apis[0].url, body=body) as chat:
        await chat.do("send", text="Go.")
        await chat.until_said(20)
        for worker in stack.workers:
            await worker.kill()
        for worker in stack.workers:
            await worker.start()
        told = await chat.done()
        assert told["status"] == "error"
        assert not told["error"].startswith("No")
        whole = await chat.turn("resume", options=CUT)
        assert whole["status"] == "ready"
        said = await native(http, stack.apis[0].url, whole["messages"][-1])
        assert len(said["attempts"]) == 2
        assert [message["role"] for message in whole["messages"]] == ["user", "assistant"]
        assert whole["messages"][-1]["id"] == told["messages"][-1]["id"]
        assert text(whole) == said["text"]


@both
async def test_an_answer_that_goes_on_after_its_worker_breaks_nobody_off(
    package: str, node: Node, stack: Stack, http: httpx2.AsyncClient
) -> None:
    async with chatting(node, package, stack.apis[0].url, body={"model": "simulator/lorem?deltas=120&rate=15"}) as chat:
        await chat.do("send", text="Go.")
        await chat.until_said(20)
        for worker in stack.workers:
            await worker.kill()
        for worker in stack.workers:
            await worker.start()
        told = await chat.done()
        assert (told["status"], told["error"]) == ("ready", None)
        said = await native(http, stack.apis[0].url, told["messages"][-1])
        assert [attempt["continues"] for attempt in said["attempts"]] == [False, True]
        assert text(told) == said["text"]


@both
async def test_stop_ends_it_for_all(package: str, node: Node, stack: Stack, http: httpx2.AsyncClient) -> None:
    here, there = (api.url for api in stack.apis)
    async with chatting(node, package, here, body={"model": "simulator/lorem?deltas=4000&rate=40"}) as chat:
        await chat.do("send", text="Go.")
        await chat.until_said(20)
        # Leaving is not stopping.
        await chat.do("stop")
        await chat.done()
        async with chatting(node, package, there, chat.id) as other:
            await other.do("resume")
            await other.until_said(20)
            assert (await http.post(address(there, chat.id, "stop"))).status_code == 204
            told = await other.done()
        assert (told["status"], told["error"]) == ("ready", None)
        said = await native(http, here, told["messages"][-1])
        assert said["state"] == "cancelled"
        assert text(told) == said["text"]
        assert (await http.get(address(here, chat.id, "stream"))).status_code == 204


@both
async def test_a_message_that_goes_on_is_resumed_whole(package: str, node: Node, stack: Stack) -> None:
    """A page that is loaded anew has the call and its result of the same message, and does not run the tool again."""
    slow = {"model": "simulator/lorem?deltas=120&rate=15", "tools": WEATHER}
    user = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Weather?"}]}
    call = {
        "type": "tool-get_weather",
        "toolCallId": "call_1",
        "state": "output-available",
        "input": {"city": "Berlin"},
        "output": {"degrees": 21},
    }
    begun = {"id": "m2", "role": "assistant", "parts": [{"type": "step-start"}, call]}
    here, there = (api.url for api in stack.apis)
    async with (
        chatting(node, package, here, body=slow, messages=[user, begun]) as chat,
        chatting(node, package, there, chat.id, messages=[user, begun]) as other,
    ):
        await chat.do("send")
        await chat.until_said(20)
        resumed, whole = await other.turn("resume"), await chat.done()
    assert whole["status"] == resumed["status"] == "ready"
    assert resumed["ran"] == []
    for told in (whole, resumed):
        assert [message["id"] for message in told["messages"]] == ["m1", "m2"]
        [kept] = parts(told, "tool-get_weather")
        assert {name: kept[name] for name in call} == call
        assert len(parts(told, "step-start")) == 2
    assert text(resumed) == text(whole)
