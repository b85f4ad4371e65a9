"""The parts of a Chat Completions answer: where one starts, where it ends, and which grow beside each other."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from shared.log.events import PartEnd
from worker.providers.openai_chat.chunk import Function, ToolCallDelta
from worker.providers.openai_chat.parts import ChatParts
from worker.providers.openai_chat.reasoning import Thought


def told(parts: ChatParts) -> list[tuple[Any, ...]]:
    """The events, each as its type, its part, and what it says."""
    lines: list[tuple[Any, ...]] = []
    for event in parts.events:
        fields = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not msgspec.UNSET}
        rest = {name: fields[name] for name in fields if name not in ("part", "kind", "t", "executor")}
        kind = fields.get("kind")
        lines.append((event.type, fields.get("part"), *([kind] if kind else []), *rest.values()))
    return lines


def test_a_kind_goes_on_until_another_begins() -> None:
    parts = ChatParts()
    for kind, text in (("reasoning", "H"), ("reasoning", "m"), ("text", "Yes"), ("refusal", "No")):
        parts.say(kind, text)  # type: ignore[arg-type]
    parts.end()
    assert told(parts) == [
        ("part", 0, "reasoning"), ("delta", 0, "reasoning", "H"), ("delta", 0, "reasoning", "m"), ("part_end", 0),
        ("part", 1, "text"), ("delta", 1, "text", "Yes"), ("part_end", 1),
        ("part", 2, "refusal"), ("delta", 2, "refusal", "No"), ("part_end", 2),
    ]  # fmt: skip


def test_thoughts_of_one_key_are_one_part_and_what_is_opaque_ends_it() -> None:
    parts = ChatParts()
    parts.think(Thought("a", "litellm", text="one "))
    parts.think(Thought("a", "litellm", text="two", signature="c2ln"))
    parts.think(Thought("b", "litellm", text="three"))
    parts.think(Thought("b", "litellm"))
    parts.think(Thought("c", "litellm", encrypted="cmVk"))
    parts.end()
    ends = [event for event in parts.events if isinstance(event, PartEnd)]
    assert [(end.part, end.signature, end.encrypted, end.provider) for end in ends] == [
        (0, "c2ln", UNSET, "litellm"), (1, UNSET, UNSET, UNSET), (2, UNSET, "cmVk", "litellm"),
    ]  # fmt: skip
    assert [line[-1] for line in told(parts) if line[0] == "delta"] == ["one ", "two", "three"]


def test_a_citation_is_of_the_text_that_is_open_or_begins() -> None:
    parts = ChatParts()
    parts.annotate({"url": "a"})
    parts.say("text", "x")
    parts.annotate({"url": "b"})
    parts.end()
    assert [line[:2] for line in told(parts)] == [
        ("part", 0), ("annotation", 0), ("delta", 0), ("annotation", 0), ("part_end", 0),
    ]  # fmt: skip


def test_a_call_ends_the_part_that_is_open_and_ends_with_the_answer() -> None:
    parts = ChatParts()
    parts.say("text", "Look:")
    parts.calls.read([ToolCallDelta(index=0, id="a", function=Function(name="f", arguments="{}"))], parts)
    parts.say("text", "And.")
    parts.end()
    assert [line[:2] for line in told(parts)] == [
        ("part", 0), ("delta", 0), ("part_end", 0), ("part", 1), ("part", 2), ("delta", 2), ("delta", 1),
        ("part_end", 2), ("part_end", 1),
    ]  # fmt: skip


def test_an_image_is_whole_at_once() -> None:
    parts = ChatParts()
    parts.say("text", "Look:")
    parts.show("data:image/png;base64,aGk=")
    parts.show("https://example.org/a.png")
    assert told(parts)[2:] == [
        ("part_end", 0),
        ("part", 1, "file", "image/png"), ("delta", 1, "file", "aGk="), ("part_end", 1),
        ("part", 2, "file", "https://example.org/a.png"), ("part_end", 2),
    ]  # fmt: skip
    with pytest.raises(ValueError):  # noqa: PT011
        parts.show("data:image/png;base64,?")


def test_sound_is_one_file_that_is_open_to_the_end() -> None:
    parts = ChatParts()
    assert not parts.hears
    parts.sound("audio_1", base64.b64encode(b"abcd").decode())
    parts.say("text", "Peep.")
    parts.sound("audio_1", base64.b64encode(b"ef").decode())
    parts.end()
    assert "".join(line[3] for line in told(parts) if line[:3] == ("delta", 0, "file")) == "YWJjZGVm"
    assert told(parts)[-1] == ("part_end", 0)
    parts.sound(None, "")
    cut = ChatParts()
    cut.sound("a", "aGk")
    with pytest.raises(ValueError, match="cut"):
        cut.end()
