"""What wraps what in an error's body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.providers.error_layers import ErrorLayer, body_of, layers_of

INNER = {"message": "said", "code": "a_code"}


@pytest.mark.parametrize(
    "body",
    [
        INNER,
        {"error": INNER},
        [{"error": INNER}],
        {"error": {"error": INNER}},
        {"error": [INNER]},
        {"errors": [INNER]},
        {"errors": INNER},
        {"detail": INNER},
        {"detail": [INNER]},
        {"detail": {"error": INNER}},
        {"message": INNER},
        {"error": {"message": "inner", "innererror": INNER}},
        {"error": "said", "code": "a_code"},
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": {"error": INNER}}}},
    ],
)
def test_it_is_found_in_any_wrapping(body: Any) -> None:
    layers = layers_of(body)
    assert "said" in [layer.text for layer in layers]
    assert ["a_code"] in [layer.words() for layer in layers]
    assert not any(layer.quoted for layer in layers)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": INNER}),
        f"data: {json.dumps({'error': INNER})}\n\n",
        {"error": json.dumps({"error": INNER})},
        {"error": {"message": json.dumps([{"error": INNER}])}},
        {"detail": f"litellm.BadRequestError: XException - {json.dumps({'error': INNER})}. Received Model Group=m"},
        {"error": {"message": f"in {{model}}: {json.dumps(INNER)}"}},
        {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"error": INNER})}}},
    ],
)
def test_it_is_found_in_a_text_and_is_marked(body: Any) -> None:
    layers = layers_of(body)
    assert layers[0].text == "said"
    assert layers[0].words() == ["a_code"]
    assert layers[0].quoted


def test_the_innermost_is_first() -> None:
    body = {"code": "outer", "error": {"code": "middle", "innererror": {"code": "inner"}}}
    assert [layer.words() for layer in layers_of(body)] == [["inner"], ["middle"], ["outer"]]


@pytest.mark.parametrize("body", [None, 1, True, "", [], {}, {"error": None}, {"error": False}, {"errors": []}])
def test_there_is_always_one(body: Any) -> None:
    assert [layer.words() for layer in layers_of(body)] == [[]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": 400, "type": "a", "status": "B"}, ["B", "400", "a"]),
        ({"code": "a b", "type": "x" * 65, "status": {"a": 1}}, []),
        ({"code": True, "type": None}, []),
        ({"code": "x", "details": {"error_code": "cause"}, "type": "t"}, ["x", "cause", "t"]),
        ({"code": "x", "details": [{"reason": "R"}, "no object"]}, ["R", "x"]),
        ({"error_type": "validation"}, ["validation"]),
        ({"__type": "ValidationException"}, ["ValidationException"]),
    ],
)
def test_codes(fields: dict[str, Any], words: list[str]) -> None:
    assert ErrorLayer(fields).words() == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("litellm.RateLimitError: RateLimitError: no", ["RateLimitError"]),
        ("ThrottlingException: no", ["ThrottlingException"]),
        ("no RateLimitError: no", []),
    ],
)
def test_an_exception_is_a_code_that_a_text_quotes(text: str, words: list[str]) -> None:
    for body in (text, {"error": {"message": text}}):
        layers = layers_of(body)
        assert layers[0].words() == words
        assert layers[0].quoted is bool(words)


def test_numbers_of_minimax() -> None:
    [inner, _] = layers_of({"base_resp": {"status_code": 1004, "status_msg": "login fail"}})
    assert (inner.words(), inner.text, inner.numbers["1004"]) == (["1004"], "login fail", "authentication")
    [whole] = layers_of({"base_resp": {"status_code": 0, "status_msg": "success"}})
    assert whole.words() == []


def test_numbers_of_cloudflare() -> None:
    inner, *_ = layers_of({"success": False, "errors": [{"code": 5007, "message": "No such model"}]})
    assert inner.numbers["5007"] == "not_found"


def test_a_body_is_bounded() -> None:
    deep: Any = "end"
    for _ in range(100_000):
        deep = [deep]
    assert layers_of({"error": deep}) == [ErrorLayer({"error": deep})]
    wide = {"errors": [{"message": str(number), "detail": [{"message": "x"}] * 9} for number in range(1000)]}
    assert len(layers_of(wide)) == 16
    assert layers_of("{" * 1_000_000)[0].text.startswith("{")
    assert layers_of('{"a":' * 200_000)[0].quoted is False


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"<html>", "<html>"),
        (b"\xff", "�"),
        (b"", ""),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_a_body_is_json_or_text(content: bytes, body: Any) -> None:
    assert body_of(content) == body
