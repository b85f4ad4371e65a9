"""A chunk of a Gemini stream: read in the protocol's names, counted by our rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.log.events import Usage
from worker.providers.gemini.chunk import (
    CITING_FIELDS,
    COUNT_FIELDS,
    KEPT_FIELDS,
    READ_FIELDS,
    Candidate,
    Counts,
    GeminiChunk,
    Piece,
)
from worker.providers.gemini.modalities import Modalities


def counts(**given: Any) -> Counts:
    return msgspec.convert(given, Counts, strict=False)


def test_a_chunk_is_read_by_the_protocols_names() -> None:
    chunk = msgspec.json.decode(
        b'{"candidates":[{"index":0,"finishReason":"STOP","content":{"parts":['
        b'{"text":"Hm","thought":true,"thoughtSignature":"c2ln"},{"functionCall":{"name":"rain"}}]}}],'
        b'"usageMetadata":{"promptTokenCount":4},"modelVersion":"m-1","responseId":"r","new":1}',
        type=GeminiChunk,
    )
    assert (chunk.model_version, chunk.response_id) == ("m-1", "r")
    assert chunk.candidates is not None
    (candidate,) = chunk.candidates
    assert (candidate.index, candidate.finish_reason) == (0, "STOP")
    assert candidate.content is not None
    assert candidate.content.parts == [
        Piece(text="Hm", thought=True, thought_signature="c2ln"),
        Piece(function_call={"name": "rain"}),
    ]


@pytest.mark.parametrize("data", [b"[]", b'{"candidates":{}}', b'{"candidates":[{"finishReason":5}]}'])
def test_what_has_another_shape_is_an_error(data: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=GeminiChunk)


def test_every_field_that_is_kept_is_one_that_is_read() -> None:
    names = dict(zip(Candidate.__struct_fields__, Candidate.__struct_encode_fields__, strict=True))
    for fields in (CITING_FIELDS, KEPT_FIELDS):
        assert fields.items() <= names.items()
    assert set(Counts.__struct_encode_fields__) | {"totalTokenCount"} == COUNT_FIELDS
    assert {name for name in GeminiChunk.__struct_encode_fields__ if name != "error"} <= READ_FIELDS


def test_thoughts_are_output_and_what_tools_found_is_input() -> None:
    counted = counts(
        promptTokenCount=10, cachedContentTokenCount=6, toolUsePromptTokenCount=3, candidatesTokenCount=4,
        thoughtsTokenCount=5, totalTokenCount=22,
    )  # fmt: skip
    assert counted.input_tokens == 13
    assert counted.usage(Modalities()) == Usage(13, 9, 6, 0, 5)


def test_a_count_that_is_missing_has_not_changed() -> None:
    counted = Counts()
    assert counted.usage(Modalities()) == Usage(0, 0)
    counted.update(counts(promptTokenCount=10, candidatesTokenCount=1))
    counted.update(counts(candidatesTokenCount=7))
    counted.update(counts(thoughtsTokenCount=0, promptTokenCount=None))
    assert counted.usage(Modalities()) == Usage(10, 7)
