"""Where in the caller's body a native field stands."""

from __future__ import annotations

import pytest

from api.dialects.openai_responses.pointers import Pointers, refused, wrong


@pytest.mark.parametrize(
    ("native", "own"),
    [
        ("/messages/1/content/0/text", "/input/4/content/0/text"),
        ("/messages/1/name", "/input/4/name"),
        ("/messages", "/input"),
        ("/max_tokens", "/max_output_tokens"),
        ("/response_format/json_schema/name", "/text/format/name"),
        ("/reasoning_effort", "/reasoning/effort"),
        ("/temperature", "/temperature"),
        ("", ""),
    ],
)
def test_the_nearest_that_is_known_counts(native: str, own: str) -> None:
    pointers = Pointers()
    pointers.put("/messages/1", "/input/4")
    assert pointers(native) == own


def test_problems() -> None:
    problem = refused("/prompt", "cannot be honoured")
    assert (problem.status, problem.code, problem.errors[0].pointer) == (400, "unsupported_field", "/prompt")
    assert wrong("/input", "is missing").code == "invalid_request"
