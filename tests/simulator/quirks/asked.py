"""One question in a protocol as its bytes go over HTTP, and the answer as its bytes come back."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2

PROMPT = "Why is the sky blue?"
CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
ALL = (CHAT, RESPONSES, MESSAGES, GEMINI)
LOREM = "lorem?deltas=6&rate=0"
TOOLS = "tools?deltas=12&rate=0"
REASONING = "reasoning?deltas=9&rate=0"

ODD_WITH = {
    "control-characters": ("echo?deltas=6&rate=0", "one\ttwo\x08three"),
    "content-number": ("echo?chunk=2&rate=0", "123456"),
    "reasoning-": (REASONING, PROMPT),
    "usage-reasoning": (REASONING, PROMPT),
    "content-index-counting": (REASONING, PROMPT),
    "tool-": (TOOLS, PROMPT),
    "stop-": (TOOLS, PROMPT),
    "call-only": (TOOLS, PROMPT),
    "arguments-": (TOOLS, PROMPT),
    "finish-as-": (TOOLS, PROMPT),
    "block": (TOOLS, PROMPT),
    "only-the-end": (TOOLS, PROMPT),
}
"""By the beginning of a quirk's name: the script and the prompt that show it, where `lorem` does not."""


def shown_by(quirk: str) -> tuple[str, str]:
    """Script and prompt of an answer on which a quirk can be seen."""
    return next((shown for name, shown in ODD_WITH.items() if quirk.startswith(name)), (LOREM, PROMPT))


_PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}


def question(protocol: str, model: str, prompt: str = PROMPT, *, stream: bool = True) -> tuple[str, dict[str, Any]]:
    """Path and body of a request."""
    if protocol == GEMINI:
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": prompt}]}]
        return f"/v1beta/models/{quote(model, safe='')}:{method}", {"contents": contents}
    said: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
    own = {
        CHAT: {**said, "stream_options": {"include_usage": True}},
        RESPONSES: {"input": prompt},
        MESSAGES: {**said, "max_tokens": 9999},
    }
    return _PATHS[protocol], {"model": model, "stream": stream, **own[protocol]}


def same(body: bytes) -> bytes:
    """The bytes without the ids and times that are each answer's own."""
    body = re.sub(rb'(chatcmpl-|msg_|resp_|fc_|rs_|"responseId":")[\w-]+', rb"\1", body)
    return re.sub(rb'"(created|created_at|completed_at)":\d+', rb'"\1":0', body)


class Answered(NamedTuple):
    """An answer over HTTP."""

    status: int
    content_type: str | None
    body: bytes

    @property
    def blocks(self) -> list[bytes]:
        """The events' bytes, without the blank lines between them."""
        return [block for block in self.body.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n\n") if block]

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Names and data; data that is no JSON as text."""
        events = []
        for block in self.blocks:
            fields = dict(line.split(":", 1) for line in block.decode().split("\n"))
            data = fields["data"].removeprefix(" ")
            name = fields.get("event", "").removeprefix(" ")
            events.append((name, json.loads(data) if data.startswith(("{", "[{")) else data))
        return events

    @property
    def data(self) -> list[Any]:
        """The JSON of the events, in order."""
        return [data for _, data in self.events if not isinstance(data, str)]

    @property
    def choices(self) -> list[Any]:
        """The choice of each chunk of Chat."""
        return [chunk["choices"][0] for chunk in self.data if chunk["choices"]]

    @property
    def deltas(self) -> list[Any]:
        """What each chunk of Chat adds."""
        return [choice["delta"] for choice in self.choices]

    @property
    def fragments(self) -> list[Any]:
        """The fragments of tool calls in Chat, which may be several in a chunk."""
        return [call for delta in self.deltas for call in delta.get("tool_calls", ())]

    @property
    def reasons(self) -> list[str | None]:
        """Of each event that has a place for one, the finish reason."""
        found: list[str | None] = []
        for data in self.data:
            if data.get("choices"):
                found.append(data["choices"][0]["finish_reason"])
            elif data.get("candidates"):
                found.append(data["candidates"][0].get("finishReason"))
            elif data.get("type") == "message_delta":
                found.append(data["delta"]["stop_reason"])
        return found

    @property
    def text(self) -> str:
        """What the events say, read as strictly as their protocol is written."""
        said = []
        for data in self.data:
            if data.get("choices"):
                said.append(data["choices"][0]["delta"].get("content"))
            elif data.get("candidates"):
                said += (part.get("text") for part in data["candidates"][0]["content"]["parts"])
            elif data.get("type") == "content_block_delta":
                said.append(data["delta"].get("text"))
            elif data.get("type") == "response.output_text.delta":
                said.append(data["delta"])
        return "".join(text for text in said if text)


class Asker:
    """Asks the simulator."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def __call__(
        self, protocol: str, script: str, quirk: str = "", prompt: str = PROMPT, *, stream: bool = True
    ) -> Answered:
        path, body = question(protocol, f"{script}&quirk={quirk}" if quirk else script, prompt, stream=stream)
        answer = await self.http.post(path, json=body)
        return Answered(answer.status_code, answer.headers.get("content-type"), answer.content)
