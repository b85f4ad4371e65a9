"""The text that a first visitor reads: the same over every protocol, readable, true, and of a length to watch."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import anthropic
import openai
import pytest

from simulator import demo
from simulator.answer import compose
from simulator.request import Request
from simulator.script import READABLE_RATE, parse_script
from tests.simulator.protocols import FAST, PROMPT, PROTOCOLS, Ask, Asked


def request(prompt: str = PROMPT, **fields: Any) -> Request:
    return Request(model="demo", stream=True, last_user=prompt, prompt_tokens=5, max_tokens=None, tools=(), **fields)


def text_for(prompt: str = PROMPT, seed: int = 0) -> str:
    return "".join(demo.answer(request(prompt), seed)[1])


@pytest.mark.parametrize("stream", [True, False])
async def test_it_is_the_same_in_all_protocols(protocols: dict[str, Ask], stream: bool) -> None:
    said = [await protocols[name](Asked(stream=stream)) for name in PROTOCOLS]
    assert [answer.whole for answer in said] == [(demo.THOUGHTS, text_for(), [])] * 4
    assert [answer.finish for answer in said] == ["stop", "completed", "end_turn", "STOP"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_it_comes_in_pieces_the_size_of_a_word(protocols: dict[str, Ask], protocol: str) -> None:
    said = await protocols[protocol](Asked())
    assert (said.reasoning, said.text) == (demo.pieces(demo.THOUGHTS), demo.pieces(text_for()))
    assert all(said.reasoning + said.text), "a piece is empty"
    assert max(map(len, said.reasoning + said.text)) < 15


def test_each_prompt_and_seed_has_its_order() -> None:
    prompts = [PROMPT, "Hello", "", "流", "\ud83d"]
    texts = [text_for(prompt) for prompt in prompts]
    assert texts == [text_for(prompt) for prompt in prompts]
    assert len(set(texts)) > 1
    assert text_for(seed=1) != text_for()
    # The parts are the same, in whichever order.
    assert len({"".join(sorted(text)) for text in texts}) == 1
    for text in texts:
        first, second, *_, last = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert (first[:9], second, last) == (
            "Midstream",
            "Why an answer must not hang on its connection",
            "What to try next",
        )


@pytest.mark.parametrize("prompt", ["Write code", "Please write me some code", "Can you write a program?"])
def test_code_is_written_where_it_is_asked_for(prompt: str) -> None:
    assert text_for(prompt).count("```") == 4
    assert "Last-Event-ID" in text_for(prompt)
    assert "def follow" not in text_for("Write. The code of conduct, what is it?")


@pytest.mark.parametrize("prompt", [PROMPT, "Hello", "Write a poem"])
def test_it_is_long_enough_to_be_watched(prompt: str) -> None:
    script = parse_script("demo")
    deltas = compose(script, request(prompt), interleave=False).deltas
    thought = sum(delta.kind == "reasoning" for delta in deltas)
    assert script.rate == READABLE_RATE == 30
    assert 0.8 <= thought / script.rate <= 1.3, "seconds of reasoning"
    assert 35 <= len(deltas) / script.rate <= 45, "seconds in all"
    assert parse_script("demo?rate=7").rate == 7
    assert parse_script("lorem").rate == 50


class TestMarkdown:
    """What the chat page, or any other reader of Markdown, has to show."""

    @pytest.mark.parametrize(
        "pattern",
        [
            r"^# \S",
            r"^## \S",
            r"^- \S",
            r"^1\. \S",
            r"^\|(---\|)+$",
            r"^```sh\n[^`]+^```$",
            r"\[[^\]]+\]\(https://[^)\s]+\)",
            r"\*\*[^*]+\*\*",
            r"(?<!\*)\*[^*\n]+\*(?!\*)",
            r"`[^`\n]+`",
            "[\U0001f300-\U0001faff]",
            "[\u4e00-\u9fff]",
        ],
    )
    def test_it_has_one_of_each(self, pattern: str) -> None:
        assert re.search(pattern, text_for(), re.MULTILINE)

    def test_each_row_of_the_table_has_as_many_cells(self) -> None:
        rows = re.findall(r"^\|.*$", text_for(), re.MULTILINE)
        assert len(rows) > 3
        assert len({row.count("|") for row in rows}) == 1

    def test_each_fence_is_closed(self) -> None:
        assert len(re.findall(r"^```", text_for(), re.MULTILINE)) % 2 == 0

    def test_its_link_is_the_specification_of_the_stream(self) -> None:
        links = re.findall(r"\]\(([^)]*)\)", text_for())
        assert links == ["https://html.spec.whatwg.org/multipage/server-sent-events.html"]

    def test_a_shell_reads_its_commands(self) -> None:
        (block,) = re.findall(r"^```sh\n(.*?)^```", text_for(), re.DOTALL | re.MULTILINE)
        subprocess.run(["bash", "-n", "-c", block], check=True)


@pytest.mark.parametrize("end", [1, 14, 700, 2500, -1])
async def test_it_goes_on_from_its_beginning(
    chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, end: int
) -> None:
    text = text_for()
    prefix = text[:end].rstrip()
    history: Any = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": prefix}]
    choice = (await chat.chat.completions.create(model=FAST, messages=history)).choices[0]
    assert (choice.message.content, choice.finish_reason) == (text[len(prefix) :], "stop")
    assert "reasoning_content" not in choice.message.to_dict()
    message: Any = await messages.messages.create(model=FAST, max_tokens=4096, messages=history)
    assert [block.text for block in message.content] == [text[len(prefix) :]]


async def test_in_the_background_it_is_the_same(chat: openai.AsyncOpenAI) -> None:
    stream = await chat.responses.create(model=FAST, input=PROMPT, background=True, stream=True)
    events: list[Any] = [event async for event in stream]
    assert events[-1].response.output_text == text_for()
    again = await chat.responses.retrieve(events[-1].response.id)
    assert again.output_text == text_for()


async def test_limits_cut_it(chat: openai.AsyncOpenAI) -> None:
    thought, said = demo.pieces(demo.THOUGHTS), demo.pieces(text_for())
    kept = "".join(said[:9])
    history: Any = [{"role": "user", "content": PROMPT}]
    limited = await chat.chat.completions.create(model=FAST, messages=history, max_tokens=len(thought) + 9)
    assert (limited.choices[0].message.content, limited.choices[0].finish_reason) == (kept, "length")
    short = await chat.chat.completions.create(model=f"{FAST}&deltas={len(thought) + 9}", messages=history)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == (kept, "stop")


async def test_faults_strike_it_too(chat: openai.AsyncOpenAI) -> None:
    history: Any = [{"role": "user", "content": PROMPT}]
    with pytest.raises(openai.APIError):
        async for _ in await chat.chat.completions.create(
            model="demo?rate=0&fault=reset@40", messages=history, stream=True
        ):
            pass
