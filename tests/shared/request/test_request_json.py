"""A large request, read and written in steps: the same as at once, and the same mistakes."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.process.background_thread import LONG_WORK_BYTES
from shared.request.data_url import BASE64_STEP_CHARS
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import PIECE_CHARS, encode, read

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 30_000).decode()
TEXT = {"type": "text", "text": "x" * 300}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "n": 10**30, "x": [None, 1.5]}}}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    "parts": [{"role": "user", "content": [TEXT] * 300}],
    "empty parts": [{"role": "user", "content": [{"type": "text", "text": ""}] * 3000}],
    "pictures": [{"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": PICTURE}}]}],
    "a file": [{"role": "user", "content": [{"type": "file", "file": {"file_data": PICTURE, "filename": "a.png"}}]}],
    "messages": [
        {"role": "system", "content": "x" * LONG_WORK_BYTES},
        {"role": "developer", "content": [TEXT], "name": "a"},
        {"role": "assistant", "content": [TEXT], "reasoning": [{"text": "t"}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": [TEXT], "tool_call_id": "c"},
    ],
}


def body(messages: Any, **more: Any) -> bytes:
    return json.dumps({"model": "p/m", "messages": messages, **more}).encode()


@pytest.mark.parametrize("name", MESSAGES)
def test_it_is_read_as_at_once(name: str) -> None:
    text = body(MESSAGES[name], tools=[TOOL] * 20, extra={"p": {"a": {"b": [1, "2"]}}}, temperature=1)
    assert len(text) > LONG_WORK_BYTES
    assert read(text) == GenerationRequest.model_validate_json(text)


@pytest.mark.parametrize(
    "text",
    [
        body([{"role": "user", "content": [TEXT] * 300 + [{"type": "text"}]}]),
        body([{"role": "user", "content": [TEXT] * 300 + [{"type": "video"}]}]),
        body([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]),
        body([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE[:-1]}}]}]),
        body([{"role": "user", "content": [TEXT] * 300, "unknown": 1}]),
        body([{"role": "user", "content": [TEXT] * 300}, 7]),
        body([{"role": "user", "content": [TEXT] * 300}], tools=[{"type": "function"}], seed="x"),
        body("x" * LONG_WORK_BYTES),
        b'{"model":"p/m","messages":[{"role":"user","content":"' + b"x" * LONG_WORK_BYTES,
        b"[" + b"1," * LONG_WORK_BYTES + b"1]",
        b'{"model":"p/m","messages":[{"role":"user","content":"' + b"x" * LONG_WORK_BYTES + b'\\ud800"}]}',
    ],
)
def test_what_is_wrong_with_it_is_said_as_at_once(text: bytes) -> None:
    with pytest.raises(ValidationError) as at_once:
        GenerationRequest.model_validate_json(text)
    with pytest.raises(ValidationError) as in_steps:
        read(text)
    assert in_steps.value.errors(include_context=False) == at_once.value.errors(include_context=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_it_is_written_as_at_once(value: Any) -> None:
    assert encode(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_long_text_is_written_whole() -> None:
    for text in ("x" * PIECE_CHARS, 'é"\n\x01\U0001f600' * PIECE_CHARS, "\U0001f600" * (2 * PIECE_CHARS + 1)):
        assert json.loads(encode({text: [text, True, 7, None, 0.5]})) == {text: [text, True, 7, None, 0.5]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": [number]})


@pytest.mark.parametrize(
    "length", [BASE64_STEP_CHARS * 3 // 4 + 1, BASE64_STEP_CHARS * 3 // 2, BASE64_STEP_CHARS * 3 // 2 - 1]
)
def test_long_base64_is_decoded_whole(length: int) -> None:
    content = bytes(range(256)) * (length // 256) + b"z" * (length % 256)
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    assert read(body([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]))
    padded = url[: 22 + BASE64_STEP_CHARS - 1] + "=" + url[22 + BASE64_STEP_CHARS :]
    with pytest.raises(ValidationError):
        read(body([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": padded}}]}]))
