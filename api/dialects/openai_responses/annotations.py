"""Citations of any protocol as this one has them, and the likelihoods of tokens."""

from typing import Any

_AS_THEY_ARE = {
    "file_citation": {"file_id", "filename", "index"},
    "container_file_citation": {"container_id", "end_index", "file_id", "filename", "start_index"},
    "file_path": {"file_id", "index"},
}
"""OpenAI's other citations, and the fields that each has at least (API reference: "The response object")."""


def annotations_of(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the citations that an annotation's fields say; none where they name no address and no file.

    Where the provider does not say which words a citation is of, its start and end are 0.
    """
    kind = fields.get("type")
    if kind == "url_citation":
        inner = fields.get("url_citation")
        return _citation(inner if isinstance(inner, dict) else fields)
    if kind in _AS_THEY_ARE:
        return [fields] if fields.keys() >= _AS_THEY_ARE[kind] else []
    if isinstance(grounding := fields.get("groundingMetadata"), dict):
        return _grounding(grounding)
    return _citation({"url": fields.get("url"), "title": fields.get("title")})


def _citation(fields: dict[str, Any]) -> list[dict[str, Any]]:
    url, title = fields.get("url"), fields.get("title")
    if not isinstance(url, str) or not url:
        return []
    start, end = fields.get("start_index"), fields.get("end_index")
    known = type(start) is int and type(end) is int
    return [
        {
            "type": "url_citation",
            "url": url,
            "title": title if isinstance(title, str) else "",
            "start_index": start if known else 0,
            "end_index": end if known else 0,
        }
    ]


def _grounding(grounding: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the pages that Gemini has looked at (API reference: `GroundingMetadata`)."""
    found: list[dict[str, Any]] = []
    chunks = grounding.get("groundingChunks")
    for chunk in chunks if isinstance(chunks, list) else ():
        web = chunk.get("web") if isinstance(chunk, dict) else None
        if isinstance(web, dict):
            found += _citation({"url": web.get("uri"), "title": web.get("title")})
    return found


def logprobs_of(given: Any) -> list[dict[str, Any]]:
    """Returns likelihoods in Chat's shape as this protocol has them: no field is null, or left out."""
    return [
        {**_logprob(one), "top_logprobs": [_logprob(other) for other in _objects(one.get("top_logprobs"))]}
        for one in _objects(given)
    ]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _logprob(one: dict[str, Any]) -> dict[str, Any]:
    token = str(one.get("token") or "")
    octets = one.get("bytes")
    return {
        "token": token,
        "logprob": one.get("logprob") or 0.0,
        "bytes": octets if isinstance(octets, list) else list(token.encode("utf-8", "replace")),
    }
