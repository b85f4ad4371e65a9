"""Anthropic Messages on the wire (API reference: Messages, "Streaming messages", "Errors")."""

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

from simulator.answer import Answer, AnswerDelta
from simulator.anthropic_version import check_version
from simulator.journal import now_us
from simulator.prefill import before_prefix, prefix_of
from simulator.request import (
    Request,
    RequestRefusedError,
    count_tokens,
    last_user_text,
    messages_of,
    model_of,
    stream_of,
    text_of,
    token_limit,
)
from simulator.tool_choice import tool_choice
from simulator.wire import Headers, bearer, document, quoted

STOP: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}

_PROBLEMS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

_DELTAS: Final = {
    "text": b'{"type":"text_delta","text":',
    "refusal": b'{"type":"text_delta","text":',
    "reasoning": b'{"type":"thinking_delta","thinking":',
    "tool_call": b'{"type":"input_json_delta","partial_json":',
}

_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'


def _event(value: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (value["type"].encode(), document(value))


def _error(kind: str, message: str, request_id: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


class AnthropicMessages:
    name = "anthropic_messages"
    interleaves = False
    fragments = True
    extras = False

    def read(self, body: dict[str, Any], headers: dict[bytes, bytes]) -> Request:
        check_version(headers, body)
        messages = messages_of(body)
        limit = token_limit(body, "max_tokens")
        if limit is None:
            raise RequestRefusedError(400, "max_tokens: Field required", param="max_tokens")
        texts = [text_of(body.get("system")), *(text_of(message.get("content")) for message in messages)]
        tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
        return Request(
            model=model_of(body),
            stream=stream_of(body),
            last_user=last_user_text(messages),
            prompt_tokens=count_tokens(texts),
            max_tokens=limit,
            tools=tuple(str(tool["name"]) for tool in tools if "name" in tool),
            tool_choice=tool_choice(body.get("tool_choice")),
            after_tool=_ends_in_result(before_prefix(messages)),
            prefix=_prefix(body, messages),
        )

    def key(self, headers: dict[bytes, bytes]) -> str:
        return headers.get(b"x-api-key", b"").decode("latin-1") or bearer(headers)

    def write(self, request: Request, answer: Answer) -> "MessagesWriter":
        return MessagesWriter(request, answer)

    def problem(self, refused: RequestRefusedError) -> tuple[bytes, Headers]:
        request_id = f"req_{secrets.token_hex(12)}"
        kind = _PROBLEMS.get(refused.status, "api_error")
        body = document(_error(kind, refused.message, request_id))
        return body, [(b"request-id", request_id.encode())]

    def models(self, names: Sequence[str]) -> bytes:
        rows = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "1970-01-01T00:00:00Z",
                "lifecycle": "active",
            }
            for name in names
        ]
        edges = {"first_id": names[0], "last_id": names[-1]}
        return document({"data": rows, "has_more": False, **edges})


def _prefix(body: dict[str, Any], messages: list[dict[str, Any]]) -> str:
    """Raises RequestRefusedError (400) as the service does.

    It takes none with thinking, and none that ends in white space.
    """
    prefix = prefix_of(messages)
    if prefix != prefix.rstrip():
        raise RequestRefusedError(400, "messages: final assistant content cannot end with trailing whitespace")
    thinking = body.get("thinking")
    if prefix and isinstance(thinking, dict) and thinking.get("type") != "disabled":
        raise RequestRefusedError(400, "messages: an assistant message cannot be last when thinking is enabled")
    return prefix


def _ends_in_result(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether the last block is a tool's result. What a user says next comes in the same message."""
    content = messages[-1].get("content") if messages else None
    last = content[-1] if isinstance(content, list) and content else None
    return isinstance(last, dict) and last.get("type") == "tool_result"


class MessagesWriter:
    def __init__(self, request: Request, answer: Answer) -> None:
        self._request_id = f"req_{secrets.token_hex(12)}"
        self.headers: Headers = [(b"request-id", self._request_id.encode()), (b"cache-control", b"no-cache")]
        self._request = request
        self._answer = answer
        self._id = f"msg_{secrets.token_hex(12)}"
        self._block = -1
        self._open: tuple[str, int] | None = None
        self._prefix = b""
        self._pinged = False
        self._kept = 0

    def opening(self) -> bytes:
        usage = {
            **self._input(),
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 1,
            "service_tier": "standard",
        }
        return _event({"type": "message_start", "message": self._message([], None, usage)})

    def _message(self, content: list[dict[str, Any]], stop: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "stop_details": self._stop_details() if stop else None,
            "usage": usage,
        }

    def _input(self) -> dict[str, Any]:
        # Unlike Chat, the tokens read from a cache are not part of `input_tokens`.
        return {
            "input_tokens": self._request.prompt_tokens - self._answer.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self._answer.cached_tokens,
        }

    def _output(self) -> dict[str, Any]:
        thinking = sum(delta.kind == "reasoning" for delta in self._answer.deltas)
        details = {"output_tokens_details": {"thinking_tokens": thinking}} if thinking else {}
        return {"output_tokens": len(self._answer.deltas), **details}

    def _stop_details(self) -> dict[str, Any] | None:
        if self._answer.finish != "refusal":
            return None
        return {"type": "refusal", "category": None, "explanation": None}

    def deltas(self, start: int, stop: int) -> bytes:
        frames: list[bytes] = []
        for delta in self._answer.deltas[start:stop]:
            if self._open != (delta.kind, delta.call):
                frames += (self._stop_block(), self._start_block(delta))
            text = b'"@%d;"' % now_us() if delta.text is None else quoted(delta.text)
            frames += (self._prefix, text, b"}}\n\n")
        return b"".join(frames)

    def _start_block(self, delta: AnswerDelta) -> bytes:
        self._block += 1
        self._open = (delta.kind, delta.call)
        self._prefix = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%s' % (
            self._block,
            _DELTAS[delta.kind],
        )
        block: dict[str, Any] = {"type": "text", "text": ""}
        after = b""
        if delta.kind == "reasoning":
            block = {"type": "thinking", "thinking": "", "signature": ""}
        elif delta.kind == "tool_call":
            block = self._tool_use(delta.call, {})
            # The service itself sends an empty fragment first.
            after = self._prefix + b'""}}\n\n'
        start = _event({"type": "content_block_start", "index": self._block, "content_block": block})
        if not self._pinged:
            self._pinged = True
            start += _PING
        return start + after

    def _stop_block(self) -> bytes:
        if self._open is None:
            return b""
        stop = _event({"type": "content_block_stop", "index": self._block})
        if self._open[0] != "reasoning":
            return stop
        signature = {"type": "signature_delta", "signature": self._answer.signature}
        return _event({"type": "content_block_delta", "index": self._block, "delta": signature}) + stop

    def _tool_use(self, call: int, arguments: dict[str, Any]) -> dict[str, Any]:
        made = self._answer.calls[call]
        return {"type": "tool_use", "id": f"toolu_{made.id}", "name": made.name, "input": arguments}

    def closing(self) -> bytes:
        delta = {
            "stop_reason": STOP[self._answer.finish],
            "stop_sequence": None,
            "stop_details": self._stop_details(),
        }
        usage = {**self._input(), **self._output()}
        end = _event({"type": "message_delta", "delta": delta, "usage": usage})
        return self._stop_block() + end + _event({"type": "message_stop"})

    def error(self) -> bytes:
        return _event(_error("overloaded_error", "Overloaded", self._request_id))

    def broken(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,\n\n'

    def keepalive(self) -> bytes:
        self._kept += 1
        return _PING if self._kept % 2 else b": keep-alive\n\n"

    def whole(self) -> bytes:
        answer = self._answer
        content: list[dict[str, Any]] = []
        if thinking := answer.text("reasoning"):
            content.append({"type": "thinking", "thinking": thinking, "signature": answer.signature})
        if text := answer.text("text") + answer.text("refusal"):
            content.append({"type": "text", "text": text})
        for call in sorted({delta.call for delta in answer.deltas if delta.kind == "tool_call"}):
            content.append(self._tool_use(call, _parsed(answer.text("tool_call", call))))
        usage = {**self._input(), **self._output(), "service_tier": "standard"}
        return document(self._message(content, STOP[answer.finish], usage))


def _parsed(arguments: str) -> dict[str, Any]:
    """The arguments as an object; empty where `max_tokens` cut them short."""
    try:
        value: dict[str, Any] = json.loads(arguments)
    except ValueError:
        return {}
    return value
