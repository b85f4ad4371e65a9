"""Messages as clients of Chat send them: what SDKs dump passes, what cannot be honoured is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import TypeAdapter

from api.dialects.openai_chat.answer import answer
from api.dialects.openai_chat.messages import Messages
from shared.log.events import AnyEvent, Delta, Part, PartEnd
from shared.request.request_json import read
from tests.api.dialects.openai_chat.logs import DONE, FIRST, SUBJECT, snapshot

LOG: list[AnyEvent] = [
    FIRST,
    Part(part=0, kind="reasoning"),
    Delta(part=0, kind="reasoning", delta="Hm."),
    PartEnd(part=0, signature="S", provider="anthropic"),
    Part(part=1, kind="text"),
    Delta(part=1, kind="text", delta="Hi"),
    PartEnd(part=1),
    Part(part=2, kind="file", media_type="image/png"),
    Delta(part=2, kind="file", delta="aGk="),
    PartEnd(part=2),
    Part(part=3, kind="file", item_id="a"),
    Delta(part=3, kind="file", delta="aGk="),
    PartEnd(part=3),
    Part(part=4, kind="tool_call", call_id="c", name="f", executor="client"),
    Delta(part=4, kind="tool_call", delta='{"a":1}'),
    PartEnd(part=4, signature="T", provider="gemini"),
    DONE,
]


@pytest.mark.parametrize("nulls", [True, False])
def test_an_answer_goes_back_as_the_sdk_dumps_it(nulls: bool) -> None:
    (choice,) = ChatCompletion.model_validate(answer(SUBJECT, snapshot(LOG))).choices
    dumped = choice.message.model_dump(exclude_none=not nulls)
    messages = Messages(
        [{"role": "user", "content": "?"}, dumped, {"role": "tool", "tool_call_id": "c", "content": "2"}]
    )
    assert not messages.errors
    request = read(msgspec.json.encode({"model": "a/b", "messages": messages.native}), 10_000)
    said = request.messages[1].model_dump(exclude_none=True)
    assert said["content"] == "Hi"
    assert said["reasoning"] == [{"text": "Hm.", "signature": "S", "provider": "anthropic"}]
    assert said["tool_calls"] == [
        {
            "id": "c",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a":1}'},
            "signature": "T",
            "provider": "gemini",
        }
    ]
    assert messages.moved == {"/messages/1/reasoning": "/messages/1/reasoning_details"}


def test_what_the_sdk_types_pass() -> None:
    given: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief.", "name": "d"},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
        {
            "role": "user",
            "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a"}}],
        },
    ]
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(given)
    messages = Messages(given)
    assert not messages.errors
    assert len(read(msgspec.json.encode({"model": "a/b", "messages": messages.native}), 10_000).messages) == 4


def test_a_breakpoint_that_is_null_is_none() -> None:
    messages = Messages([{"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": None}]}])
    assert not messages.passed_over
    assert messages.native == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]


def test_a_detail_that_only_some_have_is_the_highest_that_all_have() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "original"}}
    (message,) = Messages([{"role": "user", "content": [part]}]).native
    assert message["content"] == [{"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "high"}}]
