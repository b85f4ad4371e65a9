"""The items of a Responses answer as parts: told once, also where another attempt goes on with them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from shared.log.events import Annotation, Delta, Part, PartEnd
from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.event import ENCRYPTION_ORIGIN, PartPlace
from worker.providers.openai_responses.items import Items
from worker.providers.provider import ProviderError

TEXT = PartPlace("content", "text")
SUMMARY = PartPlace("summary", "reasoning")
CALL = PartPlace("call", "tool_call")


def told(items: Items) -> list[tuple[Any, ...]]:
    """The events since the last look, each as its type, its part and what it says."""
    lines: list[tuple[Any, ...]] = []
    for event in items.events:
        match event:
            case Part():
                lines.append(("part", event.part, event.kind))
            case Delta():
                lines.append(("delta", event.part, event.delta))
            case PartEnd():
                lines.append(("end", event.part))
            case Annotation():
                lines.append(("annotation", event.part, event.fields))
    items.events.clear()
    return lines


def test_nothing_is_there_until_an_item_is() -> None:
    items = Items("acme")
    assert not items
    items.find(0, "msg_1", begins=True)
    assert items
    assert Items("acme", [PartSoFar(kind="text", item_id="msg_1")])


def test_an_item_is_found_by_its_place_although_its_id_changes() -> None:
    items = Items("acme")
    first = items.find(0, "msg_1", begins=True)
    assert items.find(0, "msg_changed") is first
    assert items.find(1, "msg_1") is not first
    # One that begins is another if its id is.
    assert items.find(0, "msg_2", begins=True) is not first
    # Without a place, the id is what there is.
    assert items.find(None, "msg_9") is items.find(None, "msg_9")
    assert items.find(None, None) is items.find(None, "")


def test_contents_of_an_item_come_one_after_the_other() -> None:
    items = Items("acme")
    item = items.find(0, "rs_1", begins=True)
    for index, text in ((0, "a"), (1, "b")):
        said = items.part(item, SUMMARY, index, begins=True)
        items.say(item, said, text)
        items.say(item, said, "")
    items.end_all()
    items.end_all()
    begun = [event for event in items.events if isinstance(event, Part)]
    assert [(part.item_id, part.summary) for part in begun] == [("rs_1", True)] * 2
    assert told(items) == [
        ("part", 0, "reasoning"), ("delta", 0, "a"), ("end", 0),
        ("part", 1, "reasoning"), ("delta", 1, "b"), ("end", 1),
    ]  # fmt: skip


def test_a_part_that_has_ended_does_not_grow_but_another_begins() -> None:
    items = Items("acme")
    item = items.find(0, "msg_1", begins=True)
    said = items.part(item, TEXT)
    items.end(said)
    assert items.part(item, TEXT) is said
    again = items.part(item, TEXT, grows=True)
    assert again is not said
    assert told(items) == [("part", 0, "text"), ("end", 0), ("part", 1, "text")]


def test_a_call_has_its_name_and_its_id() -> None:
    items = Items("acme")
    item = items.find(0, "fc_1", begins=True)
    items.part(item, CALL, call_id="call_1", name="rain", executor="client")
    (begun,) = items.events
    assert isinstance(begun, Part)
    assert (begun.call_id, begun.name, begun.executor, begun.media_type) == ("call_1", "rain", "client", UNSET)
    nameless = items.find(1, "ws_1", begins=True)
    items.part(nameless, CALL)
    begun = items.events[-1]
    assert isinstance(begun, Part)
    assert (begun.call_id, begun.name, begun.executor) == ("ws_1", "", "provider")


@pytest.mark.parametrize(
    ("heard", "whole", "rest", "same"),
    [
        ("The sky", "The sky", "", True),
        ("The", "The sky", " sky", True),
        ("", "The sky", "The sky", True),
        ("The sky", "The sea", "", False),
        ("The sky", None, "", True),
        ("The sky", "", "", True),
        ("\ud83d", "\ufffd!", "!", True),
    ],
)
def test_what_is_said_once_more_adds_what_had_not_come(heard: str, whole: Any, rest: str, same: bool) -> None:
    items = Items("acme")
    item = items.find(0, "msg_1", begins=True)
    said = items.part(item, TEXT)
    items.say(item, said, heard)
    told(items)
    assert items.complete(item, said, whole) is same
    assert told(items) == ([("delta", 0, rest)] if rest else [])
    if whole and same:
        assert items.complete(item, said, f"{whole} and more")
        assert told(items) == [], "the whole of it is said once"


def test_what_is_encrypted_says_whose_it_is() -> None:
    items = Items("acme")
    said = items.part(items.find(0, "rs_1", begins=True), SUMMARY)
    items.end(said, encrypted="b3A=")
    end = items.events[-1]
    assert isinstance(end, PartEnd)
    assert (end.encrypted, end.provider) == ("b3A=", ENCRYPTION_ORIGIN)


def earlier(**fields: Any) -> PartSoFar:
    return PartSoFar(**({"kind": "text", "item_id": "msg_1", "pieces": ["The "]} | fields))


def test_a_part_that_broke_off_goes_on_as_itself() -> None:
    items = Items("acme", [earlier()])
    item = items.find(0, "msg_1")
    assert (item.known, item.resumed) == (True, True)
    said = items.part(item, TEXT, grows=True)
    assert said.earlier is not None
    assert not said.ended
    items.say(item, said, "sky")
    begun = items.events[0]
    assert isinstance(begun, Part)
    assert (begun.resumes, begun.item_id) == (True, "msg_1")
    assert items.complete(item, said, "The sky.")
    items.end_all()
    assert told(items) == [("part", 0, "text"), ("delta", 0, "sky"), ("delta", 0, "."), ("end", 0)]


def test_a_citation_in_it_is_counted_on() -> None:
    items = Items("acme", [earlier(annotations=[{"url": "a"}])])
    item = items.find(0, "msg_1")
    said = items.part(item, TEXT)
    assert said.cited == 1
    items.cite(item, said, {"url": "b"})
    assert said.cited == 2
    assert told(items) == [("part", 0, "text"), ("annotation", 0, {"url": "b"})]


def test_what_does_not_fit_what_broke_off_is_over_for_good() -> None:
    items = Items("acme", [earlier()])
    item = items.find(0, "msg_1")
    with pytest.raises(ProviderError) as caught:
        items.complete(item, items.part(item, TEXT), "Another answer")
    assert (caught.value.code, caught.value.over) == ("invalid_response", True)
    # Another content, whose beginning nobody heard, while the first was to go on.
    with pytest.raises(ProviderError) as caught:
        items.part(item, TEXT, 1)
    assert caught.value.over
    assert items.part(item, TEXT, 1, begins=True)


def test_parts_that_had_ended_are_told_again_only_as_ended() -> None:
    items = Items("acme", [earlier(ended=True), earlier(kind="reasoning", summary=True, item_id="rs_1")])
    items.end_all()
    assert told(items) == [("part", 0, "reasoning"), ("end", 0)]
