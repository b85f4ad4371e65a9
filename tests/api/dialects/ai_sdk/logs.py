"""Logs, what the stream makes of them, and what a client holds then (`process-ui-message-stream.ts` of `ai`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from api.dialects.ai_sdk.framer import UiMessageFramer
from api.viewing.dialect import Subject
from shared.log import events
from shared.log.entry import RawEntry
from shared.log.events import Attempt, Completed

TAIL = "abcdefgh" * 4
ID = f"gen_{TAIL}"
SUBJECT = Subject(id=ID, created_ms=1_767_225_600_123, model="gpt-5", dialect="ai-sdk")
FIRST = Attempt(number=1, reason="new", model="acme/gpt-5", provider="acme")
DONE = Completed(finish_reason="stop")


def entries(log: Iterable[events.AnyEvent]) -> list[RawEntry]:
    """The log as Redis has it; each attempt has its token."""
    made: list[RawEntry] = []
    token, seq = 0, 0
    for event in log:
        token, seq = (token + 1, 0) if isinstance(event, Attempt) else (token, seq + 1)
        made.append((b"%d-%d" % (token, seq), (event.type.encode(), events.encode(event))))
    return made


def standing(log: Sequence[events.AnyEvent], subject: Subject = SUBJECT) -> tuple[list[bytes], int]:
    """The frames of the last epoch, and its number."""
    framer = UiMessageFramer(subject)
    frames = list(framer.opening())
    for entry in entries(log):
        before = framer.epoch
        made = list(framer.frames(entry))
        frames = [*(frames if framer.epoch == before else []), *made]
    return frames, framer.epoch


def data(frames: Iterable[bytes]) -> list[dict[str, Any]]:
    """The chunks; a frame may hold several, each one line of data, however lines are told."""
    held: list[dict[str, Any]] = []
    for block in b"".join(frames).decode().split("\n\n")[:-1]:
        (line,) = block.splitlines()
        held.append(json.loads(line.removeprefix("data: ")))
    return held


def chunks(*log: events.AnyEvent, subject: Subject = SUBJECT) -> list[dict[str, Any]]:
    """What stands at the end of a log that begins with its first attempt."""
    return data(standing([FIRST, *log], subject)[0])


def said(*log: events.AnyEvent) -> list[dict[str, Any]]:
    """The same without the first two chunks, which begin every message."""
    return chunks(*log)[2:]


class Message:
    """A message as a client builds it: it raises where a chunk belongs to nothing, as that does."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self.id = ""
        self.ended = ""
        self._open: dict[str, dict[str, Any]] = {}
        self._calls: dict[str, dict[str, Any]] = {}

    def take(self, chunk: dict[str, Any]) -> None:
        """Takes a chunk."""
        assert not self.ended, chunk
        kind = chunk["type"]
        kind, _, what = kind.rpartition("-") if kind.startswith(("text-", "reasoning-")) else (kind, "", "")
        if kind == "start":
            self.id = chunk["messageId"]
        elif what == "start":
            assert f"{kind} {chunk['id']}" not in self._open
            part = self._open[f"{kind} {chunk['id']}"] = {"type": kind, "text": "", "state": "streaming"}
            self.parts.append(part)
        elif what == "delta":
            self._open[f"{kind} {chunk['id']}"]["text"] += chunk["delta"]
        elif what == "end":
            part = self._open.pop(f"{kind} {chunk['id']}")
            part |= {"state": "done", "metadata": chunk.get("providerMetadata", {})}
        elif kind.startswith("tool-"):
            self._tool(kind, chunk)
        elif kind in ("file", "source-url", "source-document", "start-step"):
            self.parts.append(chunk)
        elif kind in ("finish", "error", "abort"):
            assert kind != "finish" or not self._open
            self.ended = kind

    def _tool(self, kind: str, chunk: dict[str, Any]) -> None:
        call_id = chunk["toolCallId"]
        if kind == "tool-input-start":
            assert call_id not in self._calls
            part = self._calls[call_id] = {"type": "tool", "name": chunk["toolName"], "input": "", "state": "begun"}
            self.parts.append(part)
        elif kind == "tool-input-delta":
            self._calls[call_id]["input"] += chunk["inputTextDelta"]
        elif kind in ("tool-input-available", "tool-input-error"):
            if call_id not in self._calls:
                self.parts.append(self._calls.setdefault(call_id, {"type": "tool", "name": chunk["toolName"]}))
            self._calls[call_id] |= {"input": chunk["input"], "state": kind.removeprefix("tool-input-")}
        else:
            self._calls[call_id] |= {"state": kind.removeprefix("tool-"), "output": chunk.get("output")}


def message(frames: Iterable[bytes]) -> Message:
    """What a client holds after these frames."""
    built = Message()
    for chunk in data(frames):
        built.take(chunk)
    return built
