"""OpenAI Chat Completions on the wire (API reference: `chat.completion` and `chat.completion.chunk`)."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from simulator.answer import Answer, AnswerDelta
from simulator.journal import now_us
from simulator.logprobs import alternatives, chat_entry
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

FINISH: Final = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "refusal": "stop"}

_FIELDS: Final = {"text": b"content", "reasoning": b"reasoning_content", "refusal": b"refusal"}

_PROBLEMS: Final[dict[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
    529: ("server_error", "overloaded"),
}


def error_document(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    return document({"error": {"message": message, "type": kind, "param": param, "code": code}})


class OpenAIChat:
    name = "openai_chat"
    interleaves = True
    fragments = True
    extras = False

    def read(self, body: dict[str, Any], headers: dict[bytes, bytes]) -> Request:
        messages = messages_of(body)
        options = body.get("stream_options")
        functions = [tool.get("function") for tool in body.get("tools") or () if isinstance(tool, dict)]
        return Request(
            model=model_of(body),
            stream=stream_of(body),
            last_user=last_user_text(messages),
            prompt_tokens=count_tokens([text_of(message.get("content")) for message in messages]),
            max_tokens=token_limit(body, "max_completion_tokens", "max_tokens"),
            tools=tuple(str(f["name"]) for f in functions if isinstance(f, dict) and "name" in f),
            tool_choice=tool_choice(body.get("tool_choice")),
            after_tool=any(message["role"] == "tool" for message in before_prefix(messages)[-1:]),
            prefix=prefix_of(messages),
            logprobs=alternatives(body.get("logprobs"), body.get("top_logprobs")),
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )

    def key(self, headers: dict[bytes, bytes]) -> str:
        return bearer(headers)

    def write(self, request: Request, answer: Answer) -> "ChatWriter":
        return ChatWriter(request, answer)

    def problem(self, refused: RequestRefusedError) -> tuple[bytes, Headers]:
        kind, code = _PROBLEMS.get(refused.status, ("server_error", None))
        if refused.status == 404 and refused.param != "model":
            code = None
        return error_document(refused.message, kind, refused.param, refused.code or code), request_headers()

    def models(self, names: Sequence[str]) -> bytes:
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in names]
        return document({"object": "list", "data": rows})


def request_headers() -> list[tuple[bytes, bytes]]:
    return [(b"x-request-id", b"req_" + secrets.token_hex(16).encode())]


class ChatWriter:
    def __init__(self, request: Request, answer: Answer) -> None:
        self.headers: Headers = request_headers()
        self._request = request
        self._answer = answer
        self._begun: set[int] = set()
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._identity = {
            "created": int(time.time()),
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        }
        head = document({"id": self._id, "object": "chat.completion.chunk", **self._identity})[:-1]
        # Every chunk but the last has a null usage when usage was asked for, none otherwise.
        self._usage = b',"usage":null' if request.include_usage else b""
        self._open = b"data: " + head + b',"choices":[{"index":0,"delta":{'
        self._close = b'},"logprobs":null,"finish_reason":null}]' + self._usage + b"}\n\n"
        self._end = b"data: " + head
        self._field = {kind: self._open + b'"' + name + b'":' for kind, name in _FIELDS.items()}

    def opening(self) -> bytes:
        return self._open + b'"role":"assistant","content":"","refusal":null' + self._close

    def deltas(self, start: int, stop: int) -> bytes:
        close = self._close
        frames: list[bytes] = []
        for delta in self._answer.deltas[start:stop]:
            if delta.text is None:
                frames += (self._field["text"], b'"@%d;"' % now_us(), close)
            elif delta.kind == "tool_call":
                frames.append(self._tool_call(delta, delta.text))
            elif self._request.logprobs is None or delta.kind == "reasoning":
                frames += (self._field[delta.kind], quoted(delta.text), close)
            else:
                weighed = close.replace(b'"logprobs":null', b'"logprobs":' + document(self._logprobs([delta])), 1)
                frames += (self._field[delta.kind], quoted(delta.text), weighed)
        return b"".join(frames)

    def _logprobs(self, deltas: Sequence[AnswerDelta]) -> dict[str, Any] | None:
        top = self._request.logprobs
        if top is None:
            return None
        said = {
            name: [chat_entry(delta.text, top) for delta in deltas if delta.kind == kind and delta.text is not None]
            for kind, name in (("text", "content"), ("refusal", "refusal"))
        }
        return {name: entries or None for name, entries in said.items()}

    def _tool_call(self, delta: AnswerDelta, text: str) -> bytes:
        index = b'"tool_calls":[{"index":%d,' % delta.call
        start = b""
        if delta.call not in self._begun:
            self._begun.add(delta.call)
            call = self._answer.calls[delta.call]
            start = b'%s%s"id":"call_%s","type":"function","function":{"name":%s,"arguments":""}}]%s' % (
                self._open,
                index,
                call.id.encode(),
                quoted(call.name),
                self._close,
            )
        return b'%s%s%s"function":{"arguments":%s}}]%s' % (
            start,
            self._open,
            index,
            quoted(text),
            self._close,
        )

    def closing(self) -> bytes:
        finish = FINISH[self._answer.finish].encode()
        end = b'%s,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"%s"}]%s}\n\n' % (
            self._end,
            finish,
            self._usage,
        )
        if self._request.include_usage:
            end += self._end + b',"choices":[],"usage":' + document(self._spent()) + b"}\n\n"
        return end + b"data: [DONE]\n\n"

    def _spent(self) -> dict[str, Any]:
        prompt, completion = self._request.prompt_tokens, len(self._answer.deltas)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self._answer.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": sum(delta.kind == "reasoning" for delta in self._answer.deltas),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def error(self) -> bytes:
        message = "The server had an error while processing your request."
        return b"data: " + error_document(message, "server_error", None, None) + b"\n\n"

    def broken(self) -> bytes:
        return self._open + b'"content":"\n\n'

    def keepalive(self) -> bytes:
        return b": keep-alive\n\n"

    def whole(self) -> bytes:
        answer = self._answer
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text("text") or None,
            "refusal": answer.text("refusal") or None,
            "annotations": [],
        }
        if reasoning := answer.text("reasoning"):
            message["reasoning_content"] = reasoning
        begun = sorted({delta.call for delta in answer.deltas if delta.kind == "tool_call"})
        if begun:
            message["tool_calls"] = [self._whole_call(call) for call in begun]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs(answer.deltas),
            "finish_reason": FINISH[answer.finish],
        }
        return document(
            {
                "id": self._id,
                "object": "chat.completion",
                **self._identity,
                "choices": [choice],
                "usage": self._spent(),
            }
        )

    def _whole_call(self, index: int) -> dict[str, Any]:
        call = self._answer.calls[index]
        function = {"name": call.name, "arguments": self._answer.text("tool_call", index)}
        return {"id": f"call_{call.id}", "type": "function", "function": function}
