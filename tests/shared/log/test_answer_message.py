"""The message that a snapshot has ready: what the next request takes as it is, in the order in which it was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.provider_settings import ProviderSettings
from shared.log import events
from shared.log.answer_message import messages_of
from shared.log.events import Completed, Delta, EventId, Part, PartEnd
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.answer_order import in_order
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage
from shared.request.tools import ToolCall
from tests.api.schemas.test_parts import EXAMPLES, assembled, numbered, part
from tests.worker.providers.upstream import Reply, Upstream, outcome
from worker.providers.registry import Registry


def so_far(kind: events.PartKind, text: str = "", *, ended: bool = True, **fields: Any) -> PartSoFar:
    return PartSoFar(kind, pieces=[text] if text else [], ended=ended, **fields)


def called(name: str, text: str = "{}", **fields: Any) -> PartSoFar:
    fields = {"call_id": f"id_{name}", "name": name, "executor": "client", **fields}
    return so_far("tool_call", text, **fields)


def only(*parts: PartSoFar) -> dict[str, Any]:
    """The one message, after a check that a request takes it."""
    (message,) = messages_of(parts)
    request = {"model": "p/m", "messages": [message]}
    assert isinstance(GenerationRequest.model_validate_json(json.dumps(request)).messages[0], AssistantMessage)
    return message


def said_again(message: dict[str, Any]) -> list[str]:
    said = in_order(AssistantMessage.model_validate(message))
    return [one.function.name if isinstance(one, ToolCall) else one.text for one in said]


def test_the_fourth_example() -> None:
    first = PartEnd(part=0, signature="c2lnMQ==", provider="anthropic")
    got = assembled(
        *numbered(
            part("reasoning", "First the time.", end=first),
            part("text", "Let me look."),
            part("tool_call", '{"zone": "UTC"}', call_id="toolu_1", name="get_time", executor="client"),
            part("reasoning", "Then the rain.", end=PartEnd(part=0, signature="c2lnMg==", provider="anthropic")),
            part("tool_call", '{"city": "Bonn"}', call_id="toolu_2", name="rain", executor="client"),
        ),
        Completed(finish_reason="tool_calls"),
    )
    assert got["messages"] == EXAMPLES[3]["messages"]
    assert said_again(got["messages"][0]) == [
        "First the time.", "Let me look.", "get_time", "Then the rain.", "rain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "order"),
    [
        ([so_far("text", "t")], ["t"]),
        ([so_far("reasoning", "r"), so_far("text", "t")], ["r", "t"]),
        ([so_far("text", "t"), called("c")], ["t", "c"]),
        ([called("c"), so_far("text", "t")], ["c", "t"]),
        ([so_far("text", "a"), so_far("text", "b")], ["a", "b"]),
        ([so_far("reasoning", "r"), called("c"), so_far("reasoning", "s"), called("d")], ["r", "c", "s", "d"]),
        ([so_far("reasoning", "r"), so_far("text", "t"), so_far("reasoning", "s"), called("d")], ["r", "t", "s", "d"]),
        # What the provider ran itself has no place in a request, but has its number.
        (
            [
                called("web_search", executor="provider"),
                so_far("tool_result", "found", call_id="x", executor="provider"),
                so_far("reasoning", "r"),
                so_far("text", "t"),
            ],
            ["r", "t"],
        ),
        ([so_far("file", "aGk="), called("c"), so_far("text", "t"), called("d")], ["c", "t", "d"]),
        ([so_far("text", "t"), so_far("refusal", "no")], ["t", "no"]),
    ],
)
def test_the_order_of_the_parts_is_that_of_the_message(parts: list[PartSoFar], order: list[str]) -> None:
    assert said_again(only(*parts)) == order


PART = st.sampled_from(["text", "signed text", "reasoning", "call", "own call", "result", "file", "half a call"])


@given(st.lists(PART, max_size=9))
def test_any_parts_keep_their_order(kinds: list[str]) -> None:
    made: dict[str, Callable[[str], PartSoFar]] = {
        "text": lambda name: so_far("text", name),
        "signed text": lambda name: so_far("text", name, signature="c2ln", provider="gemini"),
        "reasoning": lambda name: so_far("reasoning", name),
        "call": called,
        "own call": lambda name: called(name, executor="provider"),
        "result": lambda name: so_far("tool_result", name, call_id="x", executor="provider"),
        "file": lambda name: so_far("file", "aGk="),
        "half a call": lambda name: called(name, ended=False),
    }
    names = [(kind, f"{kind} {at}") for at, kind in enumerate(kinds)]
    kept = [name for kind, name in names if kind in ("text", "signed text", "reasoning", "call")]
    parts = [made[kind](name) for kind, name in names]
    if {"text", "signed text", "call"}.isdisjoint(kinds):
        assert messages_of(parts) == []
    else:
        assert [name for name in said_again(only(*parts)) if name] == kept


def test_what_is_opaque_is_there_with_whose_it_is() -> None:
    message = only(
        so_far("reasoning", "s", summary=True, item_id="rs_1", encrypted="b3A=", provider="openai"),
        so_far("reasoning", encrypted="cmVk", provider="anthropic"),
        so_far("reasoning", "nobody's", signature="c2ln"),
        so_far("text", "t", signature="dGV4dA==", provider="gemini"),
        called("c", signature="Y2FsbA==", provider="gemini"),
        called("d", "", signature="c2ln"),
    )
    assert message["reasoning"] == [
        {"text": "s", "encrypted": "b3A=", "provider": "openai", "summary": True, "item_id": "rs_1", "part": 0},
        {"encrypted": "cmVk", "provider": "anthropic", "part": 1},
        {"text": "nobody's", "part": 2},
        {"signature": "dGV4dA==", "provider": "gemini", "part": 3},
    ]
    function = {"name": "d", "arguments": "{}"}
    first, second = message["tool_calls"]
    assert (first["signature"], first["provider"], first["part"]) == ("Y2FsbA==", "gemini", 4)
    assert second == {"id": "id_d", "type": "function", "function": function, "part": 5}


def test_what_broke_off_is_left_out_but_text() -> None:
    message = only(
        so_far("reasoning", "half", ended=False), so_far("text", "hal", ended=False), called("c", '{"x', ended=False)
    )
    assert message == {"role": "assistant", "content": "hal"}


@pytest.mark.parametrize(
    "parts",
    [[], [so_far("reasoning", "r")], [so_far("text")], [called("c", ended=False)], [called("")], [so_far("file", "a")]],
)  # fmt: skip
def test_nothing_said_is_no_message(parts: list[PartSoFar]) -> None:
    assert messages_of(parts) == []


def test_there_is_none_before_the_end() -> None:
    said = [Part(part=0, kind="text"), Delta(part=0, kind="text", delta="Hi")]
    assert assembled(*said)["messages"] is None
    assert assembled(*said, events.Cancelled())["messages"] == [{"role": "assistant", "content": "Hi"}]


def sse(*said: dict[str, Any]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in said)


def block(at: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    grown = [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
    begun = {"type": "content_block_start", "index": at, "content_block": start}
    return [begun, *grown, {"type": "content_block_stop", "index": at}]


def thinking(at: int, text: str) -> list[dict[str, Any]]:
    signature = {"type": "signature_delta", "signature": f"c2ln{at}"}
    return block(
        at, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": text}, signature
    )  # fmt: skip


def using(at: int) -> list[dict[str, Any]]:
    return block(at, {"type": "tool_use", "id": f"toolu_{at}", "name": "rain", "input": {"at": at}})


MESSAGES = sse(
    {"type": "message_start", "message": {"id": "msg_1"}},
    *thinking(0, "First."),
    *block(1, {"type": "redacted_thinking", "data": "cmVk"}),
    *block(2, {"type": "text", "text": "Let me look."}),
    *using(3),
    *thinking(4, "Then."),
    *using(5),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    {"type": "message_stop"},
)
MESSAGES_BACK = [
    {"type": "thinking", "thinking": "First.", "signature": "c2ln0"},
    {"type": "redacted_thinking", "data": "cmVk"},
    {"type": "text", "text": "Let me look."},
    {"type": "tool_use", "id": "toolu_3", "name": "rain", "input": {"at": 3}},
    {"type": "thinking", "thinking": "Then.", "signature": "c2ln4"},
    {"type": "tool_use", "id": "toolu_5", "name": "rain", "input": {"at": 5}},
]

ITEMS: list[dict[str, Any]] = [
    {
        "type": "reasoning", "id": "rs_1", "encrypted_content": "MQ==",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    },
    {"type": "function_call", "call_id": "call_1", "name": "rain", "arguments": "{}"},
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "Mg=="},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Look."}]},
    {"type": "function_call", "call_id": "call_2", "name": "wind", "arguments": "{}"},
]  # fmt: skip
RESPONSES = sse(
    {"type": "response.created", "response": {"id": "resp_1"}},
    *({"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(ITEMS)),
    {"type": "response.completed", "response": {"status": "completed", "output": ITEMS}},
)

PARTS: list[dict[str, Any]] = [
    {"text": "Hm.", "thought": True},
    {"text": "Look.", "thoughtSignature": "MQ=="},
    {"functionCall": {"id": "a", "name": "rain", "args": {}}, "thoughtSignature": "Mg=="},
    {"functionCall": {"id": "b", "name": "rain", "args": {}}},
    {"text": "", "thoughtSignature": "Mw=="},
]
GEMINI = sse({"candidates": [{"content": {"parts": PARTS}, "finishReason": "STOP"}]})


def chat(*deltas: dict[str, Any]) -> bytes:
    said = [*((delta, None) for delta in deltas), ({}, "tool_calls")]
    return sse(*({"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in said))


CALL = {"id": "a", "type": "function", "function": {"name": "rain", "arguments": "{}"}}
EXTRA = {"google": {"thought_signature": "c2ln"}}
DETAIL = {"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1", "signature": "c2ln"}


@pytest.mark.parametrize(
    ("settings", "answer", "back"),
    [
        ({"protocol": "anthropic"}, MESSAGES, MESSAGES_BACK),
        (
            {"protocol": "openai-responses"},
            RESPONSES,
            [*ITEMS[:3], {"type": "message", "role": "assistant", "content": "Look."}, ITEMS[4]],
        ),
        # Thoughts that nobody has signed are not wanted back there.
        ({"protocol": "gemini"}, GEMINI, PARTS[1:]),
        (
            {"protocol": "openai-chat", "reasoning": "reasoning"},
            chat({"reasoning": "Hm."}, {"content": "Look."}, {"tool_calls": [{"index": 0, **CALL}]}),
            {"role": "assistant", "content": "Look.", "reasoning": "Hm.", "tool_calls": [CALL]},
        ),
        (
            {"preset": "openrouter"},
            chat({"reasoning_details": [DETAIL]}, {"tool_calls": [{"index": 0, **CALL}]}),
            {"role": "assistant", "content": None, "reasoning_details": [DETAIL], "tool_calls": [CALL]},
        ),
        (
            {"protocol": "openai-chat"},
            chat({"tool_calls": [{"index": 0, **CALL, "extra_content": EXTRA}]}, {"content": "Look."}),
            {"role": "assistant", "content": "Look.", "tool_calls": [{**CALL, "extra_content": EXTRA}]},
        ),
    ],
    ids=["messages", "responses", "gemini", "vllm", "openrouter", "gemini over chat"],
)
async def test_what_a_provider_said_goes_back_to_it_as_it_came(
    settings: dict[str, Any], answer: bytes, back: Any
) -> None:
    upstream = Upstream()
    await upstream.start()
    registry = Registry({"acme": ProviderSettings.model_validate({**settings, "base_url": upstream.url})})
    upstream.reply = Reply([answer])
    first = {"role": "user", "content": "Does it rain?"}
    got = await outcome(
        registry.get("acme"), GenerationRequest.model_validate({"model": "acme/m", "messages": [first]})
    )
    said = messages_of(folded(got.events))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "No."} for call in said[0]["tool_calls"]]
    second = GenerationRequest.model_validate({"model": "acme/m", "messages": [first, *said, *results]})
    await outcome(registry.get("acme"), second)
    await registry.aclose()
    await upstream.stop()
    body = upstream.calls[1].body
    if settings.get("protocol") == "openai-responses":
        assert body["input"][1 : -len(results)] == back
    elif settings.get("protocol") == "gemini":
        assert body["contents"][1]["parts"] == back
    else:
        message = body["messages"][1]
        assert (message["content"] if isinstance(back, list) else message) == back


def folded(said: Sequence[events.Event]) -> list[PartSoFar]:
    snapshot = Snapshot()
    for seq, event in enumerate(said):
        snapshot.apply(EventId(7, seq), event.type, events.encode(event))
    return snapshot.parts


def test_a_call_whose_arguments_were_cut_off_is_left_out() -> None:
    parts = [so_far("text", "So."), called("a"), called("b", '{"x": ')]
    (message,) = messages_of(parts, cut=True)
    assert [call["id"] for call in message["tool_calls"]] == ["id_a"]
    (message,) = messages_of(parts)
    assert [call["id"] for call in message["tool_calls"]] == ["id_a", "id_b"]
