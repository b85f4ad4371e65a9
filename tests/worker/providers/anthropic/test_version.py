"""The version of a Messages request: the newest that takes it, however deep what that refuses lies."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.claude_models import API_VERSION_WITHOUT_SAMPLING as NEWEST
from shared.request.claude_models import SAMPLING_FIELDS
from worker.providers.anthropic.version import VERSION_WITH_SAMPLING as BEFORE
from worker.providers.anthropic.version import betas_of, version_of

DOCUMENT = {"type": "document"}
CITED = {"type": "text", "text": "x", "citations": [{}]}


def within(block: dict[str, Any], levels: int) -> dict[str, Any]:
    """The block in so many others."""
    return within({"type": "tool_result", "content": [block]}, levels - 1) if levels else block


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "plain"}, {"role": role, "content": list(blocks)}]}


@pytest.mark.parametrize("name", SAMPLING_FIELDS)
def test_sampling_is_for_the_one_before_at_any_value(name: str) -> None:
    assert version_of({name: None}) == version_of({name: 1}) == BEFORE


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (said("assistant", DOCUMENT), BEFORE),
        (said("user", DOCUMENT), NEWEST),
        # Only what stands directly in an assistant's message counts there.
        (said("assistant", within(DOCUMENT, 1)), NEWEST),
        (said("user", CITED), BEFORE),
        (said("user", {"type": "text"}, within(CITED, 1)), BEFORE),
        (said("user", within(CITED, 2)), BEFORE),
        (said("assistant", CITED), NEWEST),
        (said("user", CITED | {"citations": None}), NEWEST),
        # What nests deeper than any protocol does is not looked for.
        (said("user", within(CITED, 7)), BEFORE),
        (said("user", within(CITED, 8)), NEWEST),
    ],
)
def test_what_only_the_one_before_takes(body: dict[str, Any], version: str) -> None:
    assert version_of(body) == version


@pytest.mark.parametrize(
    "body",
    [
        {}, {"messages": None}, {"messages": "x"}, {"messages": [5, None, "x"]}, {"messages": [{}]},
        {"messages": [{"role": "user"}]}, said("user", 5, "x", None), said("assistant", "document"),
        {"messages": [{"role": "user", "content": {"type": "text", "citations": [1]}}]},
    ],
)  # fmt: skip
def test_what_has_another_shape_is_left_to_the_provider(body: dict[str, Any]) -> None:
    assert version_of(body) == NEWEST


@pytest.mark.parametrize("betas", ["a", ["a", 1], ["a\r\nx-api-key: b"], [""], ["a,b"]])
def test_what_is_no_beta_is_no_header(betas: Any) -> None:
    body = {"betas": betas}
    assert betas_of(body) == ""
    assert body == {"betas": betas}


def test_betas_are_taken_out_of_the_body() -> None:
    body: dict[str, Any] = {"betas": ["a-2026-01-01", "b"], "model": "m"}
    assert (betas_of(body), body) == ("a-2026-01-01,b", {"model": "m"})
    assert betas_of(body) == ""
