"""What an assistant said in a row of items."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects import opaque
from api.dialects.openai_responses.assistant import AssistantTurn
from api.dialects.openai_responses.pointers import Pointers
from api.dialects.openai_responses.sealed import seal
from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from shared.request.messages import AssistantMessage


def message(*items: dict[str, Any], protocol: Protocol = "openai-responses") -> dict[str, Any]:
    turn = AssistantTurn(protocol)
    for at, item in enumerate(items):
        turn.take(item["type"], item, f"/input/{at}")
    made = turn.message("/messages/0", Pointers())
    assert made is not None
    AssistantMessage.model_validate(made)
    return made


def thought(sealed: str | None = None, *texts: str, **fields: Any) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": sealed or "", **fields}


TEXT = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
CALL = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}


def test_places_are_said_where_the_order_is_not_the_usual_one() -> None:
    made = message(CALL, thought(None, "So."), TEXT)
    assert made["tool_calls"][0]["part"] == 0
    assert made["reasoning"] == [{"text": "So.", "part": 1}]
    assert made["content"] == [{"type": "text", "text": "a", "part": 2}]


def test_what_openai_encrypted_goes_back_to_it() -> None:
    sealed = seal("openai", "encrypted", "rs_9", "gAAA", summary=True)
    made = message(thought(sealed, "One.", "Two."), TEXT, protocol="anthropic")
    first, last = made["reasoning"]
    assert first == {"text": "One.", "summary": True, "item_id": "rs_9"}
    assert last == {"text": "Two.", "summary": True, "item_id": "rs_9", "encrypted": "gAAA", "provider": "openai"}


def test_what_was_not_sealed_here_is_of_the_provider_that_is_asked() -> None:
    (own,) = message(thought("gAAA", "So."), TEXT)["reasoning"]
    assert own == {
        "text": "So.", "summary": True, "encrypted": "gAAA", "provider": "openai", "item_id": "rs_1",
    }  # fmt: skip
    assert "reasoning" not in message(thought("gAAA"), TEXT, protocol="anthropic")


def test_a_signature() -> None:
    (signed,) = message(thought(seal("anthropic", "signature", None, "c2ln"), "So."), TEXT)["reasoning"]
    # It was no summary, as whose it is knows.
    assert signed == {"text": "So.", "signature": "c2ln", "provider": "anthropic"}
    (wrapped,) = message(thought(opaque.wrap("anthropic", "c2ln")), TEXT)["reasoning"]
    assert wrapped == {"encrypted": "c2ln", "provider": "anthropic"}


def test_the_signature_of_a_text() -> None:
    made = message(TEXT, CALL, thought(seal("gemini", "text", "0", "c2ln")), thought(seal("gemini", "text", "7", "x")))
    assert made["content"] == [{"type": "text", "text": "a", "part": 0}]
    assert made["reasoning"] == [{"signature": "c2ln", "provider": "gemini", "part": 0}]


def test_reasoning_that_is_told_as_it_is() -> None:
    content = [{"type": "reasoning_text", "text": "Hm."}]
    (plain,) = message(thought(content=content), TEXT)["reasoning"]
    assert plain == {"text": "Hm."}


def test_reasoning_that_led_to_nothing_is_left_out() -> None:
    turn = AssistantTurn("openai-responses")
    turn.take("reasoning", thought("gAAA", "So."), "/input/0")
    assert turn.message("/messages/0", Pointers()) is None


def test_a_refusal() -> None:
    refusal = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert message(refusal) == {"role": "assistant", "refusal": "No."}


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({**CALL, "arguments": {}}, "/input/0/arguments"),
        ({**TEXT, "content": [{"type": "input_image"}]}, "/input/0/content/0/type"),
        (thought(encrypted_content=1), "/input/0/encrypted_content"),
        ({**TEXT, "content": None}, "/input/0/content"),
    ],
)
def test_what_is_not_as_it_should_be(item: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        message(item)
    assert raised.value.errors[0].pointer == pointer
