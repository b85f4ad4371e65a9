"""An error's body, taken apart: providers wrap their errors, and gateways wrap those once more.

The layers are what any of them says, innermost first, as the innermost is the cause:

    {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "{\"error\": …}"}}}
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.providers.error_words import CLOUDFLARE, MINIMAX
from worker.providers.provider import ErrorCode

_MAX_LAYERS = 16
_MAX_DEPTH = 8
_MAX_ITEMS = 4
"""How many errors of a list are looked at: the first says enough."""
_MAX_TRIES = 3
"""At how many braces of a text JSON is looked for."""

_INNER = ("error", "errors", "detail", "innererror", "inner_error", "base_resp")
"""Fields that hold an error, or its text: `error` of nearly all, `errors` of Cloudflare, `detail` of FastAPI,
`innererror` of Azure, `base_resp` of MiniMax."""
_TEXTS = ("message", "msg", "status_msg", "error_msg", "title")
_CODES = ("status", "code", "error_code", "type", "error_type", "__type", "reason", "status_code", "http_code")

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CLASS = re.compile(r"(?:litellm\.)?([A-Z][A-Za-z]{2,60}(?:Error|Exception)):")
"""How a text begins that was made of an exception (LiteLLM, AWS)."""
_JSON = json.JSONDecoder()


@dataclass
class ErrorLayer:
    """One error within an error's body."""

    fields: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    quoted: bool = False
    """It stood in a text, which may repeat what the request said: its words classify, and only known ones are shown."""
    numbers: Mapping[str, ErrorCode] = field(default_factory=dict)
    """What numbers mean as its code."""

    def words(self) -> list[str]:
        """Returns the codes that this layer gives itself, most precise first."""
        details = self.fields.get("details")
        cause = [details.get("error_code")] if isinstance(details, dict) else []
        reasons = [detail.get("reason") for detail in self.details()]
        status, code, *rest = (self.fields.get(name) for name in _CODES)
        candidates = (*reasons, status, code, *cause, *rest)
        return [
            str(word)
            for word in candidates
            if isinstance(word, str | int) and not isinstance(word, bool) and _WORD.fullmatch(str(word))
        ]

    def details(self) -> list[dict[str, Any]]:
        """Returns what Google says about an error (google.rpc.ErrorInfo, RetryInfo, BadRequest and others)."""
        details = self.fields.get("details")
        return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def body_of(content: bytes) -> object:
    """Returns what an error's body is: its JSON, else its text."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def layers_of(body: object) -> list[ErrorLayer]:
    """Returns the layers of a body, or of what a stream has as its error, innermost first; at least one."""
    layers: list[ErrorLayer] = []
    for layer in _walk(body, 0, quoted=False):
        layers.append(layer)
        if len(layers) == _MAX_LAYERS:
            break
    return layers[::-1] or [ErrorLayer()]


def _walk(value: object, depth: int, *, quoted: bool) -> Iterator[ErrorLayer]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        if value:
            yield ErrorLayer(text=value, quoted=quoted)
            yield from _walk_text(value, depth)
    elif isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            yield from _walk(item, depth + 1, quoted=quoted)
    elif isinstance(value, dict):
        yield from _walk_object(value, depth, quoted=quoted)


def _walk_object(value: dict[str, Any], depth: int, *, quoted: bool) -> Iterator[ErrorLayer]:
    text = next((value[name] for name in _TEXTS if isinstance(value.get(name), str)), "")
    yield ErrorLayer(value, text, quoted)
    yield from _walk_text(text, depth)
    if not isinstance(value.get("message"), str):
        yield from _walk(value.get("message"), depth + 1, quoted=quoted)
    metadata = value.get("metadata")
    if isinstance(metadata, dict):  # OpenRouter: what the provider behind it has answered
        yield from _walk(metadata.get("raw"), depth + 1, quoted=quoted)
    for name in _INNER:
        inner = value.get(name)
        if name == "errors" and isinstance(inner, list):
            for layer in _walk(inner, depth, quoted=quoted):
                layer.numbers = layer.numbers or CLOUDFLARE
                yield layer
        elif name == "base_resp" and isinstance(inner, dict):
            code = inner.get("status_code")
            if code not in (0, "0", None):
                yield ErrorLayer({"code": code}, str(inner.get("status_msg") or ""), quoted, MINIMAX)
        else:
            yield from _walk(inner, depth + 1, quoted=quoted)


def _walk_text(text: str, depth: int) -> Iterator[ErrorLayer]:
    if match := _CLASS.match(text):
        yield ErrorLayer({"type": match[1]}, quoted=True)
    yield from _walk(_json_in(text), depth + 1, quoted=True)


def _json_in(text: str) -> object:
    """Returns the first object of a text that is JSON, or has JSON at its end, as gateways quote errors."""
    at = -1
    for _ in range(_MAX_TRIES):
        at = text.find("{", at + 1)
        if at < 0:
            break
        try:
            return _JSON.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            continue
    return None
