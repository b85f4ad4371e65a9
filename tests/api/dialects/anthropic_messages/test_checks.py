"""What is not as it must be is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.dialects.anthropic_messages import checks
from api.problems.problem import ProblemError


@pytest.mark.parametrize(
    ("look", "pointer"),
    [
        (lambda: checks.an_object([], "/a"), "/a"),
        (lambda: checks.a_list({}, "/a"), "/a"),
        (lambda: checks.a_text({}, "b", "/a"), "/a/b"),
        (lambda: checks.a_text({"b": 1}, "b", "/a"), "/a/b"),
        (lambda: checks.a_type({"type": None}, "/a"), "/a/type"),
        (lambda: checks.yes_or_no({"b": "true"}, "b", "/a"), "/a/b"),
        (lambda: checks.only({"b/c": 1}, (), "/a"), "/a/b~1c"),
    ],
)
def test_what_is_wrong_is_named(look: Callable[[], Any], pointer: str) -> None:
    with pytest.raises(ProblemError) as raised:
        look()
    assert [error.pointer for error in raised.value.errors] == [pointer]


def test_null_is_absent() -> None:
    assert checks.an_object({"a": None, "b": False}, "") == {"b": False}
    assert checks.yes_or_no({}, "a", "") is False
    checks.only({"a": 1}, ("a", "b"), "")
    assert checks.within("", "a~b") == "/a~0b"
    assert "cannot be honoured" in checks.cannot("/a", "is a").errors[0].message
