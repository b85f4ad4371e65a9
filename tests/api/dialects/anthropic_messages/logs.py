"""Logs as workers write them: parts of every kind, interleaved, over attempts that go on or start over."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from shared.log.events import Annotation, Attempt, Completed, Delta, Event, Part, PartEnd, Response, Usage, UsageReport

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_TOKENS = st.integers(0, 1000)
_ARGUMENTS = st.sampled_from(
    [
        "",
        "{}",
        ' {"a": "é \\ud83d\\ude00"}\n',
        '{"a":[1,{"b":null}],"c":-1.5e3}',
        '{"a":"half',
        '{"a": 1,}',
        "null",
        "nonsense",
        '{"a": "new\nline"}',
        '{"a":1}{"b":2}',
        '{"lone": "\\ud83d"}',
        "[1]",
        '{"a" 1}',
    ]
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written = draw(_TOKENS), draw(_TOKENS)
    kept: Any = draw(st.sampled_from([UNSET, written]))
    calls: Any = draw(st.sampled_from([UNSET, {"web_search_requests": 2}]))
    return Usage(
        input_tokens=draw(_TOKENS) + cached + written,
        output_tokens=draw(_TOKENS),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=draw(_TOKENS),
        cache_write_5m_tokens=kept,
        server_tool_calls=calls,
    )


@st.composite
def _part(draw: st.DrawFn, number: int) -> list[Event]:
    """A part from its start to its end."""
    kind: Any = draw(
        st.sampled_from(["text", "text", "reasoning", "refusal", "tool_call", "tool_call", "file", "search", "found"])
    )
    part, end, texts = Part(part=number, kind=kind), PartEnd(part=number), draw(st.lists(_TEXTS, max_size=3))
    if kind == "search":
        part = Part(part=number, kind="tool_call", call_id=f"s{number}", name="web_search", executor="provider")
        texts = ['{"query":', '"sky"}']
    elif kind == "found":
        part = Part(part=number, kind="tool_result", call_id=f"s{draw(st.integers(0, number))}", executor="provider")
        part.name, part.result_type = "web_search", "web_search_tool_result"
        texts = ['[{"type":"web_search_result","title":"T",', '"url":"https://example.com/","encrypted_content":"e"}]']
    elif kind == "tool_call":
        part.call_id, part.name, part.executor = f"c{number}", "rain", "client"
        said = draw(_ARGUMENTS)
        at = draw(st.integers(0, len(said)))
        texts = [said[:at], said[at:]]
    elif kind == "reasoning" and draw(st.booleans()):
        part.summary, part.item_id = True, "rs_1"
    if kind in ("text", "reasoning", "tool_call") and draw(st.booleans()):
        end.signature, end.provider = "c2ln", draw(st.sampled_from(["anthropic", "gemini"]))
    if kind == "reasoning" and draw(st.booleans()):
        end.encrypted, end.provider = "b3BhcXVl", "openai"
    grown: list[Event] = [Delta(part=number, kind=part.kind, delta=text) for text in texts]
    if kind == "text" and draw(st.booleans()):
        citation = {"type": "char_location", "cited_text": draw(_TEXTS), "document_index": 0}
        grown.append(Annotation(part=number, fields=citation, protocol=draw(st.sampled_from(["anthropic", "gemini"]))))
    return [part, *grown, end]


@st.composite
def _attempt(draw: st.DrawFn, number: int, *, continues: bool, resumes: bool, whole: bool) -> list[Event]:
    """An attempt: its parts begin in order, and grow side by side."""
    parts = [draw(_part(at + resumes)) for at in range(draw(st.integers(0, 4)))]
    if resumes:
        going_on = Part(part=0, kind="text", resumes=True)
        parts.insert(0, [going_on, Delta(part=0, kind="text", delta="goes on"), PartEnd(part=0)])
    log: list[Event] = [Attempt(number=number, reason="new", model="m", provider="p", continues=continues)]
    begun = 0
    while any(parts):
        ready = [at for at, part in enumerate(parts[: begun + 1]) if part]
        at = draw(st.sampled_from(ready))
        log.append(parts[at].pop(0))
        begun = max(begun, at + 1)
    return log if whole else log[: draw(st.integers(1, len(log)))]


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """A log that ends as completed."""
    log: list[Event] = []
    attempts = draw(st.integers(1, 3))
    for number in range(1, attempts + 1):
        broken = _open_text(log)
        continues = number > 1 and draw(st.booleans())
        resumes = continues and broken
        log += draw(_attempt(number, continues=continues, resumes=resumes, whole=number == attempts))
        log.append(Response(response_id="r", model="m"))
        if draw(st.booleans()):
            log.append(UsageReport(usage=draw(usages())))
    over = [at for at, one in enumerate(log) if isinstance(one, Attempt) and not one.continues]
    called = any(isinstance(one, Part) and one.executor == "client" for one in log[over[-1] :])
    reason: Any = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter", "paused"]))
    log.append(Completed(finish_reason=reason, usage=draw(st.none() | usages())))
    return log


def _open_text(log: list[Event]) -> bool:
    """Says whether the newest text of the last attempt is open, and so can be gone on with."""
    newest: int | None = None
    for event in log:
        if isinstance(event, Attempt):
            newest = None
        elif isinstance(event, Part) and event.kind == "text":
            newest = event.part
        elif isinstance(event, PartEnd) and event.part == newest:
            newest = None
    return newest is not None
