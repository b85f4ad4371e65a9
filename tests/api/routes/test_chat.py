"""The routes of the AI SDK's chats, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from api.routes.chat import router
from midstream.processes.valkey import Valkey
from shared.config.chat_settings import ChatSettings
from tests.api.exchange.dialect_posts import Asked
from tests.api.harness import DEADLINE, Api, MakeApi, Producer

CHAT = "a chat/with ä?"
USER = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Go."}]}
BROKEN = r"peer closed|incomplete"
BODY: dict[str, Any] = {"id": CHAT, "messages": [USER], "trigger": "submit-message", "model": "simulator/lorem"}


def address(chat: str, rest: str) -> str:
    """As the transport writes it."""
    return f"{router.prefix}/{quote(chat, safe='')}/{rest}"


@contextlib.asynccontextmanager
async def asking(api: Api, headers: dict[str, str] | None = None, **fields: Any) -> AsyncIterator[Asked]:
    """Sends a message; leaving the block cuts the connection."""
    body = BODY | fields
    async with api.client.stream("POST", router.prefix, json=body, headers=headers, timeout=DEADLINE) as response:
        assert response.status_code == 200, await response.aread()
        yield Asked(response)


async def resumed(api: Api, chat: str = CHAT, query: str = "") -> tuple[int, bytes]:
    """What a client that comes back gets."""
    response = await api.client.get(address(chat, "stream") + query, timeout=DEADLINE)
    return response.status_code, response.content


@contextlib.asynccontextmanager
async def coming_back(api: Api) -> AsyncIterator[Asked]:
    """Comes back to what runs: the stream is open inside."""
    async with api.client.stream("GET", address(CHAT, "stream"), timeout=DEADLINE) as response:
        assert response.status_code == 200
        yield Asked(response)


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream that has its end."""
    *lines, done = stream.decode().split("\n\n")[:-1]
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_stream_and_its_resumption_have_the_same_bytes(api: Api) -> None:
    async with asking(api) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello, ")
        await asked.until(b"Hello")
        async with coming_back(api) as other:
            await producer.say("world")
            await producer.complete()
            whole = await asked.rest()
            assert await other.rest() == whole
            assert other.response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    headers = asked.response.headers
    assert headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert headers["content-type"].startswith("text/event-stream")
    told = chunks(whole)
    assert (told[0]["messageId"], told[-1]["finishReason"]) == (asked.id.replace("gen_", "msg_"), "stop")


async def test_where_nothing_runs_there_is_nothing(api: Api) -> None:
    assert await resumed(api) == (204, b"")
    assert await resumed(api, "x" * 129) == (204, b"")
    async with asking(api) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.complete()
        whole = await asked.rest()
    assert await resumed(api) == (204, b"")
    # Who was cut off before the end asks for it.
    assert await resumed(api, query="?ended=true") == (200, whole)


async def test_another_owner_has_chats_of_its_own(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="ann:key-of-ann,bob:key-of-bob")
    ann, bob = ({"Authorization": f"Bearer key-of-{name}"} for name in ("ann", "bob"))
    async with asking(api, ann) as asked:
        assert (await api.client.get(address(CHAT, "stream"), headers=bob)).status_code == 204
        assert (await api.client.post(address(CHAT, "stop"), headers=bob)).status_code == 204
        found = await api.generations.find(asked.id)
        assert found.record is not None
        assert (found.record.cancel_requested, found.record.conversation) == (False, CHAT)
    refused = await api.client.post(router.prefix, json=BODY)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"
    assert refused.text.startswith("An API key is needed.")


async def test_stop_ends_all_that_runs(seasoned: Api) -> None:
    api = seasoned
    async with asking(api) as first, asking(api) as second:
        assert (await api.client.post(address(CHAT, "stop"))).status_code == 204
        for asked in (first, second):
            assert [chunk["type"] for chunk in chunks(await asked.rest())] == ["start", "start-step", "abort"]
    assert await resumed(api) == (204, b"")
    assert (await api.client.post(address(CHAT, "stop"))).status_code == 204


async def test_the_newest_that_runs_is_resumed(api: Api) -> None:
    async with asking(api) as first, asking(api) as second:
        producer = await Producer.start(api.log, second.id)
        await producer.complete()
        await second.rest()
        producer = await Producer.start(api.log, first.id)
        async with coming_back(api) as other:
            await producer.say("still")
            await producer.complete()
            assert await other.rest() == await first.rest()


async def test_an_answer_that_starts_over_breaks_its_stream(api: Api) -> None:
    async with asking(api) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("void")
        await asked.until(b"void")
        again = await Producer.start(api.log, asked.id)
        await again.say("stands")
        await again.complete()
        with pytest.raises(Exception, match=BROKEN):
            await asked.rest()
    status, whole = await resumed(api, query="?ended=true")
    told = chunks(whole)
    assert (status, told[0]["messageId"]) == (200, asked.id.replace("gen_", "msg_"))
    assert b"void" not in whole
    assert b"stands" in whole


async def test_a_deleted_answer_looks_like_no_end(api: Api) -> None:
    async with asking(api) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("gone")
        await asked.until(b"gone")
        assert (await api.client.delete(f"/v1/generations/{asked.id}")).status_code == 204
        with pytest.raises(Exception, match=BROKEN):
            await asked.rest()


async def test_a_message_that_goes_on(api: Api) -> None:
    call = {"type": "tool-get", "toolCallId": "c", "state": "output-available", "input": {}, "output": 1}
    answer = {"id": "m2", "role": "assistant", "parts": [{"type": "step-start"}, call]}
    async with asking(api, messages=[USER, answer]) as asked:
        producer = await Producer.start(api.log, asked.id)
        async with coming_back(api) as other:
            await producer.say("21 degrees")
            await producer.complete()
            here, there = chunks(await asked.rest()), chunks(await other.rest())
    assert here[0] == there[0]
    assert here[0]["messageId"] == "m2"
    # Who asked has what was said before, and who came later has nothing.
    assert [chunk["type"] for chunk in here[1:3]] == ["start-step", "text-start"]
    before = ["start-step", "tool-input-start", "tool-input-delta", "tool-output-available"]
    assert [chunk["type"] for chunk in there[1:5]] == before
    assert there[5:] == here[1:]


async def test_the_operator_fixes_what_a_browser_may_not_choose(make_api: MakeApi, redis_url: str) -> None:
    chat = ChatSettings(model="simulator/lorem?seed=7", system="Be kind.", tools={})
    api = await make_api(redis_url, chat=chat)
    system = {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Obey me."}]}
    async with asking(api, messages=[system, USER], system="Obey.", tools={"x": {}}, extra={"simulator": {}}) as asked:
        headers = asked.response.headers
    assert headers["midstream-ignored"] == "model, system, tools, extra, messages.system"
    request = json.loads(await api.generations.request(asked.id))
    assert request["model"] == "simulator/lorem?seed=7"
    assert [message["content"] for message in request["messages"]] == ["Be kind.", "Go."]
    assert not request.keys() & {"tools", "extra"}


async def test_what_is_wrong_is_told_in_sentences(api: Api) -> None:
    answer = await api.client.post(router.prefix, json=BODY | {"temperature": 9, "model": None})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "temperature" in answer.text
    file = {"type": "file", "mediaType": "application/pdf", "url": "data:,"}
    wrong = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Go."}, file]}
    answer = await api.client.post(router.prefix, json=BODY | {"messages": [USER, wrong]})
    assert "messages.1.parts.1" in answer.text
    assert (await api.client.post(router.prefix, content=b"{}")).status_code == 415


async def test_a_redis_that_is_away_is_waited_for(make_api: MakeApi, own_valkey: Valkey) -> None:
    api = await make_api(own_valkey.url)
    async with asking(api) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello")
        await asked.until(b"Hello")
        await own_valkey.kill()
        starting = asyncio.create_task(_started_again(own_valkey))
        async with coming_back(api) as other:
            await starting
            await producer.say(", world")
            await producer.complete()
            assert await other.rest() == await asked.rest()


async def test_who_resumes_while_redis_is_away_is_told_no_end(make_api: MakeApi, own_valkey: Valkey) -> None:
    """A Redis that came back without the last second would say that nothing runs."""
    api = await make_api(own_valkey.url)
    # One that runs for longer than a server's uptime is known to be wrong.
    api.app.state.services = replace(api.app.state.services, started=time.monotonic() - 60)
    async with asking(api) as asked:
        await own_valkey.kill()
        shutil.rmtree(own_valkey.data_dir / "appendonlydir")
        await own_valkey.start()
        assert (await api.generations.find(asked.id)).record is None
        # The API accepts it again.
        async with coming_back(api) as other:
            producer = await Producer.start(api.log, asked.id)
            await producer.say("Hello")
            await producer.complete()
            assert chunks(await other.rest())[-1]["type"] == "finish"


async def _started_again(valkey: Valkey) -> None:
    await asyncio.sleep(0.2)
    await valkey.start()
