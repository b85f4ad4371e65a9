"""One block is open at a time; the others wait."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from api.dialects.anthropic_messages.block_line import BlockLine, RawDelta
from api.dialects.anthropic_messages.blocks import growth, start, stop
from shared.log.events import Part, PartEnd

TEXT = {"type": "text", "text": ""}


def said(part: int, text: str, kind: Any = "text") -> RawDelta:
    return RawDelta(part=part, kind=kind, delta=Raw(f'"{text}"'.encode()))


def test_the_open_block_grows_at_once() -> None:
    line = BlockLine()
    assert line.open(Part(part=0, kind="text")) == []
    assert line.grow(said(0, "a")) == [start(0, TEXT), growth("text", 0) + b'"a"}}\n\n']
    assert line.growths == [growth("text", 0)]
    assert line.end(PartEnd(part=0)) == [stop(0)]
    assert line.growths == [b""]


@pytest.mark.parametrize(
    "silent",
    [Part(part=0, kind="file"), Part(part=0, kind="tool_call", name="image_generation", executor="provider")],
)
def test_a_part_that_is_no_block_holds_nothing_up(silent: Part) -> None:
    """Sound is open until the end of an answer, beside its text."""
    line = BlockLine()
    line.open(silent)
    line.open(Part(part=1, kind="text"))
    assert line.grow(said(0, "UERG", silent.kind)) == []
    assert line.grow(said(1, "a")) == [start(0, TEXT), growth("text", 0) + b'"a"}}\n\n']
    assert line.is_begun


def test_a_delta_without_its_start_begins_a_part() -> None:
    line = BlockLine()
    assert line.grow(said(0, "a"))[0] == start(0, TEXT)


def test_a_delta_after_its_end_is_a_block_of_its_own() -> None:
    line = BlockLine()
    line.grow(said(0, "a"))
    line.end(PartEnd(part=0))
    assert line.grow(said(0, "b")) == [start(1, TEXT), growth("text", 1) + b'"b"}}\n\n']
    assert line.finish() == [stop(1)]


def test_a_part_that_is_resumed_after_its_end_is_a_block_of_its_own() -> None:
    line = BlockLine()
    line.grow(said(0, "a"))
    line.end(PartEnd(part=0))
    line.begin_attempt()
    line.open(Part(part=0, kind="text", resumes=True))
    assert line.grow(said(0, "b"))[0] == start(1, TEXT)


def test_numbers_follow_one_another() -> None:
    line = BlockLine()
    with pytest.raises(ValueError, match="part 1 does not follow part -1"):
        line.open(Part(part=1, kind="text"))
    assert line.end(PartEnd(part=3)) == []
    line.open(Part(part=0, kind="text"))
    assert line.open(Part(part=0, kind="text")) == []
