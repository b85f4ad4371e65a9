"""Citations as sources, from the shapes of all protocols: pages and documents, each once."""

from collections.abc import Iterator
from typing import Any

from api.dialects.ai_sdk.chunks import chunk

_DOCUMENTS = {"char_location": "text/plain", "page_location": "application/pdf", "content_block_location": "text/plain"}
"""Anthropic's places in documents ("Citations"), and what such a document is."""


class Sources:
    """The sources so far; `prefix` is what their ids begin with."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: set[tuple[str, str]] = set()

    def of(self, fields: dict[str, Any]) -> list[bytes]:
        """Returns the chunks of the sources that an annotation names for the first time."""
        made: list[bytes] = []
        for type, key, told in _sources(fields):
            if (type, key) not in self._known:
                made.append(chunk(type, sourceId=f"{self._prefix}_{len(self._known)}", **told))
                self._known.add((type, key))
        return made


def _sources(fields: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    match fields:
        case {"type": "url_citation", "url_citation": {"url": str(url)} as page}:
            yield _page(url, page.get("title"))
        case {"type": "url_citation", "url": str(url)}:
            yield _page(url, fields.get("title"))
        case {"type": "web_search_result_location" | "search_result_location"}:
            # Anthropic: "Web search tool", "Search results".
            if isinstance(source := fields.get("url", fields.get("source")), str):
                yield _page(source, fields.get("title"))
        case {"groundingMetadata": {"groundingChunks": list(found)}}:
            # Gemini: "Grounding with Google Search".
            for one in found:
                match one:
                    case {"web": {"uri": str(url)} as page}:
                        yield _page(url, page.get("title"))
        case {"type": "file_citation" | "container_file_citation", "file_id": str(name)}:
            # OpenAI Responses: "File search".
            title = fields.get("filename") if isinstance(fields.get("filename"), str) else name
            yield "source-document", name, {"mediaType": "text/plain", "title": title, "filename": title}
        case {"type": str(type), "document_index": int(index)} if type in _DOCUMENTS:
            title = fields.get("document_title")
            named = title if isinstance(title, str) and title else f"Document {index + 1}"
            yield "source-document", str(index), {"mediaType": _DOCUMENTS[type], "title": named}


def _page(url: str, title: object) -> tuple[str, str, dict[str, Any]]:
    return "source-url", url, {"url": url, "title": title if isinstance(title, str) and title else None}
