"""Clients of the dialects while real processes are killed, drained and restarted: streams, whole answers, retries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.chaos.spoken import CHAT, MESSAGES, RESPONSES, RETRY_COUNT, SPOKEN, Spoken
from tests.e2e.viewers import DEADLINE, ask, text_of, watch
from tests.faults.triggers import Breakable
from tests.harness.processes import ApiProcess, Process
from tests.harness.proxy import Proxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

every_dialect = pytest.mark.parametrize("spoken", SPOKEN.values(), ids=SPOKEN)
AGENT = {"User-Agent": "sdk/1"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    environment = {"MIDSTREAM_LEASE": "1.5"}
    folder = tmp_path_factory.mktemp("dialects")
    async with Breakable(folder, apis=2, workers=2, environment=environment) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(running: Breakable) -> AsyncIterator[Breakable]:
    """Two APIs and two workers, as if nothing had happened yet."""
    await running.mend()
    yield running
    running.show()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A client for a connection each, as who comes back after a cut has."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False, limits=limits) as client:
        yield client


class Asked(NamedTuple):
    """What is asked, so that the simulator's journal tells how often."""

    spoken: Spoken
    body: dict[str, Any]
    key: str


def question(spoken: Spoken, *, deltas: int = 60, rate: int = 30, **fields: Any) -> Asked:
    key = uuid.uuid4().hex
    model = f"simulator/lorem?deltas={deltas}&rate={rate}&seed=3&key={key}"
    return Asked(spoken, spoken.question() | {"model": model} | fields, key)


class Stream:
    """One client's stream, over however many connections: `events` are the blocks that it has put together."""

    def __init__(self, http: httpx2.AsyncClient, spoken: Spoken) -> None:
        self.id = ""
        self.events: list[bytes] = []
        self.whole = False
        """Whether it was told that this is all."""
        self.clean = False
        """Whether the newest connection ended as a response that is whole."""
        self._http, self._spoken = http, spoken
        self._half = b""

    async def ask(self, url: str, asked: Asked) -> None:
        await self._read("POST", url + self._spoken.path, json=asked.body | {"stream": True})

    async def watch(self, url: str) -> int:
        """Go on after the last event; the status."""
        name, after = self._spoken.name_of(self.id), f"&starting_after={len(self.events) - 1}" if self.events else ""
        named = next((read.framed.name for block in self.events if (read := self._spoken.read(block)).framed), "")
        target = f"{url}{self._spoken.path}/{named or name}?stream=true{after}"
        return await self._read("GET", target)

    async def has(self, count: int) -> None:
        """Wait for so many events."""
        async with asyncio.timeout(DEADLINE):
            while len(self.events) < count:
                await asyncio.sleep(0.01)

    async def _read(self, method: str, target: str, **options: Any) -> int:
        self._half, self.clean = b"", False
        async with self._http.stream(method, target, **options) as response:
            if response.status_code != 200:
                return response.status_code
            self.id = response.headers["midstream-generation"]
            with contextlib.suppress(httpx2.HTTPError):
                async for chunk in response.aiter_raw():
                    self._take(chunk)
                self.clean = True
            return 200

    def _take(self, chunk: bytes) -> None:
        *blocks, self._half = (self._half + chunk).split(b"\n\n")
        for block in blocks:
            block = b"\n".join(line for line in block.split(b"\n") if not line.startswith(b":"))
            read = self._spoken.read(block)
            if read.framed is not None:
                self.events.append(block)
            self.whole = self.whole or read.ends


async def uncut(http: httpx2.AsyncClient, url: str, spoken: Spoken, generation_id: str) -> Stream:
    """The stream as it is read after the end."""
    stream = Stream(http, spoken)
    stream.id = generation_id
    assert await stream.watch(url) == 200
    assert stream.whole
    assert stream.clean
    return stream


def text(stream: Stream, spoken: Spoken) -> str:
    read = (spoken.read(block) for block in stream.events)
    return spoken.text(one.data for one in read if one.data is not None)


async def snapshot(http: httpx2.AsyncClient, url: str, generation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(f"{url}/v1/generations/{generation_id}")).json()
    return found


async def kill(process: Process) -> None:
    await process.kill()


async def drain(process: Process) -> None:
    assert await process.stop() == 0


ENDS = [pytest.param(kill, id="killed"), pytest.param(drain, id="drained")]


@every_dialect
@pytest.mark.parametrize("end", ENDS)
async def test_an_api_ends_in_mid_stream(
    stack: Breakable, http: httpx2.AsyncClient, spoken: Spoken, end: Callable[[Process], Awaitable[None]]
) -> None:
    """The stream breaks off, and goes on at the other node: joined, it is the uncut one to the byte."""
    node, other = stack.apis
    asked, stream = question(spoken), Stream(http, spoken)
    asking = asyncio.create_task(stream.ask(node.url, asked))
    await stream.has(12)
    await end(node)
    await asking
    assert not stream.whole
    assert not stream.clean, "its end looks like that of a whole answer"
    assert await stream.watch(other.url) == 200
    assert stream.whole
    whole = await uncut(http, other.url, spoken, stream.id)
    assert stream.events == whole.events
    assert text(whole, spoken) == (await snapshot(http, other.url, stream.id))["text"]
    assert await stack.requests(http, asked.key) == 1


@every_dialect
@pytest.mark.parametrize("continues", [True, False], ids=["continue", "restart"])
async def test_a_worker_is_killed_in_mid_stream(
    stack: Breakable, http: httpx2.AsyncClient, spoken: Spoken, continues: bool
) -> None:
    """What stands is joined to the byte; what is void is broken off, refused, and in nothing that follows."""
    victim, heir = stack.workers
    heir.pause()  # so that it runs on the other
    asked = question(spoken)
    if not continues:
        asked.body["on_interrupt"] = "restart"
    stream, url = Stream(http, spoken), stack.apis[0].url
    asking = asyncio.create_task(stream.ask(url, asked))
    await stream.has(12)
    heir.resume()
    await victim.kill()
    await asking
    told = continues or spoken is RESPONSES  # which has a word for what is void
    assert stream.whole == stream.clean == told
    whole = await uncut(http, url, spoken, stream.id)
    if told:
        assert stream.events == whole.events
    else:
        assert await stream.watch(url) == 410
        assert whole.events[0] not in stream.events
        assert spoken.read(whole.events[0]).framed.name == spoken.name_of(stream.id) + "-2"  # type: ignore[union-attr]
    said = await snapshot(http, url, stream.id)
    assert (said["state"], text(whole, spoken)) == ("completed", said["text"])
    reference = await ask(http, url, "simulator/lorem?deltas=60&rate=0&seed=3")
    assert said["text"] == text_of(await watch(url, reference))


async def test_redis_is_killed_under_all_dialects(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """Who is cut off goes on; whoever is not, hears the rest."""
    node, other = stack.apis
    asked = question(CHAT, deltas=120)
    first = Stream(http, CHAT)
    asking = asyncio.create_task(first.ask(node.url, asked))
    await first.has(12)

    async def persistent(stream: Stream, url: str) -> None:
        async with asyncio.timeout(DEADLINE):
            while not stream.whole:
                if await stream.watch(url) == 200:
                    assert stream.whole or not stream.clean
                await asyncio.sleep(0.05)

    streams = [(Stream(http, spoken), url) for spoken in SPOKEN.values() for url in (node.url, other.url)]
    for stream, _ in streams:
        stream.id = first.id
    watching = [asyncio.create_task(persistent(*pair)) for pair in streams]
    for stream, _ in streams:
        await stream.has(5)
    await stack.restart_redis()
    await asyncio.gather(*watching, asking)
    if not first.whole:
        await persistent(first, other.url)
    for stream, _ in [*streams, (first, "")]:
        whole = await uncut(http, node.url, stream._spoken, first.id)
        assert stream.events == whole.events
        assert text(whole, stream._spoken) == (await snapshot(http, node.url, first.id))["text"]
    assert await stack.requests(http, asked.key) == 1


async def post(
    http: httpx2.AsyncClient, url: str, asked: Asked, count: int, body: bytes | None = None
) -> httpx2.Response:
    """Ask for the whole answer, as an SDK does in this try."""
    headers = AGENT | {RETRY_COUNT: str(count), "Content-Type": "application/json"}
    return await http.post(url + asked.spoken.path, content=body or json.dumps(asked.body).encode(), headers=headers)


async def begun(stack: Breakable, http: httpx2.AsyncClient, key: str, times: int = 1) -> None:
    """Wait until the provider was asked."""
    async with asyncio.timeout(DEADLINE):
        while await stack.requests(http, key) < times:
            await asyncio.sleep(0.02)


@every_dialect
@pytest.mark.parametrize("end", ENDS)
async def test_a_retry_at_another_node_joins_and_pays_once(
    stack: Breakable, http: httpx2.AsyncClient, spoken: Spoken, end: Callable[[Process], Awaitable[None]]
) -> None:
    """Whose node dies has nothing, whose node drains a 503; both get the answer that they have asked for."""
    node, other = stack.apis
    asked = question(spoken, rate=20)
    waiting = asyncio.create_task(post(http, node.url, asked, 0))
    await begun(stack, http, asked.key)
    await end(node)
    if end is drain:
        refused = await waiting
        assert refused.status_code == 503
        assert "x-should-retry" not in refused.headers
        assert isinstance(refused.json()["error"]["message"], str)
    else:
        with pytest.raises(httpx2.HTTPError):
            await waiting
    response = await post(http, other.url, asked, 1)
    assert response.status_code == 200, response.text
    said = await snapshot(http, other.url, response.headers["midstream-generation"])
    assert spoken.whole_text(response.json()) == said["text"]
    assert await stack.requests(http, asked.key) == 1


async def test_a_retry_of_a_stream_whose_node_died_before_its_head(stack: Breakable, http: httpx2.AsyncClient) -> None:
    """It joins, and is sent the stream from its start."""
    node, other = stack.apis
    asked = question(CHAT, rate=20)
    stream = Stream(http, CHAT)
    asking = asyncio.create_task(stream.ask(node.url, asked))
    await stream.has(5)
    await node.kill()
    await asking
    headers = {RETRY_COUNT: "1", "User-Agent": "another/1"}
    body = asked.body | {"stream": True}
    async with http.stream("POST", other.url + CHAT.path, json=body, headers=headers) as stranger:
        assert stranger.headers["midstream-generation"] != stream.id
    first = http.headers["User-Agent"]
    async with http.stream(
        "POST", other.url + CHAT.path, json=body, headers={RETRY_COUNT: "1", "User-Agent": first}
    ) as retry:
        assert retry.headers["midstream-generation"] == stream.id
        raw = await retry.aread()
    assert raw.startswith(b"\n\n".join(stream.events[:3]))
    await begun(stack, http, asked.key, 2)
    assert await stack.requests(http, asked.key) == 2, "the stranger's is its own"


async def test_two_askers_with_the_same_body_are_two_generations_also_when_one_retries(
    stack: Breakable, http: httpx2.AsyncClient
) -> None:
    node, other = stack.apis
    asked = question(MESSAGES, rate=20)
    staying = asyncio.create_task(post(http, other.url, asked, 0))
    await begun(stack, http, asked.key)
    leaving = asyncio.create_task(post(http, node.url, asked, 0))
    await begun(stack, http, asked.key, 2)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    retry = await post(http, other.url, asked, 1)
    first = await staying
    assert {first.status_code, retry.status_code} == {200}
    assert first.headers["midstream-generation"] != retry.headers["midstream-generation"]
    assert await stack.requests(http, asked.key) == 2
    again = await post(http, other.url, asked, 1)
    assert again.headers["midstream-generation"] not in {
        response.headers["midstream-generation"] for response in (first, retry)
    }, "both had their answers"


class Switch(Proxy):
    """The way of an SDK: first to one node, then to the other."""

    def over_to(self, node: ApiProcess) -> int:
        """Cut what there is; who comes back is sent to this node."""
        self.upstream = ("127.0.0.1", node.port)
        return self.reset()


@pytest.mark.parametrize(
    ("spoken", "end"), [(CHAT, "cut"), (RESPONSES, "cut"), (MESSAGES, "cut"), (CHAT, "killed"), (MESSAGES, "drained")]
)
async def test_the_vendors_clients_pay_once_by_themselves(
    stack: Breakable, http: httpx2.AsyncClient, spoken: Spoken, end: str
) -> None:
    """Whatever breaks their connection once, they retry as they do, and have the one answer there is."""
    node, other = stack.apis
    key = uuid.uuid4().hex
    model = f"simulator/lorem?deltas=60&rate=20&seed=3&key={key}"
    way = Switch("sdk", ("127.0.0.1", node.port))
    async with way.listening():
        asking = asyncio.create_task(whole_answer(spoken, f"http://{way.address}", model))
        await begun(stack, http, key)
        if end == "cut":
            assert way.over_to(other) == 1
        else:
            way.upstream = ("127.0.0.1", other.port)
            node.popen.send_signal(signal.SIGKILL if end == "killed" else signal.SIGTERM)
            await node.wait()
        name, said = await asking
    generation = "gen_" + name.removeprefix(spoken.prefix)
    assert said == (await snapshot(http, other.url, generation))["text"] != ""
    assert await stack.requests(http, key) == 1


async def whole_answer(spoken: Spoken, url: str, model: str) -> tuple[str, str]:
    """Name and text of an answer, asked for as every guide says."""
    if spoken is MESSAGES:
        async with AsyncAnthropic(base_url=url, api_key="none", max_retries=2) as anthropic:
            message = await anthropic.messages.create(
                model=model, max_tokens=1000, messages=[{"role": "user", "content": "Go."}]
            )
        return message.id, "".join(block.text for block in message.content if block.type == "text")
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=2) as openai:
        if spoken is RESPONSES:
            response = await openai.responses.create(model=model, input="Go.")
            return response.id, response.output_text
        chat = await openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "Go."}])
    return chat.id, chat.choices[0].message.content or ""
