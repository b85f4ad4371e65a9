"""Citations as Chat has them (API reference: `annotations`, `url_citation`), from the shapes of all protocols."""

from collections.abc import Iterable, Iterator
from typing import Any

Cited = tuple[dict[str, Any], int, int]
"""Fields of an annotation, and where in the content the text that it is of begins and ends."""


def citations(cited: Iterable[Cited]) -> list[dict[str, Any]]:
    """Returns those citations that name an address, each once; of others Chat knows nothing."""
    found: list[dict[str, Any]] = []
    for one in cited:
        found += [citation for citation in _citations(*one) if citation not in found]
    return found


def _citations(fields: dict[str, Any], start: int, end: int) -> Iterator[dict[str, Any]]:
    match fields:
        case {"type": "url_citation", "url_citation": {"url": str()}}:
            yield fields
        case {"type": "url_citation", "url": str(url)}:
            # Responses' places count within the text, those of Chat within the content.
            first, last = fields.get("start_index"), fields.get("end_index")
            begins = start + first if isinstance(first, int) else start
            yield _of(url, fields.get("title"), begins, start + last if isinstance(last, int) else end)
        case {"type": "web_search_result_location" | "search_result_location"}:
            # Anthropic cites with a whole text ("Web search tool", "Search results").
            if isinstance(source := fields.get("url", fields.get("source")), str):
                yield _of(source, fields.get("title"), start, end)
        case {"groundingMetadata": {"groundingChunks": list(chunks)}}:
            # Gemini's places count bytes; here its sources are those of the whole text ("Grounding").
            for chunk in chunks:
                match chunk:
                    case {"web": {"uri": str(url)} as page}:
                        yield _of(url, page.get("title"), start, end)


def _of(url: str, title: object, start: int, end: int) -> dict[str, Any]:
    told = {"start_index": start, "end_index": end, "title": title if isinstance(title, str) else "", "url": url}
    return {"type": "url_citation", "url_citation": told}
