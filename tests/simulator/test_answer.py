"""What a script says to a request: the same each time, of the size that was asked for, and cut where it says."""

import json
from typing import Any, get_args

import pytest

from simulator.answer import DEFAULT_DELTAS, Answer, Kind, compose
from simulator.script import NAMES, parse_script
from simulator.tool_choice import ToolChoice
from tests.simulator.in_memory import request


def answer(model: str, *, interleave: bool = False, fragments: bool = True, **fields: Any) -> Answer:
    return compose(parse_script(model), request(model, **fields), interleave=interleave, fragments=fragments)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_each_time_and_of_known_kinds(name: str) -> None:
    assert answer(name) == answer(name)
    assert {delta.kind for delta in answer(name).deltas} <= set(get_args(Kind))
    if name not in ("clock", "echo"):
        assert answer(f"{name}?seed=7").deltas != answer(name).deltas


@pytest.mark.parametrize("name", DEFAULT_DELTAS)
def test_each_script_has_so_many_deltas_unless_the_name_says_otherwise(name: str) -> None:
    assert len(answer(name).deltas) == DEFAULT_DELTAS[name]
    assert len(answer(f"{name}?deltas=30").deltas) == 30


@pytest.mark.parametrize(
    ("model", "finish", "kinds"),
    [
        ("lorem", "stop", {"text"}),
        ("reasoning", "stop", {"reasoning", "text"}),
        ("refusal", "refusal", {"refusal"}),
        ("tools", "tool_calls", {"text", "tool_call"}),
        ("clock", "stop", {"text"}),
    ],
)
def test_how_each_ends(model: str, finish: str, kinds: set[str]) -> None:
    said = answer(model)
    assert said.finish == finish
    assert {delta.kind for delta in said.deltas} == kinds


@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_an_echo_is_exact(chunk: int) -> None:
    text = "Zwölf Boxkämpfer 😀 jagen."
    said = answer(f"echo?chunk={chunk}", last_user=text)
    assert said.text("text") == text
    assert all(len(delta.text or "") <= chunk for delta in said.deltas)
    assert answer("echo?deltas=5", last_user=text).text("text") == text
    assert len(answer("echo?deltas=5", last_user=text).deltas) == 5


def test_a_third_of_an_answer_with_reasoning_is_that() -> None:
    kinds = [delta.kind for delta in answer("reasoning?deltas=30").deltas]
    assert kinds == ["reasoning"] * 10 + ["text"] * 20


@pytest.mark.parametrize(("limit", "count", "finish"), [(3, 3, "length"), (9, 9, "length"), (10, 10, "stop")])
def test_a_limit_cuts_it(limit: int, count: int, finish: str) -> None:
    said = answer("lorem?deltas=10", max_tokens=limit)
    assert (len(said.deltas), said.finish) == (count, finish)
    # What goes on from a beginning is cut by who makes it go on.
    assert len(answer("lorem?deltas=10", max_tokens=limit, prefix="x").deltas) == 10


@pytest.mark.parametrize(
    ("tools", "names"),
    [((), ("search", "book")), (("a",), ("a", "a")), (("a", "b", "c"), ("a", "b"))],
)
def test_two_tools_are_called_each_with_an_object(tools: tuple[str, ...], names: tuple[str, ...]) -> None:
    said = answer("tools", tools=tools)
    assert len(said.calls) == 2
    if tools:
        assert tuple(call.name for call in said.calls) == names
    assert said.calls[0].id != said.calls[1].id
    for call in (0, 1):
        assert json.loads(said.text("tool_call", call))["limit"] == call + 3


def test_fragments_of_two_calls_alternate_where_they_may() -> None:
    in_turn = [delta.call for delta in answer("tools").deltas if delta.kind == "tool_call"]
    assert in_turn == sorted(in_turn)
    mixed = [delta.call for delta in answer("tools", interleave=True).deltas if delta.kind == "tool_call"]
    assert mixed[:4] == [0, 1, 0, 1]
    whole = answer("tools", fragments=False)
    assert sum(delta.kind == "tool_call" for delta in whole.deltas) == 2
    assert whole.text("tool_call", 0) == answer("tools", interleave=True).text("tool_call", 0)


def test_the_same_question_later_in_a_conversation_calls_by_another_id() -> None:
    asked: dict[str, Any] = {"tools": ("f",), "tool_choice": ToolChoice("required")}
    first, again = (answer("demo", prompt_tokens=count, **asked) for count in (8, 80))
    assert [call.name for call in first.calls] == ["f"]
    assert first.calls[0].id != again.calls[0].id
    assert first == answer("demo", prompt_tokens=8, **asked)


@pytest.mark.parametrize(("model", "cached"), [("lorem", 10), ("lorem?cached=3", 3), ("lorem?cached=99", 40)])
def test_what_was_cached_is_never_more_than_the_prompt(model: str, cached: int) -> None:
    assert answer(model, prompt_tokens=40).cached_tokens == cached


def test_the_time_is_written_when_it_is_sent() -> None:
    said = answer("clock?deltas=3")
    assert [delta.text for delta in said.deltas] == [None] * 3
    assert said.text("text") == ""


@pytest.mark.parametrize("bytes_", [0, 1, 1000, 100_000])
def test_a_size_is_kept_about(bytes_: int) -> None:
    size = len(answer(f"lorem?bytes={bytes_}&unicode=1").text("text").encode())
    assert bytes_ - 3 <= size <= bytes_
