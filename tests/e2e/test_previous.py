"""A conversation by `previous`: posted over HTTP, run by a real worker, and seen by the provider as one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from midstream.processes.valkey import Valkey
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.log.answer_message import answer_of
from shared.log.events import decode
from shared.log.snapshots import Snapshot
from tests.api.harness import Api
from tests.worker.conftest import working
from tests.worker.providers.upstream import Reply, Upstream

CALL = {"id": "call_1", "type": "function", "function": {"name": "rain", "arguments": '{"city":"Oslo"}'}}
TOOLS = [{"type": "function", "function": {"name": "rain", "parameters": {"type": "object"}}}]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def chat(finish: str = "stop", **delta: Any) -> bytes:
    chunks: list[dict[str, Any]] = [{"delta": delta}, {"delta": {}, "finish_reason": finish}]
    bodies = [{"id": "c", "choices": [{"index": 0, **chunk}]} for chunk in chunks]
    return b"".join(b"data: %s\n\n" % json.dumps(body).encode() for body in bodies) + b"data: [DONE]\n\n"


def messages(text: str) -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


class Talk:
    """An API, whose generations are run while `worked` is entered."""

    def __init__(self, api: Api, settings: Settings, upstream: Upstream) -> None:
        self.api, self._settings, self.upstream = api, settings, upstream

    @asynccontextmanager
    async def worked(self) -> AsyncIterator[None]:
        async with working(self._settings):
            yield

    async def say(self, *said: dict[str, Any], model: str = "acme/m", **fields: Any) -> dict[str, Any]:
        """Posts, waits for the end, and returns the snapshot."""
        body = {"model": model, "messages": said, "stream": False, **fields}
        response = await self.api.client.post("/v1/generations", json=body)
        assert response.status_code == 200, response.text
        snapshot: dict[str, Any] = response.json()
        return snapshot


@pytest.fixture
async def talk(valkey: Valkey, upstream: Upstream) -> AsyncIterator[Talk]:
    providers = {
        "acme": ProviderSettings(protocol="openai-chat", base_url=upstream.url),
        "claude": ProviderSettings(protocol="anthropic", base_url=upstream.url),
    }
    settings = Settings(redis_url=valkey.url, providers=providers, lease=5.0, retries=0)
    async with Api(settings) as api:
        await api.log.redis.flushall()
        yield Talk(api, settings, upstream)


async def test_the_provider_is_sent_all_that_came_before(talk: Talk) -> None:
    upstream = talk.upstream
    async with talk.worked():
        upstream.reply = Reply([chat(content="Bergen.")])
        first = await talk.say({"role": "system", "content": "Be brief."}, user("Where does it rain?"))
        upstream.reply = Reply([chat(content="Oslo.")])
        second = await talk.say(user("And now?"), previous="chatcmpl-" + first["id"].removeprefix("gen_"))
        third = await talk.say(user("Sure?"), previous=second["id"])
    assert (first["state"], second["state"], third["state"]) == ("completed",) * 3
    assert (second["previous"], third["previous"]) == (first["id"], second["id"])
    assert upstream.calls[2].body["messages"] == [
        {"role": "system", "content": "Be brief."}, user("Where does it rain?"),
        {"role": "assistant", "content": "Bergen."}, user("And now?"), {"role": "assistant", "content": "Oslo."},
        user("Sure?"),
    ]  # fmt: skip
    stored = json.loads(await talk.api.generations.request(third["id"]))
    assert stored["messages"] == [user("Sure?")]


async def test_it_is_as_if_the_caller_had_sent_all_of_it(talk: Talk) -> None:
    """With signed thoughts, which their provider wants back."""
    upstream = talk.upstream
    upstream.reply = Reply([messages("Bergen.")])
    fields: dict[str, Any] = {"model": "claude/claude-sonnet-4-5", "reasoning_budget": 1024, "max_tokens": 2048}
    async with talk.worked():
        first = await talk.say(user("Where?"), **fields)
        await talk.say(user("Sure?"), previous=first["id"], **fields)
        await talk.say(user("Where?"), *first["messages"], user("Sure?"), **fields)
    _, named, sent = (call.body for call in upstream.calls)
    assert named == sent
    assert named["messages"][1]["content"][0]["signature"] == "c2ln"


async def test_a_tool_s_result_goes_to_the_call_that_was_made(talk: Talk) -> None:
    upstream = talk.upstream
    async with talk.worked():
        upstream.reply = Reply([chat("tool_calls", tool_calls=[{"index": 0, **CALL}])])
        first = await talk.say(user("Rain?"), tools=TOOLS)
        upstream.reply = Reply([chat(content="No.")])
        result = {"role": "tool", "tool_call_id": "call_1", "content": "dry"}
        second = await talk.say(result, previous=first["id"], tools=TOOLS)
        without = await talk.say(user("Well?"), previous=first["id"], tools=TOOLS, fallback=["claude/m"])
    assert (second["state"], second["text"]) == ("completed", "No.")
    sent = upstream.calls[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"] == [CALL]
    # The call has no result anywhere: no provider is asked, nor another model.
    error = without["error"]
    assert (without["state"], error["code"], error["retryable"]) == ("failed", "bad_request", False)
    assert first["id"] in error["message"]
    assert (len(upstream.calls), [attempt["usage"] for attempt in without["attempts"]]) == (2, [None])


async def test_what_vanished_before_the_worker_had_it_is_told(talk: Talk) -> None:
    async with talk.worked():
        talk.upstream.reply = Reply([chat(content="Bergen.")])
        first = await talk.say(user("Where?"))
        second = await talk.say(user("Why?"), previous=first["id"])
    third = await talk.api.post({"model": "acme/m", "messages": [user("Sure?")], "previous": second["id"]})
    assert (await talk.api.client.delete(f"/v1/generations/{first['id']}")).status_code == 204
    async with talk.worked():
        events = await talk.api.events(third)
    end = json.loads(events[-1].data)
    assert (events[-1].event, end["code"], end["retryable"]) == ("failed", "previous_gone", False)
    assert first["id"] in end["message"]
    assert len(talk.upstream.calls) == 2


async def test_another_worker_reads_it_again(talk: Talk) -> None:
    upstream = talk.upstream
    async with talk.worked():
        upstream.reply = Reply([chat(content="Bergen.")])
        first = await talk.say(user("Where?"))
        upstream.reply = Reply([chat(content="Be")[:-80]], "hang")
        second = await talk.api.post({"model": "acme/m", "messages": [user("Sure?")], "previous": first["id"]})
        async with talk.api.view(second) as viewing:
            while (await viewing.next()).event != "delta":
                pass
    upstream.reply = Reply([chat(content="Yes.")])
    async with talk.worked():
        events = await talk.api.events(second)
    assert [e.event for e in events if e.event in ("attempt", "completed")] == ["attempt", "attempt", "completed"]
    assert upstream.calls[1].body == upstream.calls[2].body
    assert len(upstream.calls[2].body["messages"]) == 3


async def test_what_an_answer_says_counts_for_the_length_of_what_follows(talk: Talk) -> None:
    said = "word " * 300
    talk.upstream.reply = Reply([chat(content=said)])
    async with talk.worked():
        first = await talk.say(user("Where?"))
    record = (await talk.api.generations.find(first["id"])).record
    assert record is not None
    # About: the end of a part has some bytes of its own.
    assert len(said) <= record.said <= len(said) + 100
    second = await talk.api.post({"model": "acme/m", "messages": [user("Sure?")], "previous": first["id"]})
    record = (await talk.api.generations.find(second)).record
    assert record is not None
    assert record.chain is not None
    assert (record.chain.messages, record.chain.size > len(said)) == (3, True)


async def test_the_cache_tells_conversations_apart_and_knows_them_however_they_are_sent(talk: Talk) -> None:
    cache, upstream = {"ttl": 600}, talk.upstream
    async with talk.worked():
        upstream.reply = Reply([chat(content="Bergen.")])
        rain = await talk.say(user("Where does it rain?"))
        upstream.reply = Reply([chat(content="Sahara.")])
        sun = await talk.say(user("Where is sun?"))
        upstream.reply = Reply([chat(content="Yes, Bergen.")])
        one = await talk.say(user("Sure?"), previous=rain["id"], cache=cache)
        upstream.reply = Reply([chat(content="Yes, Sahara.")])
        other = await talk.say(user("Sure?"), previous=sun["id"], cache=cache)
        upstream.reply = Reply([chat(content="Again.")])
        again = await talk.say(user("Sure?"), previous=rain["id"], cache=cache)
        sent = await talk.say(user("Where is sun?"), *sun["messages"], user("Sure?"), cache=cache)
        alone = await talk.say(user("Sure?"), cache=cache)
    assert [one["text"], other["text"]] == ["Yes, Bergen.", "Yes, Sahara."]
    assert (again["text"], again["attempts"][0]["cached"]) == ("Yes, Bergen.", True)
    assert (sent["text"], sent["attempts"][0]["cached"]) == ("Yes, Sahara.", True)
    assert alone["text"] == "Again."


async def test_what_is_said_is_what_the_snapshot_has_ready(talk: Talk) -> None:
    talk.upstream.reply = Reply([chat(content="Bergen.")])
    async with talk.worked():
        first = await talk.say(user("Where?"))
    folded = Snapshot()
    async for page in talk.api.log.pages(first["id"]):
        for entry in page:
            assert decode(entry.type, entry.data)
            folded.apply(*entry)
    assert answer_of(folded) == first["messages"]


class TestResponses:
    """By OpenAI's own client."""

    @pytest.fixture
    async def client(self, talk: Talk) -> AsyncIterator[openai.AsyncOpenAI]:
        url = f"http://127.0.0.1:{talk.api.port}/v1"
        async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0) as client:
            yield client

    async def test_what_is_new_is_sent_and_instructions_are_for_one_answer(
        self, talk: Talk, client: openai.AsyncOpenAI
    ) -> None:
        async with talk.worked():
            talk.upstream.reply = Reply([chat(content="Bergen.")])
            first = await client.responses.create(model="acme/m", instructions="Be brief.", input="Where does it rain?")
            talk.upstream.reply = Reply([chat(content="Yes.")])
            second = await client.responses.create(
                model="acme/m", instructions="Be kind.", input="Sure?", previous_response_id=first.id
            )
            native = await talk.say(user("Why?"), previous=second.id)
        assert (second.output_text, second.previous_response_id) == ("Yes.", first.id)
        sent = [[(m["role"], m["content"]) for m in call.body["messages"]] for call in talk.upstream.calls]
        conversation = [
            ("user", "Where does it rain?"), ("assistant", "Bergen."), ("user", "Sure?"), ("assistant", "Yes."),
        ]  # fmt: skip
        assert sent[1] == [("system", "Be kind."), *conversation[:3]]
        assert sent[2] == [*conversation, ("user", "Why?")]
        assert native["state"] == "completed"

    async def test_a_tool_s_output_is_all_that_is_sent(self, talk: Talk, client: openai.AsyncOpenAI) -> None:
        tool: Any = {"type": "function", "name": "rain", "parameters": {"type": "object"}, "strict": False}
        async with talk.worked():
            talk.upstream.reply = Reply([chat("tool_calls", tool_calls=[{"index": 0, **CALL}])])
            first = await client.responses.create(model="acme/m", input="Rain?", tools=[tool])
            call = next(item for item in first.output if item.type == "function_call")
            talk.upstream.reply = Reply([chat(content="No.")])
            second = await client.responses.create(
                model="acme/m",
                tools=[tool],
                previous_response_id=first.id,
                input=[{"type": "function_call_output", "call_id": call.call_id, "output": "dry"}],
            )
            with pytest.raises(openai.BadRequestError) as caught:
                await client.responses.create(model="acme/m", input="Well?", previous_response_id=first.id)
        assert second.output_text == "No."
        assert [message["role"] for message in talk.upstream.calls[1].body["messages"]] == ["user", "assistant", "tool"]
        assert caught.value.code == "bad_request"

    async def test_what_cannot_be_gone_on_from_is_told_by_its_class(
        self, talk: Talk, client: openai.AsyncOpenAI
    ) -> None:
        talk.upstream.reply = Reply([chat(content="Bergen.")])
        async with talk.worked():
            unstored = await client.responses.create(model="acme/m", input="Where?", store=False)
            deleted = await client.responses.create(model="acme/m", input="Where?")
            await client.responses.delete(deleted.id)
        for name, kind, code in (
            ("resp_" + "a" * 32, openai.BadRequestError, "previous_response_not_found"),
            (unstored.id, openai.ConflictError, "previous_not_stored"),
            (deleted.id, openai.ConflictError, "previous_gone"),
        ):
            with pytest.raises(kind) as caught:
                await client.responses.create(model="acme/m", input="Sure?", previous_response_id=name)
            assert (caught.value.code, caught.value.param) == (code, "previous_response_id")
            if kind is openai.ConflictError:
                assert caught.value.response.headers["x-should-retry"] == "false"
