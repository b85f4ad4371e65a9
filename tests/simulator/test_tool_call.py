import json
import time

import pytest

from simulator.request import Request
from simulator.tool_call import arguments_for, tool_for
from simulator.tool_choice import ToolChoice


def asked(prompt: str, *tools: str, choice: ToolChoice | None = None, after_tool: bool = False) -> Request:
    return Request(
        model="demo",
        stream=True,
        last_user=prompt,
        prompt_tokens=1,
        max_tokens=None,
        tools=tools,
        tool_choice=choice or ToolChoice(),
        after_tool=after_tool,
    )


@pytest.mark.parametrize(
    "prompt",
    ["Use a tool", "use a tool to find out", "Please call the tool.", "tool", "Tools, please", "Make a tool call"],
)
def test_a_prompt_that_asks(prompt: str) -> None:
    assert tool_for(asked(prompt)) == "get_weather"
    assert tool_for(asked(prompt, "search", "book")) == "search"
    assert tool_for(asked(prompt, "search", choice=ToolChoice("none"))) is None
    assert tool_for(asked(prompt, "search", after_tool=True)) is None


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Why is the sky blue?",
        "What is the best tool for slicing bread?",
        "I like toolboxes, use one",
        "Don't use any tools",
        "Do not call a tool, please",
        "Answer without a tool",
        "I use bread. A tool is something else.",
    ],
)
def test_a_prompt_that_does_not(prompt: str) -> None:
    assert tool_for(asked(prompt)) is None
    assert tool_for(asked(prompt, "search")) is None


@pytest.mark.parametrize("prompt", ["Call search_flights", "SEARCH-FLIGHTS!", "Please search flights to Rome"])
def test_a_prompt_that_names_one(prompt: str) -> None:
    assert tool_for(asked(prompt, "book", "search_flights")) == "search_flights"


def test_a_choice_forces_a_call() -> None:
    assert tool_for(asked("Hello", "search", "book", choice=ToolChoice("required"))) == "search"
    assert tool_for(asked("A book", "search", "book", choice=ToolChoice("required"))) == "book"
    assert tool_for(asked("Hello", "search", "book", choice=ToolChoice("required", "book"))) == "book"


def test_a_long_prompt_takes_no_time() -> None:
    start = time.perf_counter()
    assert tool_for(asked("use " * 1_000_000, "search")) is None
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("name", ["get_weather", "get_time", "search_flights", "_", 'q"uote', "流"])
def test_arguments_are_an_object(name: str) -> None:
    arguments = json.loads(arguments_for(name))
    assert isinstance(arguments, dict)
    assert arguments
