"""A conversation as an agent keeps it, from the body of a POST to what each protocol is sent over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.intake.request_body import pair, parse
from shared.config.protocols import Protocol
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.provider import Provider

Adapter = Callable[[Protocol, str], Provider]


def event(kind: str | None, **fields: Any) -> bytes:
    named = f"event: {kind}\n" if kind else ""
    return f"{named}data: {json.dumps(({'type': kind} if kind else {}) | fields)}\n\n".encode()


CHAT = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
MESSAGE = {"role": "assistant", "type": "message", "content": [], "usage": {}, "id": "m", "model": "m"}
ITEM = {"type": "message", "id": "i", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
ANSWERS: dict[Protocol, list[bytes]] = {
    "openai-chat": [event(None, **CHAT), b"data: [DONE]\n\n"],
    "openai-responses": [event("response.completed", response={"id": "r", "status": "completed", "output": [ITEM]})],
    "anthropic": [
        event("message_start", message=MESSAGE),
        event("content_block_start", index=0, content_block={"type": "text", "text": "Hi"}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={}),
        event("message_stop"),
    ],
    "gemini": [event(None, candidates=[{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}])],
}


@pytest.fixture(params=list(ANSWERS))
async def send(request: pytest.FixtureRequest, upstream: Upstream, adapter: Adapter) -> Any:
    """Sends the body of a POST through what takes it and what asks a provider; returns that one's body."""
    protocol: Protocol = request.param
    upstream.reply = Reply(ANSWERS[protocol])

    async def sent(model: str = "m", **fields: Any) -> dict[str, Any]:
        taken = pair(parse(json.dumps({"model": f"acme/{model}", **fields}).encode(), 100_000))
        assert (await outcome(adapter(protocol, upstream.url), taken, model)).error is None
        body: dict[str, Any] = upstream.calls[-1].body
        return body

    sent.protocol = protocol  # type: ignore[attr-defined]
    return sent


def call(call_id: str, zone: str = "UTC") -> dict[str, Any]:
    # As a stream's pieces, put together by an SDK, have it.
    function = {"name": "get_time", "arguments": json.dumps({"zone": zone})}
    return {"index": 0, "id": call_id, "type": "function", "function": function}


def made(*calls: dict[str, Any]) -> dict[str, Any]:
    return {
        "role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None, "function_call": None,
        "tool_calls": list(calls),
    }  # fmt: skip


def got(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "name": "get_time", "content": content}


USER = {"role": "user", "content": "What time is it?", "name": None}
TOOL = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}


def turns(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """What was said, made and got, in order, whatever the protocol."""
    said: list[tuple[str, Any]] = []
    for item in body.get("messages") or body.get("input") or body.get("contents") or []:
        parts = item.get("content", item.get("parts"))
        if item.get("type") == "function_call":
            said.append(("call", item["call_id"]))
        elif item.get("type") == "function_call_output":
            said.append(("result", (item["call_id"], item["output"])))
        elif item.get("role") == "tool":
            said.append(("result", (item["tool_call_id"], parts)))
        else:
            pieces = [{"text": parts}] if isinstance(parts, str) else parts or []
            said += [one for piece in pieces for one in _piece(item["role"], piece)]
        said += [("call", one["id"]) for one in item.get("tool_calls") or ()]
    return said


def _piece(role: str, piece: dict[str, Any]) -> list[tuple[str, Any]]:
    match piece:
        case {"type": "tool_use"} | {"functionCall": _}:
            return [("call", (piece.get("functionCall") or piece)["id"])]
        case {"type": "tool_result"}:
            return [("result", (piece["tool_use_id"], piece["content"][0]["text"]))]
        case {"functionResponse": result}:
            return [("result", (result["id"], result["response"]["output"]))]
    return [("assistant" if role == "model" else role, piece["text"])]


ASKED = ("user", "What time is it?")


async def test_results_are_behind_their_calls(send: Any) -> None:
    system = {"role": "system", "content": "Hurry."}
    wait = {"role": "user", "content": "Well?"}
    messages = [USER, made(call("a"), call("b")), got("b", "2"), wait, system, got("a", "1")]
    said = [one for one in turns(await send(messages=messages, tools=[TOOL])) if one[0] not in ("system", "developer")]
    order = [("call", "a"), ("call", "b"), ("result", ("b", "2")), ("result", ("a", "1"))]
    assert said == [ASKED, *order, ("user", "Well?")]


async def test_an_id_of_an_earlier_turn_gets_a_number(send: Any) -> None:
    messages = [USER, made(call("call_0")), got("call_0", "1"), made(call("call_0", "CET")), got("call_0", "2")]
    assert turns(await send(messages=messages, tools=[TOOL])) == [
        ASKED,
        *[("call", "call_0"), ("result", ("call_0", "1"))],
        *[("call", "call_0_2"), ("result", ("call_0_2", "2"))],
    ]


async def test_an_answer_in_several_messages(send: Any) -> None:
    messages = [USER, made(call("a")), made(call("b")), got("a", "1"), got("b", "2")]
    order = [("call", "a"), ("call", "b"), ("result", ("a", "1")), ("result", ("b", "2"))]
    if send.protocol == "openai-chat":
        order[1:3] = order[2:0:-1]
    assert turns(await send(messages=messages, tools=[TOOL])) == [ASKED, *order]


async def test_no_tools_are_none(send: Any) -> None:
    body = await send(messages=[USER], tools=[], tool_choice="auto", parallel_tool_calls=True, stop=[])
    left = {"tools", "tool_choice", "toolConfig", "stop", "stop_sequences"} & body.keys()
    assert not left
    assert "stopSequences" not in body.get("generationConfig", {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({"properties": {"x": {"type": "string"}}}, {"type": "object", "properties": {"x": {"type": "string"}}}),
        (
            {"allOf": [{"type": "object", "properties": {"x": {"type": "string"}}}]},
            {"type": "object", "properties": {"x": {"type": "string"}}},
        ),
    ],
)
async def test_schemas_are_of_objects(send: Any, given: dict[str, Any], expected: dict[str, Any]) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": given}}]
    (tool,) = (await send(messages=[USER], tools=tools))["tools"]
    tool = tool["functionDeclarations"][0] if "functionDeclarations" in tool else tool.get("function", tool)
    schema = tool.get("parameters") or tool.get("input_schema") or tool.get("parametersJsonSchema")
    # Gemini has none of a function without arguments.
    assert schema == (expected if expected["properties"] or send.protocol != "gemini" else None)


async def test_a_blank_text_and_the_end_of_a_beginning(send: Any) -> None:
    parts = [{"type": "text", "text": "What time is it?"}, {"type": "text", "text": " \n"}]
    body = await send(messages=[{"role": "user", "content": parts}, {"role": "assistant", "content": "It is \n"}])
    said = turns(body)
    if send.protocol == "anthropic":
        assert said == [ASKED, ("assistant", "It is")]
    else:
        assert said == [ASKED, ("user", " \n"), ("assistant", "It is \n")]


async def test_sampling_of_a_model_that_reasons(send: Any) -> None:
    body = await send("gpt-6-sol", messages=[USER], temperature=1, top_p=1)
    if send.protocol.startswith("openai"):
        assert not {"temperature", "top_p"} & body.keys()
    kept = await send("gpt-6-sol", messages=[USER], temperature=0.5, reasoning_effort="none")
    assert kept.get("temperature", kept.get("generationConfig", {}).get("temperature")) == 0.5
    if send.protocol.startswith("openai"):
        fields = await send("gpt-6-sol", messages=[USER], reasoning_effort="minimal")
        assert (fields.get("reasoning_effort") or fields["reasoning"]["effort"]) == "low"


async def test_an_answer_that_said_nothing_is_left_out(send: Any) -> None:
    empty: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "tool_calls": []}
    more = {"role": "user", "content": "Well?"}
    assert turns(await send(messages=[USER, empty, more])) == [ASKED, ("user", "Well?")]
