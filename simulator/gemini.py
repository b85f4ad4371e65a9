"""Google Gemini on the wire (API reference: `models.streamGenerateContent`, `GenerateContentResponse`)."""

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

from simulator.answer import Answer, AnswerDelta
from simulator.journal import now_us
from simulator.logprobs import alternatives, gemini_result
from simulator.request import Request, RequestRefusedError, count_tokens, text_of, token_limit
from simulator.tool_choice import calling_config
from simulator.wire import Headers, document, quoted

FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "refusal": "SAFETY"}

_METHODS: Final = ("generateContent", "streamGenerateContent")
_PATH: Final = re.compile(rf"/v1(?:beta)?/models/(.+):({'|'.join(_METHODS)})", re.DOTALL)

_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}

_END: Final = b"\r\n\r\n"
"""The service ends its lines with CR and LF."""


def gemini_at(path: str) -> "Gemini | None":
    """The protocol for the model and the method that a path names; None for another path."""
    match = _PATH.fullmatch(path)
    return Gemini(match[1], stream=match[2] == "streamGenerateContent") if match else None


def _error(code: int, message: str, details: Sequence[dict[str, Any]] = ()) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "status": _STATUSES.get(code, "UNAVAILABLE")}
    return document({"error": error | ({"details": list(details)} if details else {})})


class Gemini:
    """Unlike the other protocols it has the model, and whether to stream, in the path."""

    name = "gemini"
    interleaves = False
    fragments = False
    extras = False

    def __init__(self, model: str = "", *, stream: bool = False) -> None:
        self._model = model
        self._stream = stream

    def read(self, body: dict[str, Any], headers: dict[bytes, bytes]) -> Request:
        contents = _contents(body)
        given = body.get("generationConfig")
        config = given if isinstance(given, dict) else {}
        users = [content for content in contents if content.get("role", "user") == "user"]
        system = body.get("systemInstruction")
        texts = [_text(content) for content in (*contents, *([system] if isinstance(system, dict) else []))]
        groups = [tool.get("functionDeclarations") or () for tool in body.get("tools") or () if isinstance(tool, dict)]
        return Request(
            model=self._model,
            stream=self._stream,
            last_user=_text(users[-1]) if users else "",
            prompt_tokens=count_tokens(texts),
            max_tokens=token_limit(config, "maxOutputTokens"),
            logprobs=alternatives(config.get("responseLogprobs"), config.get("logprobs")),
            tools=tuple(str(function["name"]) for group in groups for function in group if "name" in function),
            tool_choice=calling_config(body.get("toolConfig")),
            after_tool=_ends_in_result(contents[-1]),
        )

    def key(self, headers: dict[bytes, bytes]) -> str:
        return headers.get(b"x-goog-api-key", b"").decode("latin-1")

    def write(self, request: Request, answer: Answer) -> "GeminiWriter":
        return GeminiWriter(request, answer)

    def problem(self, refused: RequestRefusedError) -> tuple[bytes, Headers]:
        details = []
        if refused.retry_after is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            details = [{"@type": kind, "retryDelay": f"{refused.retry_after}s"}]
        return _error(refused.status, refused.message, details), ()

    def models(self, names: Sequence[str]) -> bytes:
        rows = [
            {
                "name": f"models/{name}",
                "version": "001",
                "displayName": name,
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": list(_METHODS),
            }
            for name in names
        ]
        return document({"models": rows})


def _contents(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The checked `contents`. Raises `RequestRefusedError` (400) where they are missing or of another shape."""
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise RequestRefusedError(400, "* GenerateContentRequest.contents: contents is not specified")
    for n, content in enumerate(contents):
        if not isinstance(content, dict) or not isinstance(content.get("parts"), list) or not content["parts"]:
            raise RequestRefusedError(
                400, f"* GenerateContentRequest.contents[{n}].parts: contents.parts must not be empty."
            )
        if content.get("role", "user") not in ("user", "model"):
            raise RequestRefusedError(400, "Please use a valid role: user, model.")
    return contents


def _ends_in_result(content: dict[str, Any]) -> bool:
    """Whether the last part is a tool's result. What a user says next comes in the same content."""
    last = content["parts"][-1]
    return isinstance(last, dict) and "functionResponse" in last


def _text(content: dict[str, Any]) -> str:
    return text_of(content.get("parts"))


class GeminiWriter:
    def __init__(self, request: Request, answer: Answer) -> None:
        self.headers: Headers = [(b"cache-control", b"no-cache")]
        self._request = request
        self._answer = answer
        self._id = secrets.token_urlsafe(16)
        self._said = self._thought = 0
        identity = {"modelVersion": request.model, "responseId": self._id}
        self._open = b'data: {"candidates":[{"content":{"parts":['
        self._close = b'],"role":"model"},"index":0}],"usageMetadata":'
        self._identity = b"," + document(identity)[1:] + _END

    def opening(self) -> bytes:
        return b""

    def deltas(self, start: int, stop: int) -> bytes:
        frames: list[bytes] = []
        for delta in self._answer.deltas[start:stop]:
            if delta.kind == "reasoning":
                self._thought += 1
            else:
                self._said += 1
            close = self._close
            if self._request.logprobs is not None and delta.kind == "text" and delta.text is not None:
                result = gemini_result(delta.text, self._request.logprobs)
                close = close.replace(b'"index":0', b'"index":0,"logprobsResult":' + document(result), 1)
            frames += (self._open, self._part(delta), close, self._usage(), self._identity)
        return b"".join(frames)

    def _part(self, delta: AnswerDelta) -> bytes:
        if delta.text is None:
            return b'{"text":"@%d;"}' % now_us()
        if delta.kind == "tool_call":
            return document(self._call(delta.call, delta.text))
        return b'{"text":%s%s}' % (quoted(delta.text), b',"thought":true' if delta.kind == "reasoning" else b"")

    def _call(self, call: int, arguments: str) -> dict[str, Any]:
        made = self._answer.calls[call]
        function = {"name": made.name, "args": json.loads(arguments), "id": made.id}
        # Of parallel calls only the first has a signature.
        return {"functionCall": function} | ({"thoughtSignature": self._answer.signature} if call == 0 else {})

    def _usage(self) -> bytes:
        """Counts so far: thoughts are not part of what the candidates say, the cache is part of the prompt."""
        prompt, cached, said, thought = (
            self._request.prompt_tokens, self._answer.cached_tokens, self._said, self._thought,
        )  # fmt: skip
        usage = b'{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d' % (
            prompt,
            said,
            prompt + said + thought,
        )
        if cached:
            usage += b',"cachedContentTokenCount":%d' % cached
        if thought:
            usage += b',"thoughtsTokenCount":%d' % thought
        return usage + b"}"

    def closing(self) -> bytes:
        signature = b',"thoughtSignature":"%s"' % self._answer.signature.encode() if self._thought else b""
        return b'%s{"text":""%s}],"role":"model"},%s,"index":0}],"usageMetadata":%s%s' % (
            self._open,
            signature,
            document(self._finish())[1:-1],
            self._usage(),
            self._identity,
        )

    def _finish(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"finishReason": FINISH[self._answer.finish]}
        if self._answer.finish == "refusal":
            rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
            fields["safetyRatings"] = [rating]
        return fields

    def error(self) -> bytes:
        return b"data: " + _error(503, "The model is overloaded. Please try again later.") + _END

    def broken(self) -> bytes:
        return self._open + b'{"text":"' + _END

    def keepalive(self) -> bytes:
        return b": keep-alive" + _END

    def whole(self) -> bytes:
        answer = self._answer
        self._thought = sum(delta.kind == "reasoning" for delta in answer.deltas)
        self._said = len(answer.deltas) - self._thought
        parts: list[dict[str, Any]] = []
        if thoughts := answer.text("reasoning"):
            parts.append({"text": thoughts, "thought": True})
        if text := answer.text("text") + answer.text("refusal"):
            parts.append({"text": text} | ({"thoughtSignature": answer.signature} if thoughts else {}))
        parts += [self._call(delta.call, delta.text or "") for delta in answer.deltas if delta.kind == "tool_call"]
        return document(
            {
                "candidates": [{"content": {"parts": parts, "role": "model"}, **self._finish(), "index": 0}],
                "usageMetadata": json.loads(self._usage()),
                "modelVersion": self._request.model,
                "responseId": self._id,
            }
        )
