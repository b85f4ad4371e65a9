"""Writes a generation for people, or as JSON lines for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

import msgspec

from midstream.follower import ViewerEvent
from midstream.terminal import dimmed, one_line, printable
from shared.events import TERMINAL


class Answer:
    """The answer's text on `out` as it comes, everything else on `err`.

    What was written cannot be taken back. Where an attempt starts over, `err` says so and `out` begins a new
    line; with `final`, text is held (at most the API's `max_log`) until the generation has completed, so that
    only what stands is ever written. The generation's end ends the last line of its text, if there is any.

    `out` may go on where an earlier one was left. Then `left_open` says whether that was within a line; it is
    asked only where nothing written here tells.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        reasoning: bool = False,
        final: bool = False,
        left_open: Callable[[], bool] | None = None,
    ) -> None:
        self.out = out
        self.err = err
        self.reasoning = reasoning
        self.outcome: str | None = None
        self._held: list[str] | None = [] if final else None
        self._terminal = out.isatty()
        # A terminal is at the beginning of a line when we start, and with `final` nothing is out before the end.
        self._left_open = None if self._terminal or final else left_open
        self._out_open = False
        self._err_open = False
        self._tools: dict[int, tuple[str, list[str]]] = {}

    def write(self, event: ViewerEvent) -> None:
        """Show one event. Raises OSError where that cannot be done."""
        data = event.data
        match event.type:
            case "delta":
                self._delta(data)
            case "part" if data.get("kind") == "tool_call":
                self._tools[data["part"]] = (str(data.get("name", "")), [])
            case "part_end":
                self._tool_call(data.get("part"))
            case "attempt":
                self._attempt(data)
            case "reset":
                # Of what was written elsewhere, the log no longer knows how it ended.
                self._left_open = None
                self._start_over(f"the log no longer continues where this viewer was ({data.get('reason')})")
            case "queued" if (data.get("position") or 0) > 1:
                self._note(f"queued, {data['position'] - 1} before this one")
            case type if type in TERMINAL:
                self._end(type, data)

    def note(self, text: str) -> None:
        """Say something about the answer, on a line of its own."""
        self._note(text)

    @property
    def within_line(self) -> bool:
        """Whether the text so far ends within a line. May raise what `left_open` raises."""
        if self._left_open is not None:
            self._out_open, self._left_open = self._left_open(), None
        return self._out_open

    def _delta(self, data: dict[str, Any]) -> None:
        text = str(data.get("delta", ""))
        match data.get("kind"):
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
            case "tool_call":
                self._tools.setdefault(data["part"], ("", []))[1].append(text)

    def _put(self, text: str) -> None:
        self.out.write(printable(text) if self._terminal else text)
        self.out.flush()
        if text:
            self._out_open, self._left_open = not text.endswith("\n"), None

    def _tool_call(self, part: int | None) -> None:
        if part in self._tools:
            name, arguments = self._tools.pop(part)
            self._note(f"tool call {name} {''.join(arguments)}")

    def _attempt(self, data: dict[str, Any]) -> None:
        number, why = data.get("number", 1), f"{data.get('reason')}, {data.get('model')}"
        if data.get("continues"):
            # Its parts count from 0 again; a call that it does not resume is one that nobody can make.
            self._tools.clear()
            self._note(f"attempt {number} continues ({why})")
        elif number > 1:
            self._start_over(f"attempt {number} ({why})")

    def _start_over(self, why: str) -> None:
        self._tools.clear()
        if self._held is not None:
            self._held.clear()
        else:
            # The next attempt's text must not run on from a broken word.
            self._end_line()
        self._note(f"{why}: the answer starts over, what came before no longer stands")

    def _end(self, type: str, data: dict[str, Any]) -> None:
        self.outcome = type
        for part in list(self._tools):
            self._tool_call(part)
        if self._held is not None and type == "completed":
            self._put("".join(self._held))
        self._end_line()
        match type:
            case "failed":
                self._note(f"failed ({data.get('code')}): {data.get('message')}")
            case "cancelled":
                self._note("cancelled")
            case _ if data.get("finish_reason") != "stop":
                self._note(f"ended with {data.get('finish_reason')}")
        self._close_err()

    def _note(self, text: str) -> None:
        self._close_out()
        self._close_err()
        self.err.write(dimmed(one_line(text), self.err) + "\n")
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

    def write(self, event: ViewerEvent) -> None:
        """Write one event. Raises OSError where that cannot be done."""
        self.out.write(msgspec.json.encode({"id": event.id, "event": event.type, "data": event.data}) + b"\n")
        self.out.flush()
        if event.type in TERMINAL:
            self.outcome = event.type

    def note(self, text: str) -> None:
        """Say something beside the events."""
        self.err.write(one_line(text) + "\n")
        self.err.flush()
