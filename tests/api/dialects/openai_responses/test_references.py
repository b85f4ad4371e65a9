"""Items that are named by their ids."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.openai_responses.references import references, resolved
from api.dialects.openai_responses.request import read
from tests.api.dialects.openai_responses.logs import TAIL, answered, attempt, call, completed, subject, text


def test_an_item_of_an_earlier_answer_is_put_where_it_is_named() -> None:
    output = answered(subject(), [attempt(), *text(0, "I look."), *call(1, "{}"), completed()])["output"]
    body: dict[str, Any] = {
        "model": "gpt-5",
        "input": [
            {"role": "user", "content": "Hi"},
            *({"type": "item_reference", "id": item["id"]} for item in output),
            {"type": "function_call_output", "call_id": "call_1", "output": "Seen."},
        ],
    }
    assert references(body) == {item["id"]: f"gen_{TAIL}" for item in output}
    whole = resolved(body, {item["id"]: item for item in output})
    messages = read(whole, provider="up", protocol="anthropic").native["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["content"] == "I look."
    assert body["input"][1]["type"] == "item_reference"


@pytest.mark.parametrize("given", ["Hi", None, [{"role": "user", "content": "Hi"}, "x", {"id": "msg_other"}]])
def test_what_names_no_item_of_ours(given: Any) -> None:
    assert references({"input": given}) == {}
    assert resolved({"input": given}, {}) == {"input": given}


def test_an_item_that_is_said_is_not_looked_up() -> None:
    said = {"type": "message", "id": f"msg_{TAIL}_1_0", "role": "assistant", "content": "a"}
    assert references({"input": [said]}) == {}
    assert references({"input": [{"id": f"msg_{TAIL}_1_0", "type": None}]}) == {f"msg_{TAIL}_1_0": f"gen_{TAIL}"}
