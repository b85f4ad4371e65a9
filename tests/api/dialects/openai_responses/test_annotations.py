"""Citations of all protocols, and likelihoods."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses.response_output_text import Logprob

from api.dialects.openai_responses.annotations import annotations_of, logprobs_of


def cited(url: str, title: str = "", start: int = 0, end: int = 0) -> dict[str, Any]:
    return {"type": "url_citation", "url": url, "title": title, "start_index": start, "end_index": end}


FILE = {"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 3}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (cited("u", "T", 1, 2), [cited("u", "T", 1, 2)]),
        ({"type": "url_citation", "url": "u"}, [cited("u")]),
        # Chat's
        ({"type": "url_citation", "url_citation": {**cited("u", "T", 4, 9)}}, [cited("u", "T", 4, 9)]),
        (FILE, [FILE]),
        ({"type": "file_citation", "file_id": "f"}, []),
        # Anthropic's
        ({"type": "web_search_result_location", "url": "u", "title": "T", "cited_text": "x"}, [cited("u", "T")]),
        ({"type": "char_location", "document_index": 0}, []),
        # Gemini's
        (
            {"groundingMetadata": {"groundingChunks": [{"web": {"uri": "u", "title": "T"}}, {"map": {}}, 1]}},
            [cited("u", "T")],
        ),
        ({"groundingMetadata": {}}, []),
        ({}, []),
    ],
)
def test_citations(fields: dict[str, Any], found: list[dict[str, Any]]) -> None:
    assert annotations_of(fields) == found


def test_likelihoods_have_all_fields() -> None:
    given = [{"token": "é", "logprob": -1, "bytes": None, "top_logprobs": None}, "odd"]
    (one,) = logprobs_of(given)
    assert one == {"token": "é", "logprob": -1, "bytes": [195, 169], "top_logprobs": []}
    Logprob.model_validate(one)
    assert logprobs_of(None) == []
