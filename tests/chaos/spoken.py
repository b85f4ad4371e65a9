"""The dialects as their clients know them: what is asked, and what a stream's bytes say. Nothing of ours is used.

OpenAI's reference: "Create chat completion", "Create a model response"; Anthropic's: "Create a Message".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tests.chaos.history import Framed, hashed

GO = [{"role": "user", "content": "Go."}]
RETRY_COUNT = "X-Stainless-Retry-Count"
AGENT = "chaos/1"


class Block(NamedTuple):
    """What one block of a stream is: an event, the mark that it is whole, a ping, or nothing."""

    framed: Framed | None = None
    data: dict[str, Any] | None = None
    ends: bool = False
    """Whether a client takes the stream for whole with it."""
    ping: bool = False


class Spoken(NamedTuple):
    """One dialect."""

    name: str
    path: str
    prefix: str
    question: Callable[[], dict[str, Any]]
    ends: Callable[[bytes, dict[str, Any]], bool]
    named: Callable[[dict[str, Any]], str]
    """The answer's name where an event says it, else empty."""
    text: Callable[[Iterable[dict[str, Any]]], str]
    """What a whole stream says."""
    whole_text: Callable[[dict[str, Any]], str]
    """What an answer that was not streamed says."""

    def name_of(self, generation_id: str) -> str:
        """The name of the first epoch."""
        return self.prefix + generation_id.removeprefix("gen_")

    def read(self, block: bytes) -> Block:
        """Take a block apart, as it came; comments are no part of it."""
        lines = [line for line in block.split(b"\n") if not line.startswith(b":")]
        fields = dict(line.partition(b": ")[::2] for line in lines)
        data = fields.get(b"data")
        if data is None:
            return Block()
        if data == b"[DONE]":
            return Block(ends=True)
        said = json.loads(data)
        if fields.get(b"event") == b"ping":
            return Block(ping=True)
        framed = Framed(hashed(b"\n".join(lines)), said.get("sequence_number", -1), self.named(said))
        return Block(framed, said, self.ends(fields.get(b"event", b""), said))


def _never(event: bytes, said: dict[str, Any]) -> bool:
    """Whole is what has its `[DONE]`."""
    return False


def _chat_text(events: Iterable[dict[str, Any]]) -> str:
    choices = (choice for event in events for choice in event.get("choices", ()))
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _output_text(response: dict[str, Any]) -> str:
    contents = (part for item in response["output"] if item["type"] == "message" for part in item["content"])
    return "".join(part["text"] for part in contents if part["type"] == "output_text")


def _responses_text(events: Iterable[dict[str, Any]]) -> str:
    return _output_text([event["response"] for event in events if "response" in event][-1])


def _messages_text(events: Iterable[dict[str, Any]]) -> str:
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    return "".join(delta.get("text", "") for delta in deltas)


CHAT = Spoken(
    "openai-chat",
    "/v1/chat/completions",
    "chatcmpl-",
    lambda: {"messages": GO, "max_tokens": 100_000},
    _never,
    lambda said: str(said.get("id", "")),
    _chat_text,
    lambda answer: answer["choices"][0]["message"]["content"] or "",
)
RESPONSES = Spoken(
    "openai-responses",
    "/v1/responses",
    "resp_",
    lambda: {"input": "Go.", "max_output_tokens": 100_000},
    _never,
    lambda said: str(said["response"]["id"]) if "response" in said else "",
    _responses_text,
    _output_text,
)
MESSAGES = Spoken(
    "anthropic",
    "/v1/messages",
    "msg_",
    lambda: {"messages": GO, "max_tokens": 100_000},
    lambda event, _: event in (b"message_stop", b"error"),
    lambda said: str(said["message"]["id"]) if said["type"] == "message_start" else "",
    _messages_text,
    lambda answer: "".join(block.get("text", "") for block in answer["content"]),
)
SPOKEN = {spoken.name: spoken for spoken in (CHAT, RESPONSES, MESSAGES)}
