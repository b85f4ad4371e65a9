"""From a body in a dialect to a request: the model's name, what is kept of how it was asked, what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.exchange.dialect_body import UNSTORED_TTL_S, ReadBody, parsed, read_dialect
from api.intake.body_errors import MAX_NAMED_FIELDS
from api.intake.model_names import ServedModels
from api.problems.problem import ProblemError
from api.routes.chat_completions import DIALECT
from api.routes.responses import DIALECT as RESPONSES
from shared.config.settings import load
from shared.record import Asked

SERVED = ServedModels.by(load(simulator_url="http://127.0.0.1:9", models={"fast": "simulator/lorem"}))
BODY: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]}


def read(**fields: Any) -> ReadBody:
    return read_dialect(BODY | fields, DIALECT, SERVED, 10_000)


def test_a_bare_name_is_asked_of_the_one_provider_and_kept_as_it_was_asked() -> None:
    one = read()
    assert one.taken.request.model == "simulator/gpt-x"
    asked = msgspec.json.decode(one.taken.asked, type=Asked)
    assert (asked.dialect, asked.model) == ("openai-chat", "gpt-x")
    assert read(model="fast").taken.request.model == "simulator/lorem"
    assert read(model="simulator/echo").taken.request.model == "simulator/echo"


def test_what_answers_repeat_is_part_of_the_request() -> None:
    """A key that was used with another model's name, or other options of the stream, was used for another request."""
    fingerprints = {
        read(**fields).taken.fingerprint
        for fields in ({}, {"model": "simulator/gpt-x"}, {"stream": True, "stream_options": {"include_usage": True}})
    }
    assert len(fingerprints) >= 2
    assert read().taken.fingerprint == read().taken.fingerprint


def test_it_goes_on_by_prefix_unless_it_asks_for_more() -> None:
    usual = read().taken.request
    assert (usual.on_interrupt, usual.background) == ("continue", False)
    told = read(on_interrupt="continue").taken.request
    assert (told.on_interrupt, told.background) == ("continue", True)
    assert read(on_interrupt="restart").taken.request.on_interrupt == "restart"


@pytest.mark.parametrize(
    ("fields", "outlives"),
    [
        ({"background": True}, True),
        ({"background": True, "store": False}, False),
        ({"background": False, "on_interrupt": "continue"}, False),
    ],
)
def test_background_of_ours_counts_where_the_dialect_has_no_such_field(fields: dict[str, Any], outlives: bool) -> None:
    assert read(**fields).taken.request.background is outlives


@pytest.mark.parametrize(
    ("fields", "outlives"),
    [
        ({}, False),
        ({"background": True}, True),
        ({"on_interrupt": "continue"}, True),
        ({"on_interrupt": "continue", "store": False}, False),
        ({"on_interrupt": "continue", "include": ["reasoning.encrypted_content"]}, False),
        ({"background": True, "include": ["reasoning.encrypted_content"]}, False),
    ],
)
def test_only_who_asks_for_it_is_run_in_the_providers_background(fields: dict[str, Any], outlives: bool) -> None:
    """There it would be stored, which who does not want it stored has refused."""
    body = {"model": "gpt-x", "input": "Hi"} | fields
    one = read_dialect(body, RESPONSES, SERVED, 10_000)
    assert one.taken.request.background is outlives
    assert one.taken.request.on_interrupt == "continue"


def test_what_is_not_to_be_stored_is_there_for_retries_only() -> None:
    assert read(store=False).taken.request.ttl == UNSTORED_TTL_S
    assert read(store=False, ttl=5).taken.request.ttl == 5
    assert read(store=True).taken.request.ttl is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b'{"model": "gpt-x", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}', 400, "invalid_json"),
        (b"[" * 100_000, 422, "too_deep"),
        (b'{"model": 1}', 422, "invalid_request"),
        (b'{"model": 0, "messages": [{"role": "user", "content": "Hi"}]}', 422, "invalid_request"),
        (b'{"model": "gpt-x", "messages": [{"role": "user"}]}', 422, "invalid_request"),
        (b'{"model": "gpt-x"}', 422, "invalid_request"),
    ],
)
def test_what_is_wrong_is_a_problem(body: bytes, status: int, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_dialect(parsed(body, 10_000), DIALECT, SERVED, 10_000)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"k" * 5_000_000: 1}, [""]),
        ({"stream_options": {"k" * 5_000_000: 1}}, ["/stream_options"]),
        ({f"f{number}": 1 for number in range(9_000)}, [f"/f{number}" for number in range(MAX_NAMED_FIELDS)]),
    ],
)
def test_what_a_dialect_refuses_is_not_repeated_at_length(fields: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(ProblemError) as caught:
        read(model="simulator-anthropic/echo", **fields)
    assert [error.pointer for error in caught.value.errors] == pointers
