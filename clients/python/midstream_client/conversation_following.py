"""A conversation: its turns, as a page has them and as its stream goes on with them. Without any I/O."""

from collections.abc import Mapping
from typing import Any

from midstream_client.answer import Answer
from midstream_client.event import Event
from midstream_client.exchange import Request, conversation_path, not_midstream
from midstream_client.following import Following, answer_of
from midstream_client.retry_budget import RetryBudget
from midstream_client.sse_decoder import ServerSentEvent

_NOWHERE = (-1, -1)


class Turn:
    """One generation of a conversation: what it was asked, and its answer so far."""

    def __init__(self, about: dict[str, Any], answer: Answer) -> None:
        self.id = str(about.get("generation") or about.get("id"))
        self.number = int(about["number"])
        self.previous: str | None = about.get("previous")
        """The generation that it goes on from; several with the same are versions of one turn."""
        self.model: str | None = about.get("model")
        self.input: list[dict[str, Any]] | None = about.get("input")
        """The messages that it added; None where it began after the page was read."""
        self.answer = answer
        self._has = _place(about.get("last_event_id"))
        """Where its log was when a page had it: a page of older turns may be ahead of the stream."""

    def begin(self) -> None:
        """Begins its answer anew, as all of its log follows."""
        self.answer, self._has = Answer(), _NOWHERE

    def apply(self, event: Event) -> None:
        """Applies an event of its log, if its answer has not that yet."""
        place = _place((event.id or "").partition(".")[2])
        if not self.answer.ended and not _NOWHERE < place <= self._has:
            self.answer.apply(event)


class ConversationFollowing(Following):
    """A conversation's stream, which has no end of its own, and the turns that it makes.

    Once a page was loaded, the stream goes on after it. Where it cannot (`reset`), the newest page is read anew before
    that event is given out, as the stream itself does not repeat what ended generations have said.
    """

    def __init__(self, url: str, budget: RetryBudget, name: str, after: str | None = None) -> None:
        super().__init__(url, budget, after)
        self.name = name
        self.page: dict[str, Any] = {}
        """What the newest page says: `title`, `state`, `count` and so on; empty where none was read."""
        self.before: int | None = None
        """What the request for the page of older turns names; None where there are none."""
        self._turns: dict[str, Turn] = {}
        self._reset: Event | None = None
        """What is given out when the page was read anew."""
        self.path = conversation_path(name)

    @property
    def turns(self) -> list[Turn]:
        """The turns that are known, in their order."""
        return sorted(self._turns.values(), key=lambda turn: turn.number)

    def request(self) -> Request:
        """Returns the request for what comes after the cursor, or for the newest page where that must be read anew."""
        if self._reset:
            return Request("GET", self.path, {"accept": "application/json"})
        return super().request()

    def load(self, page: dict[str, Any]) -> None:
        """Takes the newest page, and begins anew with it. Raises NotMidstreamError for what is none."""
        self._turns.clear()
        self.add(page)
        self.page, self.cursor = page, page.get("cursor") or None

    def add(self, page: dict[str, Any]) -> None:
        """Takes a page of older turns. Raises NotMidstreamError for what is none."""
        try:
            found = [Turn(snapshot, answer_of(snapshot, self.url)) for snapshot in page["generations"]]
        except (KeyError, TypeError, AttributeError, ValueError):
            raise not_midstream(self.url) from None
        self.before = page.get("next")
        self._turns |= {turn.id: turn for turn in found}

    def _path(self) -> str:
        return f"{self.path}/events"

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        if status != 200:
            raise not_midstream(self.url)
        if self._reset:
            self._streams = False
        else:
            super()._begin(status, headers)

    def _end(self) -> list[Event]:
        if self._streams or self._reset is None:
            return []
        self.load(self._collected())
        told, self._reset = [self._reset], None
        return told

    def _event(self, frame: ServerSentEvent) -> Event:
        event = super()._event(frame)
        if event.type in ("generation", "begun", "gone", "trimmed"):
            named: str | None = event.data["generation"]
        elif event.type == "queued":
            named = event.data.get("id")
        else:
            # The rest of an id is the event's own, within its generation.
            named = None if event.id is None else f"gen_{event.id.partition('.')[0]}"
        return event._replace(generation=named)

    def _apply(self, event: Event) -> bool:
        match event.type:
            case "generation" | "begun":
                turn = self._turns.setdefault(event.data["generation"], Turn(event.data, Answer()))
                if event.type == "generation" and not turn.answer.ended:
                    # All of it follows, also what the page had of it while an earlier one was being carried.
                    turn.begin()
            case "gone":
                self._turns.pop(event.data["generation"], None)
            case "reset" if self.page:
                self._reset, self.leaving = event, True
                return False
            case "reset":
                self._turns.clear()
            case _ if event.generation in self._turns:
                self._turns[event.generation].apply(event)
        return True


def _place(event_id: str | None) -> tuple[int, int]:
    """Returns the place of an event in its log; one before all others for what says none."""
    at, _, number = (event_id or "").partition("-")
    return (int(at), int(number)) if at.isdecimal() and number.isdecimal() else _NOWHERE
