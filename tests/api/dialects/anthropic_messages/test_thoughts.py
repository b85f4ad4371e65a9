"""Thinking comes back as the reasoning that it was."""

from __future__ import annotations

from typing import Any

from api.dialects.anthropic_messages.answer import answer
from api.dialects.anthropic_messages.conversation import Conversation
from api.dialects.anthropic_messages.places import Places
from api.dialects.anthropic_messages.sealed import Sealed, seal
from api.dialects.anthropic_messages.thoughts import Thoughts
from shared.log.answer_message import messages_of
from shared.log.events import Attempt, Delta, Part, PartEnd
from shared.request.messages import AssistantMessage
from tests.api.dialects.anthropic_messages.conftest import SUBJECT, folded


def take(block: dict[str, Any], *, same: bool = True) -> list[dict[str, Any]]:
    thoughts = Thoughts(same)
    thoughts.take(4, block, "/b", [], [])
    assert thoughts.places == ["/b"] * len(thoughts.reasoning)
    return thoughts.reasoning


def test_a_signature_that_nobody_wrapped_is_the_protocols_own() -> None:
    block = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    assert take(block) == [{"text": "Hm", "signature": "c2ln", "provider": "anthropic", "part": 4}]
    assert take(block, same=False) == [{"text": "Hm", "part": 4}]
    assert take({"type": "redacted_thinking", "data": "e"}, same=False) == []


def test_an_empty_signature_is_none() -> None:
    assert take({"type": "thinking", "thinking": "Hm", "signature": ""}) == [{"text": "Hm", "part": 4}]
    assert take({"type": "thinking", "thinking": "Hm"}) == [{"text": "Hm", "part": 4}]
    assert take({"type": "thinking", "thinking": "", "signature": ""}) == []


def test_the_name_of_an_item_comes_back_without_a_provider() -> None:
    signature = seal(Sealed(item_id="rs_1", summary=True), "")
    assert take({"type": "thinking", "thinking": "Hm", "signature": signature}) == [
        {"text": "Hm", "item_id": "rs_1", "summary": True, "part": 4}
    ]


def test_an_answer_goes_back_as_natively() -> None:
    """What one dialect's client gives back is what the native answer's message has."""
    log = [
        Attempt(number=1, reason="new", model="m", provider="p"),
        Part(part=0, kind="reasoning", item_id="rs_1", summary=True),
        Delta(part=0, kind="reasoning", delta="Hm"),
        PartEnd(part=0, encrypted="e", provider="openai"),
        Part(part=1, kind="text"),
        Delta(part=1, kind="text", delta="Hi"),
        PartEnd(part=1, signature="t", provider="gemini"),
        Part(part=2, kind="tool_call", call_id="c", name="f", executor="client"),
        Delta(part=2, kind="tool_call", delta='{"a":1}'),
        PartEnd(part=2, signature="u", provider="gemini"),
    ]
    conversation = Conversation(Places(), protocol_is_same=False)
    conversation.read([{"role": "assistant", "content": answer(SUBJECT, folded(log))["content"]}])
    assert _in_order(conversation.messages[0]) == _in_order(messages_of(folded(log).parts)[0])


def _in_order(message: dict[str, Any]) -> list[Any]:
    """What a message says, without the numbers of its places: only their order counts."""
    said = AssistantMessage.model_validate(message)
    parts = [
        *(said.reasoning or ()),
        *(said.content if isinstance(said.content, list) else ()),
        *(said.tool_calls or ()),
    ]
    parts.sort(key=lambda part: part.part or 0)
    return [part.model_dump(exclude={"part"}, exclude_defaults=True) for part in parts]
