"""Writes a generation for people, or as JSON lines for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

import msgspec

from midstream.output.part import TEXT_KINDS, PartLine, annotation
from midstream.terminal import dimmed, one_line, printable
from midstream_client import Event
from shared.log.attempt_model import full_name
from shared.log.events import TERMINAL_TYPES
from shared.one_line import json_escaped


class AnswerWriter:
    """The answer's text on `out` as it comes, everything else on `err`.

    What was written cannot be taken back. Where an attempt starts over, `err` says so and `out` begins a new
    line; with `final`, text is held (at most the API's `max_log`) until the generation has completed, so that
    only what stands is ever written. The generation's end ends the last line of its text, if there is any.

    It may go on where an earlier writer was left. Then `before` returns that writer as it was; it is called only where
    nothing written here shows whether the text ended within a line, or how a part began. `saving` is the command
    that gets the answer's files.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        reasoning: bool = False,
        final: bool = False,
        before: Callable[[], AnswerWriter] | None = None,
        saving: Callable[[], str] | None = None,
    ) -> None:
        self.out = out
        self.err = err
        self.reasoning = reasoning
        self.outcome: str | None = None
        self._held: list[str] | None = [] if final else None
        self._terminal = out.isatty()
        self._before = before
        self._saving = saving
        self._out_open = False
        # A terminal is at the beginning of a line when we start, and with `final` nothing is out before the end.
        self._out_known = before is None or self._terminal or final
        self._err_open = False
        self._parts: dict[int, PartLine] = {}
        self._broken: list[PartLine] = []
        """Parts that broke off in an attempt that this one continues."""
        self._sources: set[str] = set()

    def write(self, event: Event) -> None:
        """Shows one event. Raises what `out` and `before` raise."""
        data = event.data
        match event.type:
            case "delta":
                self._delta(data)
            case "part":
                self._begin(data)
            case "part_end":
                self._finish(data["part"])
            case "annotation":
                self._annotation(data)
            case "attempt":
                self._attempt(data)
            case "reset":
                # Of what was written elsewhere, the log no longer knows how it ended.
                self._before, self._out_known = None, True
                self._start_over(f"the log no longer continues where this viewer was ({data.get('reason')})")
            case "queued" if (data.get("position") or 0) > 1:
                self.note(f"queued, {data['position'] - 1} before this one")
            case type if type in TERMINAL_TYPES:
                self._end(type, data)

    @property
    def within_line(self) -> bool:
        """Says whether the text so far ends within a line. May raise what `before` raises."""
        if not self._out_known:
            self._recall()
        return self._out_open

    def _recall(self) -> None:
        """Takes over from the earlier writer how the text was left, and which parts had begun."""
        if self._before is None:
            return
        before, self._before = self._before(), None
        self._parts = before._parts | self._parts
        self._broken = before._broken + self._broken
        self._sources |= before._sources
        if not self._out_known:
            self._out_open, self._out_known = before.within_line, True

    def _delta(self, data: dict[str, Any]) -> None:
        text, kind = str(data.get("delta", "")), str(data.get("kind"))
        self._part(data["part"], kind).grow(text)
        match kind:
            case "text" | "refusal":
                self._close_err()
                if self._held is None:
                    self._put(text)
                else:
                    self._held.append(text)
            case "reasoning" if self.reasoning:
                self._close_out()
                self.err.write(dimmed(printable(text), self.err) if self.err.isatty() else text)
                self.err.flush()
                self._err_open = not text.endswith("\n")

    def _put(self, text: str) -> None:
        self.out.write(printable(text) if self._terminal else text)
        self.out.flush()
        if text:
            self._out_open, self._out_known = not text.endswith("\n"), True

    def _part(self, index: int, kind: str) -> PartLine:
        """Returns the part of this number, which had begun before where it is not known; a text needs no beginning."""
        if index not in self._parts and kind not in TEXT_KINDS:
            self._recall()
        return self._parts.setdefault(index, PartLine(kind, begun=False))

    def _begin(self, data: dict[str, Any]) -> None:
        part = PartLine(str(data.get("kind")))
        if data.get("resumes"):
            if not self._broken:
                self._recall()
            of_its_kind = [one for one in self._broken if (one.kind, one.item_id) == (part.kind, data.get("item_id"))]
            part = of_its_kind[-1] if of_its_kind else part
            self._broken = [one for one in self._broken if one is not part]
        part.describe(data)
        self._parts[data["part"]] = part

    def _annotation(self, data: dict[str, Any]) -> None:
        line = annotation(data["fields"])
        if line not in self._sources:
            self._sources.add(line)
            self.note(line, exact=True)

    def _finish(self, index: int, *, ended: bool = True) -> None:
        if index not in self._parts:
            self._recall()
        part = self._parts.pop(index, None)
        if part is not None and (line := part.line(ended=ended)):
            saving = f"; {self._saving()}" if self._saving and part.kind == "file" and ended and not part.url else ""
            self.note(line + saving, exact=True)

    def _attempt(self, data: dict[str, Any]) -> None:
        model = full_name(str(data.get("provider")), str(data.get("model")))
        number, why = data.get("number", 1), f"{data.get('reason')}, {model}"
        if data.get("continues"):
            # Its parts count from 0 again; a call that it does not resume is one that nobody can make.
            self._recall()
            self._broken += self._parts.values()
            self._parts.clear()
            self.note(f"attempt {number} continues ({why})")
        elif number > 1:
            self._start_over(f"attempt {number} ({why})")

    def _start_over(self, why: str) -> None:
        if self._held is not None:
            self._held.clear()
        else:
            # The next attempt's text must not run on from a broken word.
            self._end_line()
        self._before, self._out_known = None, True
        self._parts.clear()
        self._broken.clear()
        self._sources.clear()
        self.note(f"{why}: the answer starts over, what came before is superseded")

    def _end(self, type: str, data: dict[str, Any]) -> None:
        self.outcome = type
        if type != "completed":
            # Of a completed answer, each part has said its end.
            self._recall()
        for index in list(self._parts):
            self._finish(index, ended=type == "completed")
        if self._held is not None and type == "completed":
            self._put("".join(self._held))
        self._end_line()
        match type:
            case "failed":
                self.note(f"failed ({data.get('code')}): {data.get('message')}")
            case "cancelled":
                self.note("cancelled")
            case _ if data.get("finish_reason") != "stop":
                self.note(f"ended with {data.get('finish_reason')}")
        self._close_err()

    def note(self, text: str, *, exact: bool = False) -> None:
        """Writes a sentence about the answer, or with `exact` a value, on a line of its own."""
        self._close_out()
        self._close_err()
        self.err.write(dimmed(text if exact else one_line(text), self.err) + "\n")
        self.err.flush()

    def _close_out(self) -> None:
        # Only a terminal shows both streams in one column; in a file or a pipe the text goes on.
        if self._terminal:
            self._end_line()

    def _end_line(self) -> None:
        if self.within_line:
            self._put("\n")

    def _close_err(self) -> None:
        if self._err_open:
            self.err.write("\n")
            self.err.flush()
            self._err_open = False


class JsonLines:
    """Each event as one line of JSON: `id` (null if not in the log), `event` and `data`. Always UTF-8."""

    def __init__(self, out: BinaryIO, err: TextIO) -> None:
        self.out = out
        self.err = err
        self.outcome: str | None = None

    def write(self, event: Event) -> None:
        """Writes one event. Raises what `out` raises."""
        line = msgspec.json.encode({"id": event.id, "event": event.type, "data": event.data})
        self.out.write(json_escaped(line) + b"\n")
        self.out.flush()
        if event.type in TERMINAL_TYPES:
            self.outcome = event.type

    def note(self, text: str) -> None:
        """Writes a note beside the events."""
        self.err.write(one_line(text) + "\n")
        self.err.flush()
