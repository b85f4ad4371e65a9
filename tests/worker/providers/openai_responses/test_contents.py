"""Which part a piece of a content belongs to, and what its end adds."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Annotation, Delta
from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.contents import Contents, lacks
from worker.providers.openai_responses.event import REASONING, REFUSAL, SUMMARY, TEXT
from worker.providers.openai_responses.item import Item
from worker.providers.openai_responses.items import Items
from worker.providers.openai_responses.parts import Parts, Said
from worker.providers.openai_responses.whole_response import Content
from worker.providers.provider import ProviderError


class Answer:
    """The contents of one item."""

    def __init__(self, *earlier: PartSoFar) -> None:
        self.parts = Parts("acme")
        self.contents = Contents(self.parts)
        self.item = Items(self.parts, earlier).find(0, "msg_1", "message")

    def grow(self, text: str, index: int = 0, place: Any = TEXT) -> Said:
        said = self.contents.growing(self.item, place, index)
        self.parts.say(said, text)
        return said

    def settle(self, text: str, index: int = 0, teller: str = "text.done") -> bool:
        return self.contents.settle(self.item, TEXT, index, text, teller)[1]

    def finish(self, *texts: str, teller: str = "item.done") -> bool:
        wholes = [Content(TEXT, text, {}) for text in texts]
        left, agreed = self.contents.said(None if teller == "response" else self.item, wholes, teller)
        self.contents.add(self.item, wholes, left)
        return agreed

    @property
    def texts(self) -> list[str]:
        return [said.text for said in self.parts.all]

    @property
    def deltas(self) -> list[str]:
        return [event.delta for event in self.parts.events if isinstance(event, Delta)]


@pytest.mark.parametrize("indices", [[0, 0, 0], [0, 1, 2], [4, 4, 5]])
def test_pieces_go_on_with_the_last_part_whatever_their_number(indices: list[int]) -> None:
    answer = Answer()
    for index in indices:
        answer.grow("a", index)
    assert answer.texts == ["aaa"]


def test_a_part_begins_after_an_end_a_beginning_or_another_kind() -> None:
    answer = Answer()
    answer.grow("a")
    assert answer.settle("a")
    answer.grow("b", 1)
    answer.contents.begin(answer.item, TEXT, 2)
    answer.grow("c", 2)
    answer.grow("d", 2, REFUSAL)
    answer.grow("e", 2)
    assert answer.texts == ["a", "b", "c", "d", "e"]
    assert [said.ended for said in answer.parts.all] == [True, True, True, True, False]


def test_a_part_that_has_begun_with_nothing_is_the_one() -> None:
    answer = Answer()
    begun = answer.contents.begin(answer.item, TEXT, 0)
    assert answer.contents.begin(answer.item, TEXT, 0) is begun
    assert answer.contents.begin(answer.item, TEXT, 1) is begun
    assert answer.grow("a", 3) is begun


def test_what_is_said_once_more_adds_the_rest_once() -> None:
    answer = Answer()
    answer.grow("The")
    for teller in ("text.done", "text.done", "part.done"):
        assert answer.settle("The sky", teller=teller)
    assert answer.finish("The sky")
    assert answer.finish("The sky", teller="response")
    assert answer.deltas == ["The", " sky"]


def test_contents_are_matched_by_what_they_say() -> None:
    answer = Answer()
    answer.grow("a", 1)
    answer.settle("a", 1)
    answer.grow("b", 2)
    assert answer.settle("b", 1)
    assert answer.settle("a", 0, "part.done")
    assert answer.settle("b", 1, "part.done")
    assert answer.texts == ["a", "b"]


def test_another_text_is_said_but_not_less() -> None:
    answer = Answer()
    answer.grow("Hello.")
    assert not answer.settle("Bye.")
    assert answer.settle("Bye.", teller="part.done"), "it is known"
    assert answer.finish("Bye.")
    assert answer.texts == ["Hello."]
    answer = Answer()
    answer.grow("Helthere")
    with pytest.raises(ProviderError) as caught:
        answer.settle("Hello there")
    assert (caught.value.code, caught.value.over) == ("invalid_response", True)


def test_a_part_that_has_ended_goes_on_in_another_one_while_nothing_follows() -> None:
    answer = Answer()
    answer.parts.end(answer.grow("One"))
    assert answer.finish("One, two", "Three")
    assert answer.texts == ["One", ", two", "Three"]
    first, second = Answer(), Item("msg_2", "message")
    first.grow("One")
    other = first.contents.growing(second, TEXT, 0)
    first.parts.say(other, "Three")
    with pytest.raises(ProviderError):
        first.finish("One, two")


def test_parts_of_an_earlier_attempt_fit_or_nothing_does() -> None:
    answer = Answer(PartSoFar(kind="text", item_id="msg_1", pieces=["The "]))
    answer.grow("sky")
    assert answer.finish("The sky.")
    assert answer.deltas == ["sky", "."]
    for whole in ("Another", "The sea"):
        answer = Answer(PartSoFar(kind="text", item_id="msg_1", pieces=["The sky"]))
        with pytest.raises(ProviderError) as caught:
            answer.settle(whole)
        assert caught.value.over
    # Another content, whose beginning nobody heard, while the first was to go on.
    answer = Answer(PartSoFar(kind="text", item_id="msg_1", pieces=["The "]))
    with pytest.raises(ProviderError):
        answer.grow("x", 1)
    with pytest.raises(ProviderError):
        Answer(PartSoFar(kind="text", item_id="msg_1", pieces=["The "])).settle("x", 1)
    assert answer.contents.begin(answer.item, TEXT, 1).text == ""


def test_a_text_of_another_item_is_taken_over_if_it_begins_so() -> None:
    answer = Answer()
    answer.grow("Hel")
    answer.item = Item("msg_2", "message")
    assert answer.finish("Hello")
    assert answer.texts == ["Hello"]
    answer.item = Item("msg_3", "message")
    assert answer.finish("Hello")
    assert answer.texts == ["Hello", "Hello"]


def test_reasoning_that_turned_into_a_summary_is_said_once() -> None:
    answer = Answer()
    answer.grow("Hm", place=REASONING)
    left, agreed = answer.contents.said(answer.item, [Content(SUMMARY, "Hm.", {})], "item.done")
    answer.contents.add(answer.item, [Content(SUMMARY, "Hm.", {})], left)
    assert (agreed, "".join(answer.texts)) == (True, "Hm.")


def test_citations() -> None:
    answer = Answer()
    cites = [{"url": letter} for letter in "abcd"]
    said = answer.grow("x")
    answer.contents.cite(answer.item, TEXT, 7, cites[0])
    answer.contents.cite_rest(said, cites[:2])
    answer.parts.end(said)
    answer.contents.cite_rest(said, cites[:3])
    answer.contents.cite_all(answer.item, [Content(TEXT, "x", {"annotations": cites[:3]})])
    answer.contents.cite(answer.item, TEXT, None, cites[3])
    found = [(event.part, event.fields) for event in answer.parts.events if isinstance(event, Annotation)]
    assert found == [(0, cites[0]), (0, cites[1]), (1, cites[2]), (1, cites[3])]


@pytest.mark.parametrize(
    ("said", "whole", "less"),
    [("ac", "abc", True), ("", "a", True), ("abc", "abc", False), ("abc", "ac", False), ("ab", "xy!", False)],
)
def test_what_lacks_something(said: str, whole: str, less: bool) -> None:
    assert lacks(said, whole) == less
