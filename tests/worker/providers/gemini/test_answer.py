"""An earlier answer as Gemini has it: in its own order, each signature where it stood."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.messages import AssistantMessage
from worker.providers.gemini.answer import NO_SIGNATURE, answer_parts


def parts(**fields: Any) -> list[dict[str, Any]]:
    message = AssistantMessage.model_validate({"role": "assistant", **fields})
    return answer_parts(message, signed=False)


def signature(of: str, **fields: Any) -> dict[str, Any]:
    return {"signature": of, "provider": "gemini", **fields}


def call(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "function": {"name": name, "arguments": "{}"}, **fields}


def made(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"id": name, "name": name, "args": {}}, **fields}


def test_thoughts_and_calls_go_back_as_they_took_turns() -> None:
    assert parts(
        reasoning=[signature("dA==", text="First", part=0), signature("dQ==", text="Then", part=2)],
        tool_calls=[call("a", part=1, **signature("YQ==")), call("b", part=3)],
    ) == [
        {"text": "First", "thought": True, "thoughtSignature": "dA=="},
        made("a", thoughtSignature="YQ=="),
        {"text": "Then", "thought": True, "thoughtSignature": "dQ=="},
        made("b"),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # The text's own, by its place.
        (
            {
                "reasoning": [signature("MA==", part=0), signature("Mg==", part=2)],
                "content": [{"type": "text", "text": "a", "part": 0}, {"type": "text", "text": "b", "part": 2}],
                "tool_calls": [call("f", part=1)],
            },
            [
                {"text": "a", "thoughtSignature": "MA=="},
                made("f"),
                {"text": "b", "thoughtSignature": "Mg=="},
            ],
        ),
        # No text is there: of a part that had nothing else.
        (
            {"reasoning": [signature("MA==", part=0)], "tool_calls": [call("f", part=1)]},
            [{"text": "", "thoughtSignature": "MA=="}, made("f")],
        ),
        (
            {"reasoning": [signature("MQ==", part=1)], "tool_calls": [call("f", part=0)]},
            [made("f"), {"text": "", "thoughtSignature": "MQ=="}],
        ),
        # Its place is not known: as it was before there were any.
        (
            {
                "reasoning": [signature("MA==")],
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            [{"text": "a"}, {"text": "b", "thoughtSignature": "MA=="}],
        ),
        (
            {"reasoning": [signature("MA==")], "tool_calls": [call("f")]},
            [{"text": "", "thoughtSignature": "MA=="}, made("f")],
        ),
        (
            {"reasoning": [{"text": "Claude's", "signature": "c2ln", "provider": "anthropic"}], "content": "Yes."},
            [{"text": "Yes."}],
        ),
    ],
)
def test_a_signature_without_text_is_the_texts(fields: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert parts(**fields) == expected


def test_the_first_call_has_a_signature_or_the_word_for_none() -> None:
    message = AssistantMessage.model_validate(
        {"role": "assistant", "tool_calls": [call("b", part=1), call("a", part=0)], "content": "x"}
    )
    assert answer_parts(message, signed=True) == [{"text": "x"}, made("a", thoughtSignature=NO_SIGNATURE), made("b")]
