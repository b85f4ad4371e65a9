"""Tool calls of `demo` over every protocol; which prompts ask for one is in test_tool_call.py."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import anthropic
import openai
import pytest
from google import genai

from simulator import demo
from tests.simulator.protocols import ARGUMENTS, FAST, NAME, PROMPT, PROTOCOLS, Ask, Asked

ASKS = "Use a tool to look it up"
FINISH = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use", "gemini": "STOP"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (Asked(ASKS), "get_weather"),
        (Asked(ASKS, ("search", "book")), "search"),
        (Asked("Please book a table", ("search", "book")), "book"),
        (Asked(PROMPT, ("search", "book"), "required"), "search"),
        (Asked(PROMPT, ("search", "book"), "book"), "book"),
    ],
)
async def test_a_tool_is_called_once(
    protocols: dict[str, Ask], protocol: str, stream: bool, asked: Asked, name: str
) -> None:
    said = await protocols[protocol](asked._replace(stream=stream))
    (called,) = said.calls
    assert called[0] == name
    assert isinstance(called[1], dict)
    assert called[1]
    assert said.whole[:2] == (demo.BEFORE_CALL, demo.CALL)
    assert said.finish == FINISH[protocol]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_tools_result_is_answered_with_text(protocols: dict[str, Ask], protocol: str, stream: bool) -> None:
    for choice in (None, "required"):
        said = await protocols[protocol](Asked(ASKS, (NAME,), choice, result=True, stream=stream))
        assert said.whole == (demo.BEFORE_RESULT, demo.RESULT, [])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_tool_is_called_where_none_may_be(protocols: dict[str, Ask], protocol: str) -> None:
    said = await protocols[protocol](Asked(ASKS, (NAME,), "none"))
    assert (said.whole[0], said.calls) == (demo.THOUGHTS, [])
    assert (await protocols[protocol](Asked(PROMPT, (NAME,)))).calls == []


async def test_after_a_result_the_user_may_ask_for_another(
    messages: anthropic.AsyncAnthropic, gemini: genai.Client
) -> None:
    """Where results are the user's, what the user says next is in the same message."""
    result: Any = {"type": "tool_result", "tool_use_id": "c", "content": "sunny"}
    history: Any = [{"role": "user", "content": [result, {"type": "text", "text": ASKS}]}]
    message = await messages.messages.create(model=FAST, max_tokens=4096, messages=history)
    assert message.stop_reason == "tool_use"
    parts = [{"function_response": {"name": NAME, "response": {}}}, {"text": ASKS}]
    answer = await gemini.aio.models.generate_content(
        model=quote(FAST, safe=""), contents=[{"role": "user", "parts": parts}]
    )
    assert answer.function_calls


async def test_calls_of_one_conversation_have_their_own_ids(chat: openai.AsyncOpenAI) -> None:
    history: Any = [{"role": "user", "content": ASKS}]
    ids = []
    for _ in range(2):
        again = [await chat.chat.completions.create(model=FAST, messages=history) for _ in range(2)]
        first, same = (choice.choices[0].message.tool_calls or [] for choice in again)
        assert first[0].id == same[0].id
        ids.append(first[0].id)
        history += [again[0].choices[0].message.to_dict(), {"role": "user", "content": ASKS}]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_deltas_leave_a_tool_call_whole(protocols: dict[str, Ask], protocol: str) -> None:
    said = await protocols[protocol](Asked(ASKS, model=f"{FAST}&deltas=3"))
    assert [name for name, _ in said.calls] == ["get_weather"]


async def test_it_goes_on_after_a_tools_result(chat: openai.AsyncOpenAI) -> None:
    function = {"name": NAME, "arguments": ARGUMENTS}
    history: Any = [
        {"role": "user", "content": ASKS},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
        {"role": "assistant", "content": demo.RESULT[:40]},
    ]
    choice = (await chat.chat.completions.create(model=FAST, messages=history)).choices[0]
    assert choice.message.content == demo.RESULT[40:]
