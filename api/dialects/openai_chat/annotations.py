"""Citations as Chat has them (API reference: `annotations`, `url_citation`), from the shapes of all protocols."""

from collections.abc import Iterable
from typing import Any

Cited = tuple[dict[str, Any], int, int]
"""Fields of an annotation, and of the text that it is of the place in the content and the length."""


def citations(cited: Iterable[Cited]) -> list[dict[str, Any]]:
    """Returns those citations that name an address; of others Chat knows nothing."""
    return [citation for one in cited if (citation := _citation(*one)) is not None]


def _citation(fields: dict[str, Any], start: int, chars: int) -> dict[str, Any] | None:
    match fields:
        case {"type": "url_citation", "url_citation": {"url": str()}}:
            return fields
        case {"type": "url_citation", "url": str(url)}:
            # Responses' places count within the text, those of Chat within the content.
            first, last = fields.get("start_index"), fields.get("end_index")
            return _of(
                url,
                fields.get("title"),
                start + (first if isinstance(first, int) else 0),
                start + (last if isinstance(last, int) else chars),
            )
        case {"type": "web_search_result_location" | "search_result_location", "url": str(url)}:
            # Anthropic cites with a whole text.
            return _of(url, fields.get("title"), start, start + chars)
    return None


def _of(url: str, title: object, start: int, end: int) -> dict[str, Any]:
    told = {"start_index": start, "end_index": end, "title": title if isinstance(title, str) else "", "url": url}
    return {"type": "url_citation", "url_citation": told}
