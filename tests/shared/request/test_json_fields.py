"""Fields that go on to a provider as they are."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.request.generation_request import GenerationRequest
from shared.request.json_fields import Fields


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999", "1" * 400, "-" + "1" * 4000])
def test_a_number_is_one_that_others_can_read(number: str) -> None:
    for fields, place in (
        ('"extra": {"a": {"b/c": [0, {"d": %s}]}}', "/b~1c/1/d"),
        ('"tools": [{"type": "function", "function": {"name": "f", "parameters": {"e": %s}}}]', "/e"),
    ):
        body = '{"model": "a/b", "messages": [{"role": "user", "content": "?"}], ' + fields % number + "}"
        with pytest.raises(ValidationError, match=f"has a number at {place} that is no finite"):
            GenerationRequest.model_validate_json(body)


def test_a_long_number_is_sent_as_it_is() -> None:
    numbers = [10**300, -(2**80), 1e300, 0.1, True]
    assert TypeAdapter(Fields).validate_python({"b": numbers}) == {"b": numbers}
