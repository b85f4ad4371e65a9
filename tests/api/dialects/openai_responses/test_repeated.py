"""What a response repeats of its request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.dialects.openai_responses.repeated import repeated
from api.problems.problem import ProblemError


def test_what_is_repeated_as_it_is() -> None:
    given = {"temperature": 1, "top_p": 0.5, "store": False, "metadata": {"a": "b"}, "instructions": "Be brief."}
    assert repeated({**given, "input": "Hi"}) == given


def test_a_whole_number_is_one_however_it_is_written() -> None:
    assert json.dumps(repeated({"max_output_tokens": 5.0})) == '{"max_output_tokens": 5}'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_output_tokens", "5"),
        ("max_output_tokens", 5.5),
        ("top_logprobs", True),
        ("parallel_tool_calls", "no"),
        ("temperature", "0.5"),
        ("max_tool_calls", "x"),
        ("prompt_cache_retention", 5),
        ("metadata", []),
    ],
)
def test_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        repeated({name: value})
    assert [error.pointer for error in caught.value.errors] == [f"/{name}"]
