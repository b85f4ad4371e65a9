"""Calls are announced once they are named, and what they are called with is said once."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta, Part, PartEnd
from worker.providers.openai_responses import calls as module
from worker.providers.openai_responses.calls import Calls, all_arguments
from worker.providers.openai_responses.item import Item
from worker.providers.openai_responses.parts import Parts
from worker.providers.provider import ProviderError


class Made:
    """One call of this type."""

    def __init__(self, type: str = "function_call", **names: str) -> None:
        self.raw: list[Any] = []
        self.parts = Parts("acme")
        self.calls = Calls("acme", self.parts, self.raw.append)
        self.item = Item("fc_1", type)
        self.said = self.calls.learn(self.item, **names)

    def grow(self, *pieces: str) -> None:
        for piece in pieces:
            self.calls.grow(self.item, self.said, piece)

    @property
    def arguments(self) -> list[str]:
        return [event.delta for event in self.parts.events if isinstance(event, Delta)]

    @property
    def begun(self) -> list[Part]:
        return [event for event in self.parts.events if isinstance(event, Part)]


def test_a_call_waits_for_its_name_and_its_id() -> None:
    made = Made()
    made.grow("{", "}")
    made.calls.learn(made.item, name="rain")
    assert made.parts.events == []
    assert not made.calls.made
    made.calls.learn(made.item, call_id="call_1")
    made.grow(" ")
    (begun,) = made.begun
    assert (begun.name, begun.call_id, begun.executor) == ("rain", "call_1", "client")
    assert (made.arguments, made.calls.made) == (["{}", " "], True)


@pytest.mark.parametrize(("type", "names"), [("web_search_call", {}), ("mcp_call", {"name": "roll"})])
def test_a_tool_of_the_provider_has_a_name_or_gets_one(type: str, names: dict[str, str]) -> None:
    made = Made(type, **names)
    (begun,) = made.begun
    assert (begun.executor, begun.call_id, made.calls.made) == ("provider", "fc_1", False)
    assert Made("mcp_call").begun == []


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (['{"a":1}', '{"a":1}'], ['{"a":1}']),
        (["{}"], []),
        (["{}", '{"a":1}'], ['{"a":1}']),
        (["{}", " "], ["{}", " "]),
        (['{"a":', '{"b":1}}'], ['{"a":', '{"b":1}}']),
    ],
)
def test_arguments_that_are_whole_do_not_grow(pieces: list[str], said: list[str]) -> None:
    made = Made(name="rain", call_id="call_1")
    made.grow(*pieces)
    assert made.arguments == said


def test_a_custom_tool_takes_any_text() -> None:
    made = Made("custom_tool_call", name="shell", call_id="call_1")
    made.grow("{}", "{}")
    assert made.arguments == ["{}", "{}"]
    with pytest.raises(ProviderError):
        made.calls.complete(made.item, made.said, "{} {}")


@pytest.mark.parametrize(
    ("type", "whole", "outcome"),
    [
        ("function_call", '{"a": 1}', True),
        ("function_call", '{"a":1,"b":2}', None),
        ("function_call", "", True),
        ("web_search_call", '{"b":2}', False),
    ],
)
def test_arguments_that_are_said_once_more(type: str, whole: str, outcome: bool | None) -> None:
    made = Made(type, name="rain", call_id="call_1")
    made.grow('{"a":1}')
    if outcome is None:
        with pytest.raises(ProviderError) as caught:
            made.calls.complete(made.item, made.said, whole)
        assert caught.value.over
    else:
        assert made.calls.complete(made.item, made.said, whole) is outcome
        assert made.calls.complete(made.item, made.said, whole), "it is known"
    assert made.arguments == ['{"a":1}']


def test_an_item_without_a_word_of_arguments_leaves_its_call_open() -> None:
    made = Made(name="rain", call_id="call_1")
    made.calls.take(made.item, "function_call", {"arguments": ""})
    assert not made.said.ended
    made.calls.take(made.item, "function_call", {"arguments": "{}"})
    assert (made.arguments, made.said.ended) == (["{}"], True)
    with pytest.raises(ProviderError):
        made.calls.take(made.item, "function_call", {"arguments": "{} "})


def test_results_are_said_once() -> None:
    made = Made("mcp_call", name="roll")
    fields = {"name": "roll", "arguments": "{}", "output": "4"}
    for _ in range(2):
        made.calls.take(made.item, "mcp_call", fields)
    assert [(part.kind, part.name) for part in made.begun] == [("tool_call", "roll"), ("tool_result", "roll")]
    assert made.arguments == ["{}", "4"]
    assert sum(isinstance(event, PartEnd) for event in made.parts.events) == 2


@pytest.mark.parametrize("cut", [False, True])
def test_the_end_of_the_answer(cut: bool) -> None:
    made = Made(name="rain", call_id="call_1")
    made.grow('{"a"')
    if cut:
        assert made.calls.end(cut=True) == []
    else:
        with pytest.raises(ProviderError) as caught:
            made.calls.end(cut=False)
        assert caught.value.code == "incomplete_stream"


def test_a_call_without_a_name_is_none_and_one_without_an_id_is_one() -> None:
    nameless = Made()
    nameless.grow('{"a":1}')
    assert nameless.calls.end(cut=False) == [{"id": "fc_1", "type": "function_call", "arguments": '{"a":1}'}]
    assert (nameless.begun, nameless.calls.made) == ([], False)
    named = Made(name="rain")
    named.grow("{}")
    assert named.calls.end(cut=False) == []
    assert ([part.call_id for part in named.begun], named.arguments) == (["fc_1"], ["{}"])


def test_a_piece_of_a_call_that_was_said_is_none() -> None:
    made = Made(name="rain", call_id="call_1")
    made.grow('{"a":1}')
    piece = Item("fc_9", "function_call")
    made.calls.grow(piece, made.calls.learn(piece), '"a"')
    assert made.calls.end(cut=False) == []
    assert len(made.begun) == 1


def test_a_call_is_known_by_what_it_does() -> None:
    made = Made(name="rain", call_id="call_1")
    made.grow('{"a":1}')
    assert made.calls.known("wind", '{"a":1}') is None
    assert made.calls.known("rain", '{"a":2}') is None
    assert made.calls.known("rain", '{"a": 1}') is made.item
    assert made.calls.known("rain", '{"a": 1}') is None


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EVENT_BYTES", 10)
    made = Made()
    made.grow("x" * 10)
    with pytest.raises(ProviderError) as caught:
        made.grow("x")
    assert caught.value.code == "invalid_response"
    named = Made(name="rain", call_id="call_1")
    named.grow("x" * 20)


@pytest.mark.parametrize(
    ("kind", "fields", "arguments"),
    [
        ("function_call", {"arguments": {"a": 1}}, '{"a":1}'),
        ("custom_tool_call", {"input": "ls"}, "ls"),
        ("mcp_call", {"arguments": "{}"}, "{}"),
        ("message", {"arguments": "{}"}, ""),
        ("function_call", {}, ""),
    ],
)
def test_all_arguments(kind: str, fields: dict[str, Any], arguments: str) -> None:
    assert all_arguments(kind, fields) == arguments
