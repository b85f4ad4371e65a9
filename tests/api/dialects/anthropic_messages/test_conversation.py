"""Messages as ours."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.anthropic_messages.conversation import CITATIONS, LEFT_OUT, Conversation
from api.dialects.anthropic_messages.places import Places
from api.dialects.opaque import wrap
from api.problems.problem import ProblemError
from shared.request.answer_order import in_order
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage

PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "UERG"}}
MARK = {"type": "ephemeral", "ttl": "1h"}


def conversation(*messages: Any, same: bool = True) -> Conversation:
    found = Conversation(Places(), protocol_is_same=same)
    found.read(list(messages))
    return found


def read(*messages: Any, same: bool = True) -> list[dict[str, Any]]:
    found = conversation(*messages, same=same).messages
    GenerationRequest.model_validate({"model": "up/m", "messages": found})
    return found


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(said: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **fields}


def result(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **fields}


def test_texts_stay_as_they_are() -> None:
    given = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "system", "content": "c"},
    ]
    assert read(*given) == given
    assert read(user(text("a", cache_control=MARK)), assistant(text("b"), text("c"))) == [
        user(text("a", cache_control=MARK)),
        assistant(text("b"), text("c")),
    ]


def test_results_come_before_what_the_user_says_wherever_they_stand() -> None:
    found = read(
        user(
            text("And now?"),
            result("a", "one", is_error=True, cache_control=MARK),
            result("b", [text("two"), {"type": "image", "source": {"type": "url", "url": "https://example.com/"}}]),
            {"type": "tool_result", "tool_use_id": "c"},
        )
    )
    assert found == [
        {"role": "tool", "content": "one", "tool_call_id": "a", "is_error": True, "cache_control": MARK},
        {
            "role": "tool",
            "content": [text("two"), {"type": "image_url", "image_url": {"url": "https://example.com/"}}],
            "tool_call_id": "b",
        },
        {"role": "tool", "content": "", "tool_call_id": "c"},
        user(text("And now?")),
    ]


def test_results_alone_make_no_message_of_the_user() -> None:
    assert [message["role"] for message in read(user(result("a", "x")))] == ["tool"]


def test_a_file_in_a_result_is_said_by_the_user() -> None:
    found = conversation(user(result("a", [text("See."), PDF])))
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,UERG"}}
    assert found.messages == [
        {"role": "tool", "content": [text("See.")], "tool_call_id": "a"},
        {"role": "user", "content": [file]},
    ]


def test_an_answer_keeps_the_order_of_its_blocks() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, "é"]}, "cache_control": MARK}
    thought = {"type": "thinking", "thinking": "Hm", "signature": wrap("anthropic", "c2ln")}
    hidden = {"type": "redacted_thinking", "data": wrap("openai", "e")}
    (message,) = read(assistant(thought, text("One."), call, hidden, text("Two.")))
    assert message["tool_calls"] == [
        {
            "id": "t",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a":[1,"é"]}'},
            "part": 2,
            "cache_control": MARK,
        }
    ]
    assert message["reasoning"] == [
        {"text": "Hm", "signature": "c2ln", "provider": "anthropic", "part": 0},
        {"encrypted": "e", "provider": "openai", "part": 3},
    ]
    kinds = [type(one).__name__ for one in in_order(AssistantMessage.model_validate(message))]
    assert kinds == ["Reasoning", "SaidText", "ToolCall", "Reasoning", "SaidText"]


def test_an_answer_of_thinking_alone_or_of_nothing_is_one() -> None:
    assert read(assistant({"type": "thinking", "thinking": "Hm", "signature": ""}))[0]["content"] == ""
    assert read(assistant())[0]["content"] == ""


def test_tools_that_a_provider_ran_are_left_out() -> None:
    found = conversation(
        assistant(
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            text("Found.", citations=[{"type": "web_search_result_location"}]),
        )
    )
    assert found.messages == [assistant(text("Found."))]
    assert found.ignored == {LEFT_OUT, CITATIONS}


def test_citations_in_a_users_text_are_named_as_ignored() -> None:
    found = conversation(user(text("a", citations=[{"type": "char_location"}])))
    assert (found.messages, found.ignored) == ([user(text("a"))], {CITATIONS})


def test_instructions_for_a_turn_end_with_it() -> None:
    hint = {"role": "system", "content": "Hurry.", "clear_at": "next_user_message"}
    said = {"role": "system", "content": "Hurry."}
    ask = {"role": "user", "content": "a"}
    assert read(ask, hint) == [ask, said]
    assert read(ask, hint, ask) == [ask, ask]
    assert read(ask, {**hint, "clear_at": "never"}, ask) == [ask, said, ask]


def test_an_effort_counts_until_the_user_speaks_again() -> None:
    ask = {"role": "user", "content": "a"}
    effort = {"role": "system", "content": "b", "output_config": {"effort": "low"}}
    assert conversation(ask).effort is None
    assert conversation(ask, effort).effort == "low"
    assert conversation(ask, effort, assistant(text("c")), user(result("t", "d"))).effort == "low"
    assert conversation(ask, effort, assistant(text("c")), user(text("d"))).effort is None
    assert conversation(ask, effort, assistant(text("c")), ask).effort is None


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        (user("a"), "/messages/0/content/0"),
        ({"role": "system", "content": "a", "output_config": {"format": {}}}, "/messages/0/output_config/format"),
        ({"role": "system", "content": [PDF]}, "/messages/0/content/0/type"),
        (user({"text": "a"}), "/messages/0/content/0/type"),
        (user({"type": "unheard_of"}), "/messages/0/content/0/type"),
        (user({"type": "text"}), "/messages/0/content/0/text"),
        (user(text("a", odd=1)), "/messages/0/content/0/odd"),
        (user(result("a", [{"type": "tool_reference"}])), "/messages/0/content/0/content/0/tool_name"),
        (user(result("a", [{"type": "browser_state"}])), "/messages/0/content/0/content/0/type"),
        (user({"type": "tool_result", "content": "a"}), "/messages/0/content/0/tool_use_id"),
        (user(result("a", "b", is_error="yes")), "/messages/0/content/0/is_error"),
        (assistant(PDF), "/messages/0/content/0/type"),
        (assistant({"type": "tool_use", "id": "t", "input": {}}), "/messages/0/content/0/name"),
        (assistant({"type": "tool_use", "id": "t", "name": "f", "input": []}), "/messages/0/content/0/input"),
        (assistant({"type": "thinking", "signature": "s"}), "/messages/0/content/0/thinking"),
        (assistant({"type": "redacted_thinking"}), "/messages/0/content/0/data"),
        (assistant({"type": "compaction", "content": "a"}), "/messages/0/content/0/type"),
    ],
)
def test_what_cannot_be_honoured_is_named(message: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        conversation(message)
    assert [error.pointer for error in raised.value.errors] == [pointer]
