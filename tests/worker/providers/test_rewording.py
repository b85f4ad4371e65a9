"""Names and ids that a provider refuses: others go out, consistently, and the caller's own come back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shared.config.protocols import PROTOCOLS, Protocol
from shared.config.provider_settings import ProviderSettings
from shared.log.events import Part
from shared.log.snapshots import Snapshot
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome
from worker.providers.call_ids import MESSAGES_IDS
from worker.providers.provider import Provider
from worker.providers.registry import Registry
from worker.providers.rewording import Rewording

Ask = Callable[..., GenerationRequest]
Make = Callable[..., Provider]

NAMES = ["calendar/update Event", "calendar_update_Event", "get_time", "files/read"]
BAD_ID = "functions.calendar:0" + "0" * 60


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


def called(call_id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}, **more}


CONVERSATION: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [called(BAD_ID, NAMES[0]), called("tidy0Call", NAMES[2])]},
        {"role": "tool", "tool_call_id": BAD_ID, "content": "12:00"},
        {"role": "tool", "tool_call_id": "tidy0Call", "content": "12:01"},
        # A tool that is not on offer any more.
        {"role": "assistant", "tool_calls": [called("thirdCall", "old.tool")]},
        {"role": "tool", "tool_call_id": "thirdCall", "content": "12:02"},
    ],
    "tools": [tool(name) for name in NAMES],
    "tool_choice": {"type": "function", "function": {"name": NAMES[0]}},
}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)


def chat(name: str, call_id: str) -> bytes:
    call = {"index": 0, "id": call_id, "function": {"name": name, "arguments": "{}"}}
    said = [({"tool_calls": [call]}, None), ({}, "tool_calls")]
    return sse(*({"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in said))


def responses(name: str, call_id: str) -> bytes:
    item = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": "{}"}
    return sse(
        {"type": "response.created", "response": {"id": "r"}, "sequence_number": 0},
        {"type": "response.output_item.done", "output_index": 0, "item": item, "sequence_number": 1},
        {"type": "response.completed", "response": {"status": "completed", "output": [item]}, "sequence_number": 2},
    )


def messages(name: str, call_id: str) -> bytes:
    block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return sse(
        {"type": "message_start", "message": {}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )


def gemini(name: str, call_id: str) -> bytes:
    call = {"functionCall": {"id": call_id, "name": name, "args": {}}}
    return sse({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]})


ANSWERS: dict[Protocol, Callable[[str, str], bytes]] = {
    "openai-chat": chat, "openai-responses": responses, "anthropic": messages, "gemini": gemini,
}  # fmt: skip


def offered(protocol: Protocol, body: dict[str, Any]) -> list[str]:
    """The names of the tools on offer."""
    if protocol == "gemini":
        return [one["name"] for tools in body["tools"] for one in tools["functionDeclarations"]]
    return [one["function"]["name"] if protocol == "openai-chat" else one["name"] for one in body["tools"]]


def forced(protocol: Protocol, body: dict[str, Any]) -> str:
    """The name of the tool that must be called."""
    if protocol == "gemini":
        (name,) = body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"]
        return str(name)
    choice = body["tool_choice"]
    return str(choice["function"]["name"] if protocol == "openai-chat" else choice["name"])


def history(protocol: Protocol, body: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """The calls so far as name and id, and the ids of the results."""
    if protocol == "openai-chat":
        calls = [call for message in body["messages"] for call in message.get("tool_calls", ())]
        results = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
        return [(call["function"]["name"], call["id"]) for call in calls], results
    if protocol == "openai-responses":
        items = body["input"]
        return (
            [(item["name"], item["call_id"]) for item in items if item["type"] == "function_call"],
            [item["call_id"] for item in items if item["type"] == "function_call_output"],
        )
    if protocol == "anthropic":
        blocks = [block for message in body["messages"] for block in message["content"]]
        return (
            [(block["name"], block["id"]) for block in blocks if block["type"] == "tool_use"],
            [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"],
        )
    parts = [part for content in body["contents"] for part in content["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
    assert [one["name"] for one in answers] == [one["name"] for one in calls]
    return [(one["name"], one["id"]) for one in calls], [one["id"] for one in answers]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes the adapter of an endpoint."""
    made: list[Registry] = []

    def of(**settings: Any) -> Provider:
        made.append(Registry({"acme": ProviderSettings.model_validate(settings)}))
        return made[-1].get("acme")

    yield of
    for registry in made:
        await registry.aclose()


def root(protocol: Protocol, upstream: Upstream) -> str:
    return f"{upstream.url}/v1" if protocol.startswith("openai") else upstream.url


def call_of(got: Outcome) -> tuple[str, str]:
    (part,) = [event for event in got.events if isinstance(event, Part)]
    return str(part.name), str(part.call_id)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_tools_name_goes_out_as_another_and_comes_back(
    upstream: Upstream, make: Make, ask: Ask, protocol: Protocol
) -> None:
    provider = make(protocol=protocol, base_url=root(protocol, upstream))
    upstream.reply = Reply([ANSWERS[protocol]("x", "c")])
    await outcome(provider, ask(**CONVERSATION))
    body = upstream.calls[0].body
    names = offered(protocol, body)
    assert names[1:] == [*NAMES[1:3], "files_read"]
    assert names[0] != names[1]
    assert names[0].startswith("calendar_update_Event_")
    assert forced(protocol, body) == names[0]
    (first, _), (second, _), (third, _) = history(protocol, body)[0]
    assert (first, second) == (names[0], NAMES[2])
    assert third == ("old.tool" if protocol == "gemini" else "old_tool")
    for sent, ours in (*zip(names, NAMES, strict=True), ("old_tool", "old.tool")):
        if sent == "old_tool" and protocol == "gemini":
            continue
        upstream.reply = Reply([ANSWERS[protocol](sent, "c")])
        assert call_of(await outcome(provider, ask(**CONVERSATION))) == (ours, "c")


@pytest.mark.parametrize(
    ("settings", "legal"),
    [
        ({"protocol": "anthropic"}, r"^functions_calendar_0[\w-]{,44}$"),
        ({"protocol": "openai-responses"}, r"^functions_calendar_0[\w-]{,44}$"),
        ({"preset": "mistral"}, r"^[a-zA-Z0-9]{9}$"),
        ({"protocol": "openai-chat"}, None),
        ({"protocol": "gemini"}, None),
    ],
)
async def test_a_calls_id_goes_out_as_another_with_its_result_and_comes_back(
    upstream: Upstream, make: Make, ask: Ask, settings: dict[str, Any], legal: str | None
) -> None:
    protocol: Protocol = settings.get("protocol", "openai-chat")
    provider = make(**settings, base_url=root(protocol, upstream))
    upstream.reply = Reply([ANSWERS[protocol]("get_time", "c")])
    await outcome(provider, ask(**CONVERSATION))
    calls, results = history(protocol, upstream.calls[0].body)
    ids = [call_id for _, call_id in calls]
    assert ids == results
    assert ids[1:] == ["tidy0Call", "thirdCall"]
    if legal is None:
        assert ids[0] == BAD_ID
    else:
        assert re.match(legal, ids[0])
    upstream.reply = Reply([ANSWERS[protocol]("get_time", ids[0])])
    assert call_of(await outcome(provider, ask(**CONVERSATION))) == ("get_time", BAD_ID)


@pytest.mark.parametrize(
    ("protocol", "own"),
    [
        ("anthropic", {"type": "web_search_20260318", "name": "web_search"}),
        ("openai-chat", {"type": "function", "function": {"name": "web_search"}}),
        ("openai-responses", {"type": "function", "name": "web_search"}),
        ("gemini", {"functionDeclarations": [{"name": "web_search"}]}),
    ],
)
async def test_no_tool_is_called_like_one_of_extra(
    upstream: Upstream, make: Make, ask: Ask, protocol: Protocol, own: dict[str, Any]
) -> None:
    provider = make(protocol=protocol, base_url=root(protocol, upstream))
    upstream.reply = Reply([ANSWERS[protocol]("x", "c")])
    await outcome(provider, ask(tools=[tool("web/search")], extra={"acme": {"tools": [own]}}))
    body = upstream.calls[0].body
    (ours, *_) = offered(protocol, body)
    assert ours.startswith("web_search_")
    assert body["tools"][-1] == own


async def test_what_a_provider_runs_itself_keeps_its_name(upstream: Upstream, make: Make, ask: Ask) -> None:
    provider = make(protocol="anthropic", base_url=upstream.url)
    own = messages("files_read", "c").replace(b"tool_use", b"server_tool_use", 1)
    upstream.reply = Reply([own])
    assert call_of(await outcome(provider, ask(**CONVERSATION)))[0] == "files_read"


async def test_reasoning_that_names_its_call_goes_along(upstream: Upstream, make: Make, ask: Ask) -> None:
    provider = make(preset="mistral", reasoning="openrouter", base_url=f"{upstream.url}/v1")
    thought = {"encrypted": "b3A=", "item_id": BAD_ID, "provider": "openrouter/google-gemini-v1"}
    answer = {"role": "assistant", "tool_calls": [called(BAD_ID, "f")], "reasoning": [thought]}
    request = ask(messages=[answer, {"role": "tool", "tool_call_id": BAD_ID, "content": "1"}])
    detail = {"type": "reasoning.encrypted", "data": "b3A=", "format": "google-gemini-v1"}

    def said(body: Any) -> Reply:
        (sent,) = body["messages"][0]["reasoning_details"]
        assert sent == detail | {"id": body["messages"][0]["tool_calls"][0]["id"]}
        delta = {"reasoning_details": [sent]}
        return Reply([sse({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})])

    upstream.answer = said
    (part,) = (await outcome(provider, request)).parts()
    assert part["item_id"] == BAD_ID


async def test_an_answer_that_is_read_on_has_the_callers_names(upstream: Upstream, make: Make, ask: Ask) -> None:
    provider = make(protocol="openai-responses", base_url=f"{upstream.url}/v1")
    request = ask(**CONVERSATION, on_interrupt="continue")
    so_far = Snapshot()
    so_far.response_id, so_far.sequence_number = "r", 0
    upstream.reply = Reply([responses("files_read", "c")])
    batches = [events async for events in provider.stream(request, "m", so_far)]
    assert call_of(Outcome(batches, None)) == ("files/read", "c")
    assert upstream.calls[0].target.startswith("/v1/responses/r?")


def test_where_all_is_legal_the_request_is_what_it_was(ask: Ask) -> None:
    request = ask(
        messages=[{"role": "assistant", "tool_calls": [called("a", "f")]}, {"role": "tool", "tool_call_id": "a",
                                                                         "content": "1"}],
        tools=[tool("f")],
    )  # fmt: skip
    words = Rewording("acme", "anthropic", MESSAGES_IDS)
    assert words.sent(request) is request
    part = Part(part=0, kind="tool_call", call_id="a", name="f", executor="client")
    words.back([part])
    assert (part.call_id, part.name) == ("a", "f")


def test_the_callers_own_request_stays_as_it_is(ask: Ask) -> None:
    request = ask(**CONVERSATION)
    before = request.model_dump_json()
    assert Rewording("acme", "anthropic", MESSAGES_IDS).sent(request) != request
    assert request.model_dump_json() == before
