"""What is told beside texts and calls: once, with the index by which SDKs add up lists."""

from __future__ import annotations

import json
import tracemalloc

import msgspec

from api.dialects.openai_chat.beside import Beside
from api.dialects.openai_chat.parts import SaidPart

CITED = {"type": "url_citation", "url": "https://e.com/", "title": "T"}


def test_lists_are_counted_over_all_chunks() -> None:
    beside = Beside()
    images = [SaidPart("file", media_type="image/png", pieces=[b'"aGk="']) for _ in range(2)]
    thoughts = [
        SaidPart("reasoning", pieces=[b'"a"'], signature="S", encrypted="E", provider="p"),
        SaidPart("reasoning", pieces=[b'"b"'], signature="S", provider="p"),
    ]
    told = [beside.end(part, thoughts) for part in (*images, *thoughts)]
    assert [entry["index"] for fields in told for entry in fields.get("images", ())] == [0, 1]
    assert [entry["index"] for fields in told for entry in fields.get("reasoning_details", ())] == [0, 1, 2]
    # Nothing of it is wanted any more.
    assert not any(part.pieces for part in (*images, *thoughts))


def test_pieces_of_an_item_wait_for_its_last() -> None:
    beside = Beside()
    first = SaidPart("reasoning", item_id="rs", pieces=[b'"a"'])
    last = SaidPart("reasoning", item_id="rs", encrypted="E", provider="p")
    assert beside.end(first, [first]) == {}
    assert [entry["type"] for entry in beside.end(last, [first, last])["reasoning_details"]] == [
        "reasoning.text",
        "reasoning.encrypted",
    ]


def test_an_item_is_told_once() -> None:
    parts = [SaidPart("reasoning", item_id="rs", pieces=[b'"a"'], encrypted="E", provider="p") for _ in range(2)]
    beside = Beside()
    assert len(beside.end(parts[0], parts)["reasoning_details"]) == 4
    assert beside.end(parts[1], parts).get("reasoning_details", []) == []


def test_what_has_nothing_beside_it_adds_nothing() -> None:
    beside = Beside()
    for part in (
        SaidPart("text"),
        SaidPart("reasoning"),
        SaidPart("file", media_type="image/png"),
        SaidPart("refusal"),
    ):
        assert beside.end(part, [part]) == {}
    assert beside.rest() == {}


def test_citations_wait_for_the_end_of_all() -> None:
    beside = Beside()
    part = SaidPart("text")
    beside.cite(part, CITED)
    beside.length.add(b'"abc"')
    assert beside.rest()["annotations"][0]["url_citation"]["end_index"] == 3
    beside.end(part, [part])
    beside.length.add(b'"de"')
    assert beside.rest()["annotations"][0]["url_citation"]["end_index"] == 3


def test_a_large_image_is_not_copied_more_than_it_must_be() -> None:
    """Each copy of tens of MB holds up all viewers of the node."""
    size, beside = 4_000_000, Beside()
    part = SaidPart("file", media_type="image/png", pieces=[b'"' + b"A" * (size // 4) + b'"' for _ in range(4)])
    tracemalloc.start()
    try:
        fields = beside.end(part, [part])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    image = json.loads(msgspec.json.encode(fields))["images"][0]
    assert image["image_url"]["url"] == "data:image/png;base64," + "A" * size
    assert peak < 1.5 * size
