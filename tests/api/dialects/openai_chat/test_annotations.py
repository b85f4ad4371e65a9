"""Citations of all protocols as Chat has them, each once."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat.chat_completion_message import Annotation

from api.dialects.openai_chat.annotations import citations


def chat(url: str, start: int, end: int, title: str = "T") -> dict[str, Any]:
    told = {"start_index": start, "end_index": end, "title": title, "url": url}
    return {"type": "url_citation", "url_citation": told}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (chat("https://e.com/", 1, 2), [chat("https://e.com/", 1, 2)]),
        (
            {"type": "url_citation", "url": "https://e.com/", "title": "T", "start_index": 1, "end_index": 2},
            [chat("https://e.com/", 11, 12)],
        ),
        ({"type": "url_citation", "url": "https://e.com/"}, [chat("https://e.com/", 10, 15, "")]),
        (
            {"type": "web_search_result_location", "url": "https://e.com/", "title": "T", "cited_text": "c"},
            [chat("https://e.com/", 10, 15)],
        ),
        (
            {"type": "search_result_location", "source": "https://e.com/", "title": "T"},
            [chat("https://e.com/", 10, 15)],
        ),
        (
            {"groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://e.com/", "title": "T"}}, {}, 5]}},
            [chat("https://e.com/", 10, 15)],
        ),
        ({"type": "file_citation", "file_id": "f"}, []),
        ({"type": "char_location", "cited_text": "c"}, []),
        ({"type": "url_citation", "url": 5}, []),
        ({"groundingMetadata": {"groundingChunks": None}}, []),
        ({}, []),
    ],
)
def test_a_citation_that_names_an_address(fields: dict[str, Any], told: list[dict[str, Any]]) -> None:
    found = citations([(fields, 10, 15), (fields, 10, 15)])
    assert found == told
    for one in found:
        Annotation.model_validate(one)
