"""What `useChat` sends becomes a request of ours."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.request import read
from api.dialects.dialect_request import DialectRequest
from api.problems.problem import ProblemError
from tests.api.dialects.ai_sdk.logs import ID, TAIL

USER = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
BODY: dict[str, Any] = {
    "id": "chat 1", "messages": [USER], "trigger": "submit-message", "messageId": "m1", "model": "up/m",
}  # fmt: skip


def reading(**fields: Any) -> DialectRequest:
    return read(BODY | fields, provider="up", protocol="openai-chat")


def refused(**fields: Any) -> list[str]:
    with pytest.raises(ProblemError) as caught:
        reading(**fields)
    assert caught.value.status == 400
    return [error.pointer for error in caught.value.errors]


def test_what_every_chat_sends() -> None:
    request = reading()
    assert request.native == {
        "conversation": "chat 1", "model": "up/m", "messages": [{"role": "user", "content": "Hi"}],
    }  # fmt: skip
    assert (request.stream, request.echo, request.previous, request.ignored) == (True, {}, None, ())


def test_what_an_apps_body_adds() -> None:
    tools = {"get": {"inputSchema": {"type": "object"}}}
    given = {"system": "Be kind.", "tools": tools, "toolChoice": {"type": "tool", "toolName": "get"}}
    request = reading(**given, maxOutputTokens=9, temperature=0.5, stopSequences="x", metadata={"a": "b"})
    native = request.native
    assert native["messages"][0] == {"role": "system", "content": "Be kind."}
    assert native["tools"][0]["function"]["name"] == "get"
    assert native["tool_choice"] == {"type": "function", "function": {"name": "get"}}
    assert (native["max_tokens"], native["temperature"], native["stop"]) == (9, 0.5, ["x"])
    assert request.pointer("/max_tokens") == "/maxOutputTokens"
    assert request.pointer("/tools/0/function/parameters") == "/tools/get/parameters"
    assert request.pointer("/messages/0/content") == "/system"
    assert request.pointer("/messages/1/content") == "/messages/0/parts/0/text"
    assert request.pointer("/conversation") == "/id"
    assert request.pointer("/temperature") == "/temperature"


def test_what_is_refused() -> None:
    assert refused(sessionId="1", stream=False, previous=ID) == ["/sessionId", "/stream", "/previous"]
    assert refused(id=None) == ["/id"]
    assert refused(messages="Hi", tools=1) == ["/messages", "/tools"]


def test_a_tools_result_goes_on_with_the_same_message() -> None:
    parts = [{"type": "tool-get", "toolCallId": "c", "state": "output-available", "input": {}, "output": 1}]
    answer = {"id": f"msg_{TAIL}", "role": "assistant", "metadata": {"mine": 1}, "parts": parts}
    request = reading(messages=[USER, answer])
    assert request.echo == {"message": f"msg_{TAIL}", "earlier": parts, "metadata": {"mine": 1}, "calls": ["c"]}
    assert request.previous == ID


def test_which_generation_it_comes_after() -> None:
    newer = f"gen_{'b' * 32}"
    said = {"role": "assistant", "parts": [{"type": "text", "text": "a"}]}
    by_metadata = said | {"id": f"msg_{TAIL}", "metadata": {"generation": newer}}
    assert reading(messages=[USER, by_metadata, USER]).previous == newer
    assert reading(messages=[USER, said | {"id": f"msg_{TAIL}"}, USER]).previous == ID
    assert reading(messages=[USER, said | {"id": "of-elsewhere"}, USER]).previous is None
    # A second version of an answer comes after what the first one came after.
    assert reading(messages=[USER], trigger="regenerate-message", messageId=f"msg_{TAIL}").previous is None


def test_the_ids_of_all_calls_of_a_chat_are_taken() -> None:
    parts = [{"type": "tool-get", "toolCallId": id} for id in ("a", "b", "a", 5)]
    answer = {"id": "m2", "role": "assistant", "parts": [{"type": "text", "text": "x"}, *parts]}
    assert reading(messages=[USER, answer, USER]).echo == {"calls": ["a", "b"]}
