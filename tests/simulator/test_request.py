"""What a client asked for: read from whatever shape it has, or refused by the name of the field."""

from typing import Any

import pytest

from simulator.request import (
    RequestRefusedError,
    count_tokens,
    last_user_text,
    messages_of,
    model_of,
    stream_of,
    text_of,
    token_limit,
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ([{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}], "ab"),
        ([{"text": 5}, "x", None], ""),
        (None, ""),
        (5, ""),
        ({"text": "x"}, ""),
    ],
)
def test_text(content: object, text: str) -> None:
    assert text_of(content) == text


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "user"}, "x"]}, "messages.1"),
        ({"messages": [{"role": 5}]}, "messages.0"),
        ({"messages": [{}]}, "messages.0"),
    ],
)
def test_messages_that_are_none_are_refused_by_their_place(body: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        messages_of(body)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_the_last_that_the_user_said() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": [{"text": "second"}]},
        {"role": "assistant", "content": "answer"},
    ]
    assert messages_of({"messages": messages}) == messages
    assert last_user_text(messages) == "second"
    assert last_user_text(messages[2:]) == ""


@pytest.mark.parametrize(("texts", "tokens"), [([], 1), (["abc"], 1), (["abcd", "efg"], 1), (["a" * 8], 2)])
def test_four_characters_are_a_token_and_there_is_one_at_least(texts: list[str], tokens: int) -> None:
    assert count_tokens(texts) == tokens


@pytest.mark.parametrize(
    ("body", "limit"),
    [({}, None), ({"a": None}, None), ({"a": 1}, 1), ({"b": 7}, 7), ({"a": 3, "b": 7}, 3), ({"a": None, "b": 7}, 7)],
)
def test_the_first_limit_that_is_set_counts(body: dict[str, Any], limit: int | None) -> None:
    assert token_limit(body, "a", "b") == limit


@pytest.mark.parametrize("limit", [0, -1, 1.5, "5", True, []])
def test_a_limit_is_a_positive_whole_number(limit: object) -> None:
    with pytest.raises(RequestRefusedError, match="b: must be an integer of at least 1") as refused:
        token_limit({"b": limit}, "a", "b")
    assert refused.value.param == "b"


@pytest.mark.parametrize("model", [None, "", 5, ["lorem"]])
def test_a_model_is_named(model: object) -> None:
    assert model_of({"model": "lorem"}) == "lorem"
    with pytest.raises(RequestRefusedError) as refused:
        model_of({"model": model})
    assert refused.value.param == "model"


def test_streaming_is_true_or_false() -> None:
    assert [stream_of(body) for body in ({}, {"stream": None}, {"stream": False}, {"stream": True})] == [
        False, False, False, True,
    ]  # fmt: skip
    for wrong in (1, "true", 0):
        with pytest.raises(RequestRefusedError, match="stream: must be true or false"):
            stream_of({"stream": wrong})
