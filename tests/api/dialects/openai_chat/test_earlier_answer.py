"""What this dialect has wrapped goes back to its provider; what others have said stays as it came."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.openai_chat import message
from api.dialects.openai_chat.earlier_answer import unwrapped
from shared.log.snapshots import PartSoFar


def details(*parts: PartSoFar) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    for part in parts:
        entries += message.details(part, len(entries))
    return {"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "reasoning_details": entries}


def thought(text: str = "Hm.", **fields: Any) -> PartSoFar:
    return PartSoFar("reasoning", pieces=[text] if text else [], **fields)


@pytest.mark.parametrize(
    ("part", "back"),
    [
        (thought(signature="S", provider="anthropic"), [{"text": "Hm.", "signature": "S", "provider": "anthropic"}]),
        (thought("", encrypted="E", provider="anthropic"), [{"encrypted": "E", "provider": "anthropic"}]),
        (
            thought(encrypted="a:b", provider="openai-responses", item_id="rs", summary=True),
            [
                {"text": "Hm.", "summary": True, "item_id": "rs"},
                {"item_id": "rs", "encrypted": "a:b", "provider": "openai-responses"},
            ],
        ),
        (thought("", signature="S", provider="openrouter/x"), [{"signature": "S", "provider": "openrouter/x"}]),
    ],
)
def test_reasoning_comes_back(part: PartSoFar, back: list[dict[str, Any]]) -> None:
    assert unwrapped(details(part)) == {"role": "assistant", "content": "Hi", "reasoning": back}


def test_the_signature_of_a_text_comes_back_without_the_text() -> None:
    entries = message.details(PartSoFar("text", pieces=["Hi"], signature="S", provider="gemini"), 0)
    said = unwrapped({"role": "assistant", "content": "Hi", "reasoning_details": entries})
    assert said == {"role": "assistant", "content": "Hi", "reasoning": [{"signature": "S", "provider": "gemini"}]}


@pytest.mark.parametrize(
    "given",
    [
        {"reasoning_content": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "theirs"}]},
        {"reasoning_details": []},
        {"reasoning_details": None},
        {"reasoning_details": [5]},
        {"reasoning": [{"text": "ours"}]},
        {"tool_calls": [{"id": "a", "extra_content": {"google": {"thought_signature": "theirs"}}}, 5]},
        {"tool_calls": None},
        {"audio": None},
        {"audio": {"id": "kept"}},
    ],
)
def test_what_others_have_said_stays(given: dict[str, Any]) -> None:
    assert unwrapped({"role": "assistant", **given}) == {"role": "assistant", **given}


def test_an_empty_signature_is_none() -> None:
    empty = {"google": {"thought_signature": ""}}
    assert unwrapped({"tool_calls": [{"id": "a", "extra_content": empty}]}) == {"tool_calls": [{"id": "a"}]}
    wrapped = [
        {"type": "reasoning.encrypted", "data": "ms1:p:E"},
        {"type": "reasoning.text", "text": "a", "signature": ""},
    ]
    assert unwrapped({"reasoning_details": wrapped})["reasoning"] == [
        {"encrypted": "E", "provider": "p"},
        {"text": "a"},
    ]


def test_images_and_sound_are_left_out() -> None:
    given = {"role": "assistant", "content": "Hi", "images": [{}], "audio": {"id": "a", "data": "aGk="}}
    assert unwrapped(given) == {"role": "assistant", "content": "Hi"}


def test_a_signature_of_another_gateway_among_ours_is_nobodys() -> None:
    entries = [{"signature": "theirs", "text": "a"}, {"signature": "ms1:anthropic:S", "text": "b"}, "odd"]
    said = unwrapped({"role": "assistant", "reasoning_details": entries})
    assert said["reasoning"] == [{"text": "a"}, {"text": "b", "signature": "S", "provider": "anthropic"}, "odd"]
