"""Errors are sentences."""

from __future__ import annotations

from api.dialects.ai_sdk.errors import status, text
from api.problems.problem import FieldError, unprocessable


def test_an_error_in_sentences() -> None:
    wrong = [
        FieldError(pointer="/messages/0/parts", message="needs a text"),
        FieldError(pointer="", message="is empty."),
    ]
    problem = unprocessable(wrong)
    assert text(problem).endswith("messages.0.parts needs a text. The body is empty.")
    assert text(problem).startswith(f"{problem.title}. ")
    assert status(problem) == 422
