"""Errors in the middle of a stream, in the shapes in which they were seen."""

import json
from collections.abc import Iterator
from typing import Any, Final

from simulator.quirks.ends import DONE
from simulator.quirks.event import Event
from simulator.quirks.halves import first_half
from simulator.quirks.quirk import ALL, CHAT, MESSAGES, RESPONSES, Change, Quirk, everywhere, numbered

WORDS: Final = "The prompt began with these words, which nobody else may read."
"""What errors say: a provider may repeat the prompt."""

NAMED: Final = "error"


def _breaks(data: Any, name: str = "", raw: bytes | None = None, *, ends: bool = False) -> Change:
    """Half of the answer, then this error; in Chat `[DONE]` behind it, unless it `ends` the body."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        said, end = first_half(events)
        yield from said
        yield end[-1].after(data, name) if raw is None else end[-1].bytes_after(raw)
        yield from (event for event in end if event.data == DONE and not ends)

    return changed


def _quirk(name: str, says: str, data: Any, event: str = "") -> Quirk:
    return Quirk(name, says, everywhere(_breaks(data, event)))


def _failed(error: Any) -> Change:
    """`response.failed` without a cause, and the cause behind it."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        said, end = first_half(events)
        yield from said
        response = {**end[-1].data["response"], "status": "failed", "error": None, "output": [], "usage": None}
        name = "response.failed"
        yield end[-1].after({"type": name, "response": response}, name)
        if error is not None:
            yield end[-1].after({"type": NAMED, "error": error}, NAMED)

    return numbered(changed)


_LIMIT: Final = {"message": WORDS, "type": "rate_limit_error", "code": "rate_limit_exceeded"}
_GOOGLE: Final = {"error": {"code": 429, "message": WORDS, "status": "RESOURCE_EXHAUSTED"}}
_FILTER: Final = {"type": "invalid_request_error", "code": "content_filter", "message": WORDS, "param": "prompt"}
_BOOM: Final = {"code": 500, "message": WORDS, "type": "server_error"}

QUIRKS: Final = (
    _quirk(
        "error-event-flat", "`event: error` with `code` 429 and a `message`.", {"code": 429, "message": WORDS}, NAMED
    ),
    _quirk(
        "error-event-typed",
        "`event: error` with `type: overloaded_error` at the top (litellm#41826).",
        {"type": "overloaded_error", "message": WORDS},
        NAMED,
    ),
    _quirk("error-event-nested", "`event: error` with `error` and no `type` (octos#13).", {"error": _LIMIT}, NAMED),
    _quirk(
        "error-event-status",
        "`event: error` with `error` as text and `status` 429 (claude-relay-service#1144).",
        {"error": WORDS, "status": 429},
        NAMED,
    ),
    _quirk("error-event-text", "`event: error` with a sentence and no JSON.", WORDS, NAMED),
    _quirk("error-unnamed", "`error` in an event without a name.", {"error": _LIMIT}),
    _quirk(
        "error-code-text",
        '`error` with `code: "429"` and `type: "None"` (LiteLLM).',
        {"error": {"message": WORDS, "type": "None", "param": "None", "code": "429"}},
    ),
    _quirk("error-text", "`error` is a text (hebo-gateway#71).", {"error": WORDS}),
    _quirk(
        "error-flat",
        "`code: Throttling` and a `message` at the top (Alibaba).",
        {"code": "Throttling", "message": WORDS, "request_id": "r"},
    ),
    _quirk("error-detail", "`detail` with a sentence (FastAPI).", {"detail": WORDS}),
    Quirk(
        "error-list",
        "A list of one error (Google's compatible endpoint).",
        everywhere(_breaks([_GOOGLE])),
    ),
    Quirk(
        "error-field",
        "The SSE field `error:` in place of `data:` (llama.cpp#16109).",
        everywhere(_breaks("", raw=b"error: %s\n\n" % json.dumps(_BOOM).encode())),
    ),
    Quirk(
        "error-bare",
        "The body ends in JSON without `data:` (gateways).",
        everywhere(_breaks("", raw=json.dumps({"error": _LIMIT}).encode() + b"\n", ends=True)),
    ),
    Quirk(
        "error-base-resp",
        "`base_resp.status_code` is 1002 (MiniMax).",
        dict.fromkeys((CHAT, MESSAGES), _breaks({"base_resp": {"status_code": 1002, "status_msg": WORDS}})),
    ),
    Quirk(
        "failed-then-error",
        "`response.failed` without a cause, `error` behind it says `rate_limit_exceeded` (Azure: pi#7983).",
        {RESPONSES: _failed({**_LIMIT, "type": "too_many_requests", "param": None})},
    ),
    Quirk("failed-then-filter", "The same with `content_filter` (bifrost#6419).", {RESPONSES: _failed(_FILTER)}),
    Quirk("failed-alone", "`response.failed` without a cause, and nothing behind it.", {RESPONSES: _failed(None)}),
    *(
        Quirk(
            f"error-document{suffix}",
            f"{says}, as one JSON document with status 200.",
            documents=dict.fromkeys(protocols, lambda _, error=error: error),
            content_type=b"application/json",
        )
        for suffix, says, error, protocols in (
            ("", "`error` with `rate_limit_exceeded`", {"error": _LIMIT}, ALL),
            ("-typed", "`type: error` beside it", {"type": NAMED, "error": _LIMIT}, ALL),
            ("-text", "`error` as text", {"error": WORDS}, ALL),
            ("-flat", "`code` 429 and a `message`", {"code": 429, "message": WORDS}, ALL),
            ("-list", "A list of one error, as Google's compatible endpoint has it", [_GOOGLE], ALL),
            ("-key", "`invalid_api_key`", {"error": {"message": WORDS, "code": "invalid_api_key"}}, ALL),
            (
                "-base-resp",
                "MiniMax's `base_resp.status_code` 1004, a wrong key",
                {"base_resp": {"status_code": 1004, "status_msg": WORDS}},
                (CHAT, MESSAGES),
            ),
        )
    ),
)
