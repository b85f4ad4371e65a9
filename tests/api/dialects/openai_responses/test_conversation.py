"""Input items as native messages."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response
from pydantic import TypeAdapter

from api.dialects.openai_responses.conversation import LEFT_OUT, Conversation
from api.dialects.openai_responses.pointers import Pointers
from api.dialects.openai_responses.sealed import seal
from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from shared.log import events as log
from shared.request.messages import Message
from tests.api.dialects.openai_responses.logs import answered, attempt, call, completed, subject, text, whole

MESSAGES: TypeAdapter[list[Message]] = TypeAdapter(list[Message])


def said(*items: Any, protocol: Protocol = "openai-chat") -> list[dict[str, Any]]:
    """The messages of these items, which are valid ones."""
    conversation = Conversation(protocol, Pointers())
    conversation.take(list(items))
    MESSAGES.validate_python(conversation.messages)
    return conversation.messages


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_messages_with_and_without_a_type() -> None:
    developer = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]}
    assert said(developer, user()) == [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hi"},
    ]


def test_a_call_and_its_result() -> None:
    called = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c",
        "name": "look",
        "arguments": "{}",
        "status": "completed",
    }
    result = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "Seen."}]}
    assert said(user(), called, result)[1:] == [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "content": [{"type": "text", "text": "Seen."}], "tool_call_id": "c"},
    ]


def test_a_call_of_a_custom_tool() -> None:
    called = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'a "b"'}
    result = {"type": "custom_tool_call_output", "call_id": "c", "output": "Done."}
    made = said(user(), called, result)
    assert made[1]["tool_calls"][0]["function"] == {"name": "patch", "arguments": '{"input": "a \\"b\\""}'}
    assert made[2] == {"role": "tool", "content": "Done.", "tool_call_id": "c"}


def test_what_was_said_in_a_row_is_one_message() -> None:
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "So."}]},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
    ]
    (message,) = said(*items)
    assert message == {
        "role": "assistant",
        "content": "I look.",
        "reasoning": [{"text": "So."}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }


@pytest.mark.parametrize("first", [True, False])
def test_the_signature_of_a_call(first: bool) -> None:
    called = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    signed = {"type": "reasoning", "summary": [], "encrypted_content": seal("gemini", "call", "c", "c2ln")}
    made = said(called, *((signed, result) if first else (result, signed)), user())
    assert [message["role"] for message in made] == ["assistant", "tool", "user"]
    (call,) = made[0]["tool_calls"]
    assert (call["signature"], call["provider"]) == ("c2ln", "gemini")
    assert "reasoning" not in made[0]


def test_what_a_provider_ran_is_left_out() -> None:
    conversation = Conversation("openai-chat", Pointers())
    conversation.take([user(), *({"type": kind, "id": "x"} for kind in sorted(LEFT_OUT))])
    assert conversation.messages == [{"role": "user", "content": "Hi"}]
    assert set(conversation.ignored) == {f"input.{kind}" for kind in LEFT_OUT}


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "/input/0"),
        ({"id": "msg_1"}, "/input/0"),
        ({"type": "computer_call"}, "/input/0/type"),
        ({"role": "tool", "content": "x"}, "/input/0/role"),
        ({"type": "function_call_output", "output": "x"}, "/input/0/call_id"),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_url": "x"}]},
            "/input/0/output/0/type",
        ),
        ({}, "/input/0/type"),
        ("x", "/input/0"),
    ],
)
def test_items_that_cannot_be_sent(item: Any, pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        said(item)
    assert (raised.value.status, raised.value.errors[0].pointer) == (400, pointer)


def test_where_messages_stand() -> None:
    pointers = Pointers()
    conversation = Conversation("openai-chat", pointers)
    conversation.instruct("Be brief.")
    called = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    conversation.take([user(), called, {"type": "function_call_output", "call_id": "c", "output": "x"}])
    assert pointers("/messages/1/content") == "/input/0/content"
    assert pointers("/messages/2/tool_calls/0/function/arguments") == "/input/1/arguments"
    assert pointers("/messages/2/tool_calls/0") == "/input/1"
    assert pointers("/messages/3/tool_call_id") == "/input/2/call_id"
    assert pointers("/messages/3/content") == "/input/2/output"


def test_an_answer_goes_back_as_the_sdk_dumps_it() -> None:
    """Its texts, calls and what only providers can read come back as the log had them."""
    thought = log.Part(part=0, kind="reasoning", item_id="rs_9", summary=True)
    events = [
        attempt(), *whole(thought, "So.", encrypted="gAAA", provider="openai"), *text(1, "I look."),
        *call(2, "{}", signature="c2ln", provider="gemini"), completed(finish_reason="tool_calls"),
    ]  # fmt: skip
    response = Response.model_validate(answered(subject(), events))
    for dumped in ([item.model_dump() for item in response.output], [item.to_dict() for item in response.output]):
        (message,) = said(*dumped)
        assert message["content"] == "I look."
        assert message["reasoning"] == [
            {"text": "So.", "summary": True, "item_id": "rs_9", "encrypted": "gAAA", "provider": "openai"}
        ]
        (called,) = message["tool_calls"]
        assert (called["id"], called["signature"], called["provider"]) == ("call_2", "c2ln", "gemini")
