"""The stream of an output: one item after the other, as OpenAI sends them, though a log may have several by turns.

Frameworks take what comes for that of the newest item, whatever place it names (LangChain merges calls that overlap).
"""

from collections import deque
from typing import Any

from api.dialects.openai_responses.annotations import annotations_of, logprobs_of
from api.dialects.openai_responses.hosted import HostedItem
from api.dialects.openai_responses.items import CallItem, Item, ItemStatus, MessageItem
from api.dialects.openai_responses.output import Output
from api.dialects.openai_responses.resource import resource
from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.telling import Telling
from api.dialects.openai_responses.terminal import Ending
from api.viewing.dialect import Subject
from shared.log.events import Usage


class Stream:
    """The output as it grows: the item that is open, and those that wait until it is done."""

    def __init__(self, subject: Subject, number: int) -> None:
        self.events = Telling(number)
        """What is to be sent; `number` is that of the first."""
        self._subject = subject
        self._output = Output(subject)
        self._open: Item | None = None
        self._line: deque[Item] = deque()
        self._added = 0

    def progress(self) -> None:
        """Says that it runs."""
        self.events.add("response.in_progress", response=resource(self._subject, "in_progress", []))

    def begin(self, said: Said) -> None:
        """Begins a part, and with it maybe an item."""
        self._output.place(said)
        item: Item | None = said.item
        if item is not None and item.parts == [said]:
            self._line.append(item)
        elif item is not None:
            self._reopen(said)
        self._advance()

    def grow(self, said: Said, text: bytes, logprobs: list[Any] | None) -> None:
        """Adds a delta, as its JSON, to a part that makes no single frame of it."""
        if said.item is None:
            return
        said.grown += text[1:-1]
        if logprobs is not None and said.kind == "text":
            said.logprobs += logprobs_of(logprobs)
        self._say(said)

    def annotate(self, said: Said, fields: dict[str, Any]) -> None:
        """Adds what an annotation says to a text."""
        if isinstance(said.item, MessageItem) and said.kind == "text" and (found := annotations_of(fields)):
            said.annotations += found
            self._say(said)

    def end(self, said: Said) -> None:
        """Ends a part, and its item where nothing more may belong to it."""
        said.ended = said.over = True
        if said.item is not None and said.item is self._open:
            self._advance()

    def leave(self, said: Said) -> None:
        """Breaks a part off, as an attempt goes on; who waits for its end waits no longer."""
        said.left = not said.ended

    def resume(self, said: Said) -> None:
        """Goes on with a part, whose end is told again if it was told."""
        said.over = said.left = False
        if said.item is not None:
            self._reopen(said)
            self._advance()

    def void(self, attempt: int) -> None:
        """Drops all items, as this attempt starts over; the open one is closed as incomplete, others stay untold."""
        if (item := self._open) is not None:
            del item.parts[item.told + 1 :]
            self._close(item)
            self._done(item, "incomplete")
        self._line.clear()
        self._output.begin_anew(attempt, self._added)

    def finish(self, ending: Ending, usage: Usage | None, tier: str | None) -> None:
        """Closes what is open, tells what waits, and ends the response."""
        output = self._output
        while self._open is not None or self._line:
            item = self._open or self._start()
            self._close(item)
            self._done(item, output.status_of(item, ending.status))
        for item in output.seal():
            self._line.append(item)
            self._done(self._start(), output.status_of(item, ending.status))
        self.events.add(
            ending.type,
            response=resource(
                self._subject,
                ending.status,
                output.objects(ending.status),
                completed_at=ending.completed_at,
                error=ending.error,
                cut=ending.cut,
                usage=usage,
                tier=tier,
            ),
        )

    def _advance(self) -> None:
        """Tells what can be told: of the open item what it said, and where it is over the next ones."""
        while self._open is not None or self._line:
            item = self._open or self._start()
            while item.told < len(item.parts):
                said = item.parts[item.told]
                if not said.closed:
                    self.events.catch_up(said)
                    if not self._is_over(said, item):
                        return
                    self._end(said, item)
                item.told += 1
            if not self._is_done(item):
                return
            self._done(item, "completed" if item.ended else "incomplete")

    def _is_over(self, said: Said, item: Item) -> bool:
        """Says whether nothing more is awaited of a part: some logs tell the ends of all calls together, at the end."""
        if said.over or not (self._line or said is not item.parts[-1]):
            return said.over
        return said.left or (isinstance(item, CallItem) and item.is_whole())

    def _is_done(self, item: Item) -> bool:
        """Says whether an item is at its end, all parts of which were told.

        The result of a tool of the provider's may never come: it is awaited until the model says something else.
        """
        if item.grows and item is self._output.latest:
            return False
        return item.complete or not item.ended or any(not isinstance(one, HostedItem) for one in self._line)

    def _say(self, said: Said) -> None:
        """Tells what was added to a part, if it is its turn."""
        item: Item = said.item
        if said.closed:
            self._reopen(said)
            self._advance()
        elif item is self._open and item.told == said.index:
            self.events.catch_up(said)

    def _start(self) -> Item:
        """Opens the next item."""
        item = self._open = self._line.popleft()
        if not item.added:
            item.added = True
            self._added += 1
            self.events.add("response.output_item.added", output_index=item.index, item=item.beginning())
        return item

    def _reopen(self, said: Said) -> None:
        """Goes back to a part whose end was told, or to its item."""
        item: Item = said.item
        if said.closed:
            said.closed = False
            if item.told < len(item.parts):
                item.parts[item.told].hush()
            item.told = min(item.told, said.index)
        if item.done:
            item.done = False
            self._line.append(item)

    def _end(self, said: Said, item: Item) -> None:
        self.events.close(said, cut=not (said.ended or (isinstance(item, CallItem) and item.is_whole())))

    def _close(self, item: Item) -> None:
        """Tells all of an item of which no more comes."""
        while item.told < len(item.parts):
            said = item.parts[item.told]
            if not said.closed:
                self.events.catch_up(said)
                self._end(said, item)
            item.told += 1

    def _done(self, item: Item, status: ItemStatus) -> None:
        item.done, self._open = True, None
        self.events.add("response.output_item.done", output_index=item.index, item=item.object(status))
