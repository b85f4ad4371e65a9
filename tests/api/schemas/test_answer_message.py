"""The message that a snapshot has ready: what the next request takes as it is, in the order in which it was said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.schemas.answer_message import messages_of
from shared.log import events
from shared.log.events import Completed, Delta, Part, PartEnd
from shared.log.snapshots import PartSoFar
from shared.request.answer_order import in_order
from shared.request.generation_request import AssistantMessage, GenerationRequest, ToolCall
from tests.api.schemas.test_parts import EXAMPLES, assembled, numbered, part


def so_far(kind: events.PartKind, text: str = "", *, ended: bool = True, **fields: Any) -> PartSoFar:
    return PartSoFar(kind, pieces=[text] if text else [], ended=ended, **fields)


def called(name: str, text: str = "{}", **fields: Any) -> PartSoFar:
    fields = {"call_id": f"id_{name}", "name": name, "executor": "client", **fields}
    return so_far("tool_call", text, **fields)


def only(*parts: PartSoFar) -> dict[str, Any]:
    """The one message, after a check that a request takes it."""
    (message,) = messages_of(parts)
    request = {"model": "p/m", "messages": [message]}
    assert isinstance(GenerationRequest.model_validate_json(json.dumps(request)).messages[0], AssistantMessage)
    return message


def said_again(message: dict[str, Any]) -> list[str]:
    said = in_order(AssistantMessage.model_validate(message))
    return [one.function.name if isinstance(one, ToolCall) else one.text for one in said]


def test_the_third_example() -> None:
    first = PartEnd(part=0, signature="c2lnMQ==", provider="anthropic")
    got = assembled(
        *numbered(
            part("reasoning", "First the time.", end=first),
            part("text", "Let me look."),
            part("tool_call", '{"zone": "UTC"}', call_id="toolu_1", name="get_time", executor="client"),
            part("reasoning", "Then the rain.", end=PartEnd(part=0, signature="c2lnMg==", provider="anthropic")),
            part("tool_call", '{"city": "Bonn"}', call_id="toolu_2", name="rain", executor="client"),
        ),
        Completed(finish_reason="tool_calls"),
    )
    assert got["messages"] == EXAMPLES[2]["messages"]
    assert said_again(got["messages"][0]) == [
        "First the time.", "Let me look.", "get_time", "Then the rain.", "rain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "order"),
    [
        ([so_far("text", "t")], ["t"]),
        ([so_far("reasoning", "r"), so_far("text", "t")], ["r", "t"]),
        ([so_far("text", "t"), called("c")], ["t", "c"]),
        ([called("c"), so_far("text", "t")], ["c", "t"]),
        ([so_far("text", "a"), so_far("text", "b")], ["a", "b"]),
        ([so_far("reasoning", "r"), called("c"), so_far("reasoning", "s"), called("d")], ["r", "c", "s", "d"]),
        ([so_far("reasoning", "r"), so_far("text", "t"), so_far("reasoning", "s"), called("d")], ["r", "t", "s", "d"]),
        # What the provider ran itself has no place in a request, but has its number.
        (
            [
                called("web_search", executor="provider"),
                so_far("tool_result", "found", call_id="x", executor="provider"),
                so_far("reasoning", "r"),
                so_far("text", "t"),
            ],
            ["r", "t"],
        ),
        ([so_far("file", "aGk="), called("c"), so_far("text", "t"), called("d")], ["c", "t", "d"]),
        ([so_far("text", "t"), so_far("refusal", "no")], ["t", "no"]),
    ],
)
def test_the_order_of_the_parts_is_that_of_the_message(parts: list[PartSoFar], order: list[str]) -> None:
    assert said_again(only(*parts)) == order


def test_what_is_opaque_is_there_with_whose_it_is() -> None:
    message = only(
        so_far("reasoning", "s", summary=True, item_id="rs_1", encrypted="b3A=", provider="openai"),
        so_far("reasoning", encrypted="cmVk", provider="anthropic"),
        so_far("reasoning", "nobody's", signature="c2ln"),
        so_far("text", "t", signature="dGV4dA==", provider="gemini"),
        called("c", signature="Y2FsbA==", provider="gemini"),
        called("d", "", signature="c2ln"),
    )
    assert message["reasoning"] == [
        {"text": "s", "encrypted": "b3A=", "provider": "openai", "summary": True, "item_id": "rs_1", "part": 0},
        {"encrypted": "cmVk", "provider": "anthropic", "part": 1},
        {"text": "nobody's", "part": 2},
        {"signature": "dGV4dA==", "provider": "gemini", "part": 3},
    ]
    function = {"name": "d", "arguments": "{}"}
    first, second = message["tool_calls"]
    assert (first["signature"], first["provider"], first["part"]) == ("Y2FsbA==", "gemini", 4)
    assert second == {"id": "id_d", "type": "function", "function": function, "part": 5}


def test_what_broke_off_is_left_out_but_text() -> None:
    message = only(
        so_far("reasoning", "half", ended=False), so_far("text", "hal", ended=False), called("c", '{"x', ended=False)
    )
    assert message == {"role": "assistant", "content": "hal"}


@pytest.mark.parametrize(
    "parts",
    [[], [so_far("reasoning", "r")], [so_far("text")], [called("c", ended=False)], [called("")], [so_far("file", "a")]],
)  # fmt: skip
def test_nothing_said_is_no_message(parts: list[PartSoFar]) -> None:
    assert messages_of(parts) == []


def test_there_is_none_before_the_end() -> None:
    said = [Part(part=0, kind="text"), Delta(part=0, kind="text", delta="Hi")]
    assert assembled(*said)["messages"] is None
    assert assembled(*said, events.Cancelled())["messages"] == [{"role": "assistant", "content": "Hi"}]
