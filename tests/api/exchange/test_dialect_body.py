"""From a body in a dialect to a request: the model's name, what is kept of how it was asked, what is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.exchange.dialect_body import ReadBody, read_dialect
from api.intake.model_names import ServedModels
from api.problems.problem import ProblemError
from api.routes.chat_completions import DIALECT
from shared.config.settings import load
from shared.record import Asked

SERVED = ServedModels.by(load(simulator_url="http://127.0.0.1:9", models={"fast": "simulator/lorem"}))
BODY: dict[str, Any] = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]}


def read(**fields: Any) -> ReadBody:
    return read_dialect(msgspec.json.encode(BODY | fields), DIALECT, SERVED, 10_000)


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
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b"\xff", 400, "invalid_json"),
        (b"[" * 100_000, 422, "too_deep"),
        (b'{"model": 1}', 422, "invalid_request"),
        (b'{"model": "gpt-x", "messages": [{"role": "user"}]}', 422, "invalid_request"),
        (b'{"model": "gpt-x"}', 422, "invalid_request"),
    ],
)
def test_what_is_wrong_is_a_problem(body: bytes, status: int, code: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_dialect(body, DIALECT, SERVED, 10_000)
    assert (caught.value.status, caught.value.code) == (status, code)
