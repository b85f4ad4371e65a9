"""Scripts that go on from the beginning of an answer, and the refusals of those that cannot."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from simulator.texts import words
from tests.simulator.conftest import Entries

USER: Any = [{"role": "user", "content": "Say something of forty characters, please"}]
WORDS = words(4, 12)
TEXT = "".join(WORDS)


def begun(prefix: str) -> Any:
    return [*USER, {"role": "assistant", "content": prefix}]


async def test_the_rest_of_the_deltas(chat: openai.AsyncOpenAI, key: str, ended: Entries) -> None:
    prefix = "".join(WORDS[:5]) + WORDS[5][:1]
    stream = await chat.chat.completions.create(
        model=f"lorem?deltas=12&rate=0&seed=4&key={key}", messages=begun(prefix), stream=True
    )
    pieces = [chunk.choices[0].delta.content async for chunk in stream]
    assert [piece for piece in pieces if piece] == [WORDS[5][1:], *WORDS[6:]]
    (row,) = await ended(key)
    assert (row["prefix"], row["deltas"], row["how"]) == (len(prefix), 7, "complete")


@pytest.mark.parametrize("script", ["lorem?deltas=12&seed=4", "reasoning?deltas=18&seed=4", "tools?deltas=12&seed=0"])
async def test_of_every_script_that_says_a_text(chat: openai.AsyncOpenAI, script: str) -> None:
    model = f"{script}&rate=0"
    uncut = (await chat.chat.completions.create(model=model, messages=USER)).choices[0]
    text = uncut.message.content or ""
    rest = (await chat.chat.completions.create(model=model, messages=begun(text[:5]))).choices[0]
    assert rest.message.content == text[5:] != ""
    assert (rest.message.tool_calls, rest.finish_reason) == (uncut.message.tool_calls, uncut.finish_reason)
    assert "reasoning_content" not in (rest.message.model_extra or {})


async def test_a_limit_is_of_what_follows(chat: openai.AsyncOpenAI) -> None:
    model = "lorem?deltas=12&rate=0&seed=4"
    for limit, said, reason in ((3, WORDS[5:8], "length"), (7, WORDS[5:], "stop")):
        answer = await chat.chat.completions.create(
            model=model, messages=begun("".join(WORDS[:5])), max_completion_tokens=limit
        )
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("".join(said), reason)


async def test_the_beginning_may_be_repeated(chat: openai.AsyncOpenAI) -> None:
    model = "lorem?deltas=12&rate=0&seed=4&echo_prefix=1"
    answer = await chat.chat.completions.create(model=model, messages=begun(TEXT[:20]))
    assert answer.choices[0].message.content == TEXT
    stream = await chat.chat.completions.create(model=model, messages=begun(TEXT[:20]), stream=True)
    pieces = [chunk.choices[0].delta.content async for chunk in stream]
    assert [piece for piece in pieces if piece][:3] == [TEXT[:7], TEXT[7:14], TEXT[14:20]]


@pytest.mark.parametrize(
    ("script", "prefix", "says"),
    [("clock", "@", "'clock' cannot go on"), ("lorem", "Never said", "does not begin"), ("refusal", "I", "not begin")],
)
async def test_what_it_cannot_go_on_from(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, script: str, prefix: str, says: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=says) as refused:
        await chat.chat.completions.create(model=script, messages=begun(prefix))
    assert refused.value.param == "messages"
    with pytest.raises(anthropic.BadRequestError, match=says):
        await messages.messages.create(model=script, messages=begun(prefix), max_tokens=99)


async def test_messages(messages: anthropic.AsyncAnthropic) -> None:
    ask: Any = {"model": "lorem?deltas=12&rate=0&seed=4", "max_tokens": 2000}
    content: Any = [{"type": "text", "text": TEXT[:8]}]
    answer = await messages.messages.create(messages=begun(content), **ask)
    assert [block.text for block in answer.content if block.type == "text"] == [TEXT[8:]]
    with pytest.raises(anthropic.BadRequestError, match="trailing whitespace"):
        await messages.messages.create(messages=begun(f"{WORDS[0]}\n"), **ask)
    with pytest.raises(anthropic.BadRequestError, match="thinking"):
        await messages.messages.create(
            messages=begun(TEXT[:8]), thinking={"type": "enabled", "budget_tokens": 1024}, **ask
        )
