"""Chunks of a Gemini stream in other shapes than the service's, and what of them cannot be read.

Servers that dump the SDK's objects say `finish_reason`, those that dump its messages of protocol buffers number their
enums; others have one object for a list of one, a text for a list of parts, or leave a chunk in the `response` that
Google's Code Assist wraps it in.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from worker.providers.gemini.chunk import COUNT_FIELDS, Candidate, Feedback, GeminiChunk, Piece
from worker.providers.lenient_json import fit, read_object

_chunks = msgspec.json.Decoder(GeminiChunk)

_FINISH_REASONS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
"""By their numbers (google.ai.generativelanguage.v1beta, `Candidate.FinishReason`)."""


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _spellings(*names: str) -> dict[str, str]:
    return {_snake(name): name for name in names if _snake(name) != name}


_COUNTS = _spellings(*COUNT_FIELDS)
_FEEDBACK = _spellings(*Feedback.__struct_encode_fields__)
_CHUNK = _spellings(*GeminiChunk.__struct_encode_fields__, "createTime", "modelStatus")
_CANDIDATE = _spellings(*Candidate.__struct_encode_fields__)
_PIECE = _spellings(*Piece.__struct_encode_fields__)
_INNER = _spellings("mimeType", "fileUri", "displayName", "toolType", "partialArgs", "willContinue")
_ODD_NAME = re.compile(
    rb'"(?:response|%s)"\s*:' % "|".join([*_COUNTS, *_FEEDBACK, *_CHUNK, *_CANDIDATE, *_PIECE]).encode()
)


def read_chunk(name: str, data: bytes) -> tuple[GeminiChunk, dict[str, Any] | None]:
    """Returns a chunk of provider `name`, and what it was read from where that is not as the service has it.

    Raises ProviderError `invalid_response` for what is no JSON object.
    """
    try:
        chunk = _chunks.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        # Nearly all chunks have counts; one that seems to have none may have them under another name.
        if chunk.candidates and chunk.usage_metadata is not None and b"finish_reason" not in data:
            return chunk, None
        if _ODD_NAME.search(data) is None:
            return chunk, None
    value = read_object(name, data)
    if isinstance(inner := value.get("response"), dict) and "candidates" in inner:
        value = inner
    value = in_shape(value)
    return fit(value, GeminiChunk)[0], value


def piece_in_shape(piece: dict[str, Any]) -> tuple[Piece, dict[str, Any]]:
    """Returns a part whose names are not the service's, though those around it are."""
    piece = _piece(piece)
    return fit(piece, Piece)[0], piece


def in_shape(chunk: dict[str, Any]) -> dict[str, Any]:
    """Returns a chunk as the service would have it: its names, lists and words."""
    chunk = _renamed(chunk, _CHUNK)
    chunk["promptFeedback"] = _renamed(chunk.get("promptFeedback"), _FEEDBACK)
    chunk["usageMetadata"] = _renamed(chunk.get("usageMetadata"), _COUNTS)
    if chunk.get("candidates") is not None:
        chunk["candidates"] = [_candidate(one) for one in _list(chunk["candidates"]) if isinstance(one, dict)]
    return {name: value for name, value in chunk.items() if value is not None}


def _candidate(candidate: dict[str, Any]) -> dict[str, Any]:
    candidate = _renamed(candidate, _CANDIDATE)
    content = candidate.get("content")
    if isinstance(content, list | str):
        content = {"parts": content}
    if isinstance(content, dict):
        pieces = [{"text": one} if isinstance(one, str) else one for one in _list(content.get("parts"))]
        candidate["content"] = {**content, "parts": [_piece(one) for one in pieces if isinstance(one, dict)]}
    number = candidate.get("finishReason")
    if isinstance(number, int) and 0 <= number < len(_FINISH_REASONS):
        candidate["finishReason"] = _FINISH_REASONS[number]
    return candidate


def _piece(piece: dict[str, Any]) -> dict[str, Any]:
    piece = {name: _renamed(value, _INNER) for name, value in _renamed(piece, _PIECE).items()}
    if isinstance(thought := piece.get("thought"), str | int):
        piece["thought"] = str(thought).lower() in ("true", "1")
    return piece


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Returns an object with these fields under the service's names; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {names.get(name, name): field for name, field in value.items()}


def misfits(given: dict[str, Any], taken: Struct) -> dict[str, Any]:
    """Returns the fields of an object whose values could not be taken."""
    names = zip(taken.__struct_fields__, taken.__struct_encode_fields__, strict=True)
    return {name: given[name] for field, name in names if given.get(name) and getattr(taken, field) is None}
