"""Where a conversation stands: its newest turn, from which the next one goes on."""

from typing import Any, NamedTuple

from midstream.client.http_client import HttpClient
from midstream.conversing.tool_results import results_for
from midstream.errors import NotFoundError
from midstream_client import TERMINAL_TYPES, Answer, Turn

NEWEST = 5
"""Turns that are read of a conversation: the newest, and a few that others may have begun."""


class Newest(NamedTuple):
    """The newest turn."""

    id: str
    previous: str | None
    model: str | None
    state: str


class Place:
    """A conversation as it is known here: by what the server says of it, and by what was heard since."""

    def __init__(self, client: HttpClient, name: str) -> None:
        self.conversation = client.conversation(name)
        self.newest: Newest | None = None
        self.known: set[str] = set()
        """Ids of its generations, as far as they were seen."""
        self._client = client
        self._results: dict[str, list[dict[str, Any]]] = {}
        """By the id of an ended generation, the results that its calls want."""

    @property
    def previous(self) -> str | None:
        """The generation that the next one goes on from: of a failed one, that which it went on from itself."""
        if self.newest is None:
            return None
        return self.newest.previous if self.newest.state == "failed" else self.newest.id

    @property
    def runs(self) -> bool:
        """Says whether the newest answer has not ended, so that nothing can go on from it."""
        return self.newest is not None and self.newest.state not in TERMINAL_TYPES

    def look(self) -> list[Turn]:
        """Reads its newest page, and returns the turns that were not known. There are none in one that nobody began."""
        try:
            self._client.load(self.conversation, NEWEST)
        except NotFoundError:
            self.newest = None
            return []
        turns = self.conversation.turns
        new = [turn for turn in turns if turn.id not in self.known]
        self.known |= {turn.id for turn in turns}
        for turn in turns:
            self.said(turn.id, turn.answer)
        if turns:
            last = turns[-1]
            self.newest = Newest(last.id, last.previous, last.model, last.answer.state)
        return new

    def heard(self, newest: Newest) -> None:
        """Takes a turn of which was heard otherwise."""
        self.known.add(newest.id)
        self.newest = newest

    def said(self, generation: str, answer: Answer) -> None:
        """Takes an answer, which counts if it has ended."""
        if answer.ended:
            self._results[generation] = results_for(answer)

    def opening(self) -> list[dict[str, Any]]:
        """Returns what the next turn has to say first: results for the calls of the answer that it goes on from.

        May ask the server. Raises ClientError.
        """
        if self.previous is None:
            return []
        if self.previous not in self._results:
            self.said(self.previous, Answer.of_snapshot(self._client.snapshot(self.previous)))
        return self._results.get(self.previous, [])


def words_of(messages: list[dict[str, Any]] | None) -> str:
    """Returns the text that a user wrote in these messages."""
    said: list[str] = []
    for message in messages or []:
        content = message.get("content")
        if message.get("role") != "user":
            continue
        if isinstance(content, str):
            said.append(content)
        elif isinstance(content, list):
            said += [str(part["text"]) for part in content if isinstance(part, dict) and "text" in part]
    return "\n".join(said)
