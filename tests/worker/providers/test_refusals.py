"""What a model refuses is remembered of it, up to a bound, and not of what a caller has added."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from openai import BadRequestError

from shared.request.generation_request import GenerationRequest
from worker.providers.refusals import MAX_REMEMBERED_MODELS, Refusals

Ask = Callable[..., GenerationRequest]


def refusal(words: str) -> BadRequestError:
    response = httpx2.Response(400, request=httpx2.Request("POST", "http://127.0.0.1/"))
    return BadRequestError(words, response=response, body={"message": words})


@pytest.mark.parametrize(
    ("words", "blamed"),
    [
        ("Unknown parameter: 'background'.", True),
        ("background: unknown", True),
        ("Background mode is not supported", True),
        ("Unknown parameter: 'background_color'.", False),
        ("Unknown parameter: 'my_background'", False),
        ("no such field my-background", False),
        ("backgrounds", False),
    ],
)
def test_a_field_is_named_as_a_word(words: str, blamed: bool) -> None:
    assert Refusals("p", "background").blamed_in(refusal(words)) is blamed


def test_it_is_remembered_of_the_model_up_to_a_bound(ask: Ask) -> None:
    refusals = Refusals("p", "x")
    for number in range(MAX_REMEMBERED_MODELS):
        refusals.learn(f"m{number}", ask())
    assert "m0" in refusals
    refusals.learn("one more", ask())
    assert "one more" in refusals
    assert "m0" not in refusals


@pytest.mark.parametrize(("extra", "learned"), [({}, True), ({"q": {"a": 1}}, True), ({"p": {"a": 1}}, False)])
def test_an_extra_for_this_endpoint_may_be_why(ask: Ask, extra: dict[str, dict[str, int]], learned: bool) -> None:
    refusals = Refusals("p", "x")
    refusals.learn("m", ask(extra=extra))
    assert ("m" in refusals) is learned
