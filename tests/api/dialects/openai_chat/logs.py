"""Logs, made by hand and at random, and what a stream of Chat makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from api.dialects.openai_chat.framer import ChatFramer
from api.viewing.dialect import Subject
from shared.log import events
from shared.log.entry import RawEntry
from shared.log.events import Attempt, Cancelled, Completed, Delta, EventId, Failed, Part, PartEnd, Usage, UsageReport
from shared.log.snapshots import Snapshot

ID = "gen_" + "abcdefgh" * 4
SUBJECT = Subject(id=ID, created_ms=1_767_225_600_123, model="gpt-5", dialect="openai-chat")
FIRST = Attempt(number=1, reason="new", model="acme/gpt-5", provider="acme")
DONE = Completed(finish_reason="stop", raw_finish_reason="stop")

texts = st.text(min_size=1, max_size=8) | st.sampled_from(
    ['"', "\\", "\u2028", "\x85", "\n\n", "ä😀", "data: [DONE]\n\n"]
)
_KINDS: list[events.PartKind] = ["text", "reasoning", "refusal"]
words = st.text("abcdefgh_", min_size=1, max_size=8)


def entries(log: Iterable[events.AnyEvent]) -> list[RawEntry]:
    """The log as Redis has it; each attempt has its token."""
    made: list[RawEntry] = []
    token, seq = 0, 0
    for event in log:
        token, seq = (token + 1, 0) if isinstance(event, Attempt) else (token, seq + 1)
        made.append((b"%d-%d" % (token, seq), (event.type.encode(), events.encode(event))))
    return made


def framed(log: Sequence[events.AnyEvent], subject: Subject = SUBJECT) -> list[bytes]:
    """All frames, of every epoch."""
    framer = ChatFramer(subject)
    return [*framer.opening(), *(frame for entry in entries(log) for frame in framer.frames(entry))]


def standing(log: Sequence[events.AnyEvent], subject: Subject = SUBJECT) -> tuple[list[bytes], int]:
    """The frames of the last epoch, and its number."""
    framer = ChatFramer(subject)
    frames = list(framer.opening())
    for entry in entries(log):
        before = framer.epoch
        made = list(framer.frames(entry))
        frames = [*(frames if framer.epoch == before else []), *made]
    return frames, framer.epoch


def data(frames: Iterable[bytes]) -> list[dict[str, Any]]:
    """What the frames hold; each is one line of data, however lines are told."""
    held: list[dict[str, Any]] = []
    for frame in frames:
        assert frame.endswith(b"\n\n")
        (line, blank) = frame.decode().splitlines()
        assert blank == ""
        assert line.startswith("data: ")
        held.append(json.loads(line.removeprefix("data: ")))
    return held


def deltas(log: Sequence[events.AnyEvent]) -> list[dict[str, Any]]:
    """What the chunks of a log add, but for the first."""
    return [choice["delta"] for chunk in data(framed(log))[1:] for choice in chunk.get("choices", ())]


def added_up(frames: Iterable[bytes]) -> dict[str, Any]:
    """What openai-python makes of a stream."""
    state = ChatCompletionStreamState()
    for chunk in data(frames):
        if "error" not in chunk:
            list(state.handle_chunk(ChatCompletionChunk.model_validate(chunk)))
    return state.current_completion_snapshot.model_dump()


def snapshot(log: Iterable[events.AnyEvent]) -> Snapshot:
    """The log's fold."""
    said = Snapshot()
    for event_id, (type, content) in entries(log):
        said.apply(EventId.parse(event_id), type.decode(), content)
    return said


@st.composite
def _simple(draw: st.DrawFn, index: int) -> list[events.AnyEvent]:
    kind = draw(st.sampled_from(_KINDS))
    part = Part(part=index, kind=kind)
    end = PartEnd(part=index)
    if kind == "reasoning":
        signed = draw(st.sampled_from(["", "signature", "encrypted"]))
        if signed:
            setattr(end, signed, f"{draw(words)}-{index}")
            end.provider = draw(st.sampled_from(["anthropic", "extra_content/google"]))
        if draw(st.booleans()):
            part.item_id, part.summary = f"rs_{index}", True
    said: list[events.AnyEvent] = [
        Delta(part=index, kind=kind, delta=text) for text in draw(st.lists(texts, max_size=4))
    ]
    return [part, *said, end]


@st.composite
def _calls(draw: st.DrawFn, index: int) -> list[events.AnyEvent]:
    """Calls whose deltas come by turns."""
    pieces: list[list[events.AnyEvent]] = []
    for at in range(index, index + draw(st.integers(1, 3))):
        text = json.dumps(draw(st.dictionaries(words, st.integers() | words, max_size=2)))
        cut = draw(st.integers(0, len(text)))
        said = [Delta(part=at, kind="tool_call", delta=piece) for piece in (text[:cut], text[cut:]) if piece]
        begun = Part(part=at, kind="tool_call", call_id=f"call_{draw(words)}_{at}", name=draw(words))
        begun.executor = "client" if draw(st.integers(0, 2)) else "provider"
        end = PartEnd(part=at)
        if draw(st.booleans()):
            end.signature, end.provider = draw(words), "gemini"
        pieces.append([begun, *said, end])
    heads = [piece.pop(0) for piece in pieces]
    rest: list[events.AnyEvent] = []
    while any(pieces):
        left = [piece for piece in pieces if piece]
        rest.append(left[draw(st.integers(0, len(left) - 1))].pop(0))
    return [*heads, *rest]


def _images(index: int) -> list[events.AnyEvent]:
    return [
        Part(part=index, kind="file", media_type="image/png"),
        Delta(part=index, kind="file", delta="aGk="),
        PartEnd(part=index),
    ]


@st.composite
def parts(draw: st.DrawFn) -> list[events.AnyEvent]:
    """What one attempt says."""
    said: list[events.AnyEvent] = []
    index = 0
    for kind in draw(st.lists(st.sampled_from(["simple", "simple", "calls", "image"]), max_size=5)):
        made = _images(index) if kind == "image" else draw(_simple(index) if kind == "simple" else _calls(index))
        said += made
        index += sum(isinstance(event, Part) for event in made)
    return said


usages = st.builds(Usage, *[st.integers(0, 1000)] * 5)


@st.composite
def logs(draw: st.DrawFn, *, completed: bool = False) -> list[events.AnyEvent]:
    """Attempts that start over or go on, each of which broke off somewhere, and an end."""
    log: list[events.AnyEvent] = []
    count = draw(st.integers(1, 3))
    for number in range(1, count + 1):
        said = draw(parts())
        if number < count:
            said = said[: draw(st.integers(0, len(said)))]
        for part in said:
            if isinstance(part, Part) and part.kind == "tool_call":
                part.call_id = f"{part.call_id}_{number}"
            elif isinstance(part, PartEnd) and part.encrypted is not UNSET:
                part.encrypted = f"{part.encrypted}_{number}"  # no two thoughts have one
            elif isinstance(part, PartEnd) and part.signature is not UNSET:
                part.signature = f"{part.signature}_{number}"
        goes_on = number > 1 and draw(st.booleans())
        log += [
            Attempt(number=number, reason="new", model="acme/gpt-5", provider="acme", continues=goes_on),
            events.Response(response_id="r", system_fingerprint="fp_1" if draw(st.booleans()) else UNSET),
            *said,
        ]
    called = any(part.kind == "tool_call" and part.executor != "provider" for part in snapshot(log).parts)
    usage = draw(usages | st.none())
    ends: list[events.AnyEvent] = [Completed(finish_reason="tool_calls" if called else "stop", usage=usage)]
    if not completed:
        ends += [
            Completed(finish_reason="length", usage=usage),
            Failed(code="rate_limit", message="acme: slow down", retryable=True),
            Cancelled(),
        ]
    if draw(st.booleans()):
        log.append(UsageReport(usage=draw(usages)))
    return [*log, draw(st.sampled_from(ends))]
