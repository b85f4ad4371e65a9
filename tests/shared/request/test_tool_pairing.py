"""Calls and results, paired: what is clear is put right, anything else is named."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage, ToolMessage
from shared.request.tool_pairing import NO_CALL, NO_RESULT, SECOND, TOO_LATE, each_answered, paired


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "function": {"name": "rain", "arguments": arguments}}


def made(*calls: str, text: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "tool_calls": [call(one, f'"{n}"') for n, one in enumerate(calls)]}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def user(text: str = "?") -> dict[str, Any]:
    return {"role": "user", "content": text}


SYSTEM = {"role": "system", "content": "Be brief."}


def got(call_id: str, content: str = "yes") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def messages_of(messages: list[dict[str, Any]]) -> list[Any]:
    return GenerationRequest.model_validate({"model": "a/b", "messages": messages}).messages


PAIRED = [user(), made("a", "b"), got("b"), got("a"), said("Yes."), user(), made("c"), got("c")]


def test_what_is_in_order_is_the_same_list() -> None:
    for length in (1, 4, 5, 6, 8):
        messages = messages_of(PAIRED[:length])
        assert paired(messages) == (messages, [])
        assert paired(messages).messages is messages


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        # Whatever others say between a call and its result comes after both.
        ([user(), made("a"), user("wait"), got("a")], [user(), made("a"), got("a"), user("wait")]),
        ([user(), made("a"), SYSTEM, got("a"), user()], [user(), made("a"), got("a"), SYSTEM, user()]),
        (
            [user(), made("a", "b"), got("a"), user("x"), SYSTEM, got("b"), user("y")],
            [user(), made("a", "b"), got("a"), got("b"), user("x"), SYSTEM, user("y")],
        ),
        # A result that came when the conversation had gone on.
        (
            [user(), made("a"), user(), said("Wait."), got("a"), user()],
            [user(), made("a"), got("a"), user(), said("Wait."), user()],
        ),
        # One answer in several messages: its text is before its calls, its results behind all of them.
        ([user(), made("a"), made("b"), got("a"), got("b")], [user(), made("a"), made("b"), got("a"), got("b")]),
        ([user(), made("a"), said("One moment."), got("a")], [user(), said("One moment."), made("a"), got("a")]),
        # The same id again.
        (
            [user(), made("a"), got("a", "1"), made("a"), got("a", "2"), made("a"), got("a", "3")],
            [user(), made("a"), got("a", "1"), made("a_2"), got("a_2", "2"), made("a_3"), got("a_3", "3")],
        ),
        (
            [user(), made("a", "a"), got("a", "1"), got("a", "2")],
            [user(), made("a", "a_2"), got("a", "1"), got("a_2", "2")],
        ),
        (
            [user(), made("a_2", "a"), got("a"), got("a_2"), made("a"), got("a"), made("a_2"), got("a_2", "no")],
            [
                user(),
                made("a_2", "a"),
                got("a"),
                got("a_2"),
                made("a_3"),
                got("a_3"),
                made("a_2_2"),
                got("a_2_2", "no"),
            ],
        ),
        # The same result again says nothing new.
        ([user(), made("a"), got("a"), got("a"), user()], [user(), made("a"), got("a"), user()]),
    ],
)
def test_what_is_clear_is_put_right(messages: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert paired(messages_of(messages)) == (messages_of(expected), [])


@pytest.mark.parametrize(
    ("messages", "flaws"),
    [
        ([user(), made("a")], [("/messages/1/tool_calls/0", NO_RESULT)]),
        ([user(), made("a"), user()], [("/messages/1/tool_calls/0", NO_RESULT)]),
        ([user(), made("a", "b"), got("a"), user()], [("/messages/1/tool_calls/1", NO_RESULT)]),
        ([user(), made("a", "a"), got("a"), user()], [("/messages/1/tool_calls/1", NO_RESULT)]),
        ([user(), got("a"), user()], [("/messages/1/tool_call_id", NO_CALL)]),
        ([got("a")], [("/messages/0/tool_call_id", NO_CALL)]),
        # Its call comes later.
        (
            [user(), got("a"), made("a")],
            [("/messages/1/tool_call_id", NO_CALL), ("/messages/2/tool_calls/0", NO_RESULT)],
        ),
        ([user(), made("a"), got("a", "1"), got("a", "2")], [("/messages/3/tool_call_id", SECOND)]),
        ([user(), made("a"), got("a", "1"), user(), got("a", "2")], [("/messages/4/tool_call_id", SECOND)]),
        # Of which of the two could be meant.
        (
            [made("a"), user(), made("a"), got("a", "1"), got("a", "2")],
            [("/messages/0/tool_calls/0", NO_RESULT), ("/messages/4/tool_call_id", SECOND)],
        ),
        # Moved up, it would leave the beginning of an answer as the last word.
        ([user(), made("a"), user(), said("Wait."), got("a")], [("/messages/4/tool_call_id", TOO_LATE)]),
    ],
)
def test_anything_else_is_named(messages: list[dict[str, Any]], flaws: list[tuple[str, str]]) -> None:
    assert [(flaw.pointer, flaw.message) for flaw in paired(messages_of(messages)).flaws] == flaws


def test_what_follows_renames_nothing_before_it() -> None:
    """Else what a provider has cached of the beginning would be of no use in the next turn."""
    turns = [user(), made("a"), got("a", "1"), made("a"), got("a", "2"), made("a_2"), got("a_2", "3")]
    whole = paired(messages_of(turns)).messages
    for length in (3, 5, 7):
        assert paired(messages_of(turns[:length])).messages == whole[:length]


def test_any_order_that_it_makes_is_one_that_providers_take() -> None:
    """Random conversations: without flaws, each call has its result right behind its answer, and ids differ."""
    rand = random.Random(24)
    good = 0
    for _ in range(3_000):
        pieces = [lambda: user(), lambda: said("x"), lambda: made(*rand.choices("ab", k=rand.randint(1, 2)))]
        pieces += [lambda: got(rand.choice("ab"), rand.choice("12"))] * 3
        messages = [user(), *(rand.choice(pieces)() for _ in range(rand.randint(1, 6)))]
        result = paired(messages_of(messages))
        if result.flaws:
            continue
        good += 1
        assert _is_paired(list(each_answered(result.messages)))
        assert paired(result.messages).messages == result.messages
    assert good > 300


def _is_paired(messages: list[Any]) -> bool:
    used: list[str] = []
    awaited: list[str] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in awaited:
                return False
            awaited.remove(message.tool_call_id)
            continue
        if awaited:
            return False
        if isinstance(message, AssistantMessage):
            awaited = [one.id for one in message.tool_calls or ()]
            used += awaited
    return not awaited and len(set(used)) == len(used)


def test_many_of_one_id_take_no_longer_each() -> None:
    messages = messages_of([user()] + [one for n in range(4_000) for one in (made("call_0"), got("call_0", str(n)))])
    result = paired(messages)
    assert not result.flaws
    assert result.messages[-1] == messages_of([user(), made("call_0_4000"), got("call_0_4000", "3999")])[-1]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([user(), made("a"), made("b"), got("b"), got("a")], [user(), made("a"), got("a"), made("b"), got("b")]),
        (
            [user(), said("One."), made("a", "b"), got("a"), got("b"), user()],
            [user(), said("One."), made("a", "b"), got("a"), got("b"), user()],
        ),
        (PAIRED, PAIRED),
    ],
)
def test_in_chat_each_message_has_its_results_behind_it(
    messages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    assert list(each_answered(messages_of(messages))) == messages_of(expected)
