"""Chunks as bytes: one line each, whatever is in them."""

from __future__ import annotations

import msgspec
from openai.types.chat import ChatCompletionChunk

from api.dialects.openai_chat.chunks import Chunks, about, line
from api.viewing.dialect import Subject
from tests.api.dialects.openai_chat.logs import ID, SUBJECT, data

ODD = "\u2028\x85\n\x7fä"


def test_every_chunk_is_one_line_that_the_sdk_validates() -> None:
    chunks = Chunks(Subject(id=ID, created_ms=1999, model=ODD), "chatcmpl-x")
    chunks.learn(ODD, "flex")
    token = msgspec.Raw(msgspec.json.encode([{"token": ODD, "logprob": 0, "bytes": None, "top_logprobs": []}]))
    made = [
        chunks.delta({"content": ODD}),
        chunks.tokens(b'{"content":"a"}', "content", token),
        chunks.tokens(b'{"refusal":"a"}', "refusal", token),
        chunks.finish("stop"),
        chunks.usage({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
    ]
    for chunk in data(made):
        read = ChatCompletionChunk.model_validate(chunk)
        assert (read.model, read.system_fingerprint, read.service_tier, read.created) == (ODD, ODD, "flex", 1)
    (logprobs,) = data(made[1:2])[0]["choices"]
    assert logprobs["logprobs"]["content"][0]["token"] == ODD


def test_a_line_of_anything() -> None:
    assert data([line({"error": ODD})]) == [{"error": ODD}]


def test_a_tier_is_named_where_it_is_known() -> None:
    assert "service_tier" not in about(SUBJECT, "x", "chat.completion", None, None)
    assert about(SUBJECT, "x", "chat.completion", "fp", "flex")["service_tier"] == "flex"
