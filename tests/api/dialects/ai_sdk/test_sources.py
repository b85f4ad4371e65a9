"""Citations of all protocols are pages or documents, each once."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.sources import Sources
from tests.api.dialects.ai_sdk.logs import data

PAGE = {"type": "source-url", "sourceId": "s_0", "url": "https://a.example", "title": "A"}


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}},
        {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0},
        {"type": "web_search_result_location", "url": "https://a.example", "title": "A"},
        {"type": "search_result_location", "source": "https://a.example", "title": "A"},
        {"groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {}]}},
    ],
)
def test_a_page(fields: dict[str, Any]) -> None:
    sources = Sources("s")
    assert data(sources.of(fields)) == [PAGE]
    assert sources.of(fields) == []


def test_a_page_without_a_title() -> None:
    told = data(Sources("s").of({"type": "url_citation", "url": "https://a.example", "title": ""}))
    assert told == [{"type": "source-url", "sourceId": "s_0", "url": "https://a.example"}]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"type": "file_citation", "file_id": "file_1", "filename": "a.txt"},
            {"mediaType": "text/plain", "title": "a.txt", "filename": "a.txt"},
        ),
        (
            {"type": "page_location", "document_index": 0, "document_title": "Report"},
            {"mediaType": "application/pdf", "title": "Report"},
        ),
        (
            {"type": "char_location", "document_index": 1, "document_title": None},
            {"mediaType": "text/plain", "title": "Document 2"},
        ),
    ],
)
def test_a_document(fields: dict[str, Any], told: dict[str, str]) -> None:
    assert data(Sources("s").of(fields)) == [{"type": "source-document", "sourceId": "s_0", **told}]


def test_what_names_no_source() -> None:
    assert Sources("s").of({"type": "file_path"}) == []
