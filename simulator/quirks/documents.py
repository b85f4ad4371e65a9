"""One JSON document in place of a stream."""

from typing import Any, Final

from simulator.quirks.quirk import ALL, GEMINI, Quirk


def _whole(document: Any) -> Any:
    return document


def _list(document: Any) -> Any:
    """Gemini's chunks as a list, as it sends them without `alt=sse`."""
    (candidate,) = document["candidates"]
    *first, last = candidate["content"]["parts"] or [{"text": ""}]
    chunks = [{"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]} for part in first]
    content = {"parts": [last], "role": "model"}
    return [*chunks, {**document, "candidates": [{**candidate, "content": content}]}]


QUIRKS: Final = (
    Quirk(
        "one-document",
        "The whole answer as one JSON document, although a stream was asked for (koboldcpp#2480, OmniRoute#8909).",
        documents=dict.fromkeys(ALL, _whole),
        content_type=b"application/json",
    ),
    Quirk(
        "one-document-untyped",
        "The same without a content type.",
        documents=dict.fromkeys(ALL, _whole),
        content_type=None,
    ),
    Quirk(
        "one-document-as-stream",
        "The same as `text/event-stream`.",
        documents=dict.fromkeys(ALL, _whole),
    ),
    Quirk(
        "document-list",
        "All chunks as one JSON list, as Gemini answers without `alt=sse`.",
        documents={GEMINI: _list},
        content_type=b"application/json",
    ),
)
