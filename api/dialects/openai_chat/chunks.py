"""Chunks of one stream as bytes (API reference: `chat.completion.chunk`); those of deltas are made of ready pieces."""

from typing import Any

import msgspec

from api.viewing.dialect import Subject
from shared.one_line import json_escaped

_encode = msgspec.json.Encoder().encode


def line(value: Any) -> bytes:
    """Returns an event whose data is this value, in one line for whoever splits it (str.splitlines)."""
    return b"data: %b\n\n" % json_escaped(_encode(value))


TIERS = {name: name for name in ("auto", "default", "flex", "scale", "priority", "fast")} | {"standard": "default"}
"""OpenAI's tiers, and its word for those that others have (API reference: `service_tier`); others cannot be said."""


def about(subject: Subject, name: str, kind: str, fingerprint: str | None, tier: str | None) -> dict[str, Any]:
    """Returns what each chunk, and the whole object, says of itself."""
    said = {"id": name, "object": kind, "created": subject.created_ms // 1000, "model": subject.model}
    known = TIERS.get(tier or "")
    return said | ({} if known is None else {"service_tier": known}) | {"system_fingerprint": fingerprint}


class Chunks:
    """What all chunks of a stream have in common, until the provider says more of its answer."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.name = name
        self.fingerprint: str | None = None
        self.tier: str | None = None
        self.counts: bool = subject.echo.get("include_usage", True)
        """Whether the usage is told at the end: as it was asked, and where nobody could ask."""
        self._subject = subject
        self.head = self.tail = b""
        """What stands before and behind a delta."""
        self.learn(None, None)

    def learn(self, fingerprint: str | None, tier: str | None) -> None:
        """Has the chunks from now on say which configuration answers, and in which tier."""
        self.fingerprint, self.tier = fingerprint, tier
        common = about(self._subject, self.name, "chat.completion.chunk", fingerprint, tier)
        self._common = json_escaped(_encode(common))[:-1]
        self.head = b'data: %b,"choices":[{"index":0,"delta":' % self._common
        self._usage = b',"usage":null' if self.counts else b""
        self.tail = b',"logprobs":null,"finish_reason":null}]%b}\n\n' % self._usage

    def delta(self, fields: dict[str, Any]) -> bytes:
        """Returns a chunk that adds these fields to the message."""
        return b"".join((self.head, json_escaped(_encode(fields)), self.tail))

    def tokens(self, delta: bytes, field: str, logprobs: msgspec.Raw) -> bytes:
        """Returns a chunk with a delta, as JSON, and the logprobs of its tokens."""
        other = "refusal" if field == "content" else "content"
        told = b'{"%b":%b,"%b":null}' % (field.encode(), json_escaped(bytes(logprobs)), other.encode())
        return b'%b%b,"logprobs":%b,"finish_reason":null}]%b}\n\n' % (self.head, delta, told, self._usage)

    def finish(self, reason: str) -> bytes:
        """Returns the chunk that ends the choice."""
        return b'%b{},"logprobs":null,"finish_reason":"%b"}]%b}\n\n' % (self.head, reason.encode(), self._usage)

    def usage(self, usage: dict[str, Any]) -> bytes:
        """Returns the last chunk, which has no choice."""
        return b'data: %b,"choices":[],"usage":%b}\n\n' % (self._common, _encode(usage))
