"""Parameters that are true or false."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from api.intake.query_flag import query_flag
from api.problems.problem import ProblemError


def asked(query: str) -> bool:
    return query_flag(Request({"type": "http", "query_string": query.encode(), "headers": []}), "viewers")


@pytest.mark.parametrize(
    ("query", "flag"),
    [("", False), ("x=1", False), ("viewers=1", True), ("viewers=true", True), ("viewers=0", False)],
)
def test_what_is_said(query: str, flag: bool) -> None:
    assert asked(query) is flag


@pytest.mark.parametrize("query", ["viewers=", "viewers=2", "viewers=maybe"])
def test_what_is_neither_is_refused(query: str) -> None:
    with pytest.raises(ProblemError) as raised:
        asked(query)
    assert raised.value.status == 422
    assert [(one.pointer, one.message) for one in raised.value.errors] == [("viewers", "must be true or false")]
