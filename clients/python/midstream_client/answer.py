"""What an answer is so far: the fold of a generation's events."""

from typing import Any, NamedTuple

from midstream_client.event import TERMINAL_TYPES, Event
from midstream_client.part import Part

_NAMES = ("response_id", "request_id", "model", "system_fingerprint", "service_tier")
"""What the event `response` may say."""


class Superseded(NamedTuple):
    """What an attempt had said that another one started over after, and why (`reason` of that one)."""

    reason: str
    text: str
    parts: list[dict[str, Any]]


class Answer:
    """What stands of a generation, up to the last event that was applied (docs/protocol.md, Events)."""

    def __init__(self) -> None:
        self.state = "queued"
        """`queued`, `running`, `completed`, `failed` or `cancelled`."""
        self.position: int | None = None
        """The place in the owner's line, while it waits."""
        self.attempts: list[dict[str, Any]] = []
        self.superseded: list[Superseded] = []
        self.response: dict[str, Any] | None = None
        """What the provider calls its answer."""
        self.usage: dict[str, Any] | None = None
        self.cost: dict[str, Any] | None = None
        self.end: dict[str, Any] | None = None
        """Of an ended one, the data of its terminal event, or where that was not read, what the snapshot says."""
        self._parts: list[Part] = []
        self._places: dict[int, Part] = {}

    @classmethod
    def of_snapshot(cls, snapshot: dict[str, Any]) -> "Answer":
        """Returns an answer as a snapshot has it; the events after its `last_event_id` go on from there."""
        answer = cls()
        answer.state = snapshot["state"]
        answer.attempts = snapshot.get("attempts") or []
        answer.response, answer.usage = snapshot.get("response"), snapshot.get("usage")
        answer.cost = snapshot.get("cost")
        answer._parts = [Part.of_snapshot(fields) for fields in snapshot.get("parts") or []]
        answer._places = {part.place: part for part in answer._parts if part.place is not None}
        if answer.ended:
            names = ("finish_reason", "raw_finish_reason", "usage", "cost")
            said = {name: snapshot[name] for name in names if snapshot.get(name) is not None}
            answer.end = said | (snapshot.get("error") or {})
        return answer

    @property
    def ended(self) -> bool:
        """Whether nothing comes after it."""
        return self.state in TERMINAL_TYPES

    @property
    def text(self) -> str:
        """The text of all parts of kind `text`, joined."""
        return "".join(part.text for part in self._parts if part.kind == "text")

    @property
    def parts(self) -> list[dict[str, Any]]:
        """All parts that stand, in the shape of the snapshot's."""
        return [part.fields(over=self.ended) for part in self._parts]

    @property
    def error(self) -> dict[str, Any] | None:
        """Of a failed one `code`, `message` and `retryable`, and what else is known of why."""
        if self.state != "failed":
            return None
        names = ("code", "message", "retryable", "status", "retry_after_ms")
        return {name: self.end[name] for name in names if name in self.end} if self.end else {}

    def apply(self, event: Event) -> None:
        """Applies one event; types that it does not know are passed over."""
        data = event.data
        # Nearly every event of a long log is a delta.
        match event.type:
            case "delta":
                self._part(data).grow(data)
            case "part":
                self._open(data)
            case "part_end":
                self._part(data).end(data)
            case "annotation":
                self._part(data).annotate(data)
            case "response":
                self._name(data)
            case "usage":
                self.usage = data.get("usage")
            case "attempt":
                self._begin(data)
            case "queued":
                self.position = data.get("position")
            case type if type in TERMINAL_TYPES:
                self.state, self.position, self.end = type, None, data
                self.usage = data.get("usage") or self.usage
                self.cost = data.get("cost")
                self._name({"response_id": data.get("response_id")})

    def _name(self, data: dict[str, Any]) -> None:
        given = {name: data[name] for name in _NAMES if data.get(name) is not None}
        if given:
            self.response = (self.response or {}) | given

    def _begin(self, data: dict[str, Any]) -> None:
        if not data.get("continues"):
            if self._parts:
                parts = [part.fields(over=True) for part in self._parts]
                self.superseded.append(Superseded(str(data.get("reason")), self.text, parts))
            self._parts = []
            self.response = self.usage = None
        # A part's number counts within its attempt.
        for part in self._parts:
            part.place = None
        self._places = {}
        self.state, self.position = "running", None
        self.attempts.append({name: value for name, value in data.items() if name != "t"})

    def _open(self, data: dict[str, Any]) -> None:
        part = None
        if data.get("resumes"):
            wanted = (data.get("kind"), data.get("item_id"))
            part = next((one for one in reversed(self._parts) if (one.kind, one.item_id) == wanted), None)
        if part is None:
            part = self._part(data)
        self._places[data["part"]] = part
        part.place = data["part"]
        part.describe(data)

    def _part(self, data: dict[str, Any]) -> Part:
        """Returns the part of which an event is; it is a new one where it began before the events that are known."""
        part = self._places.get(data["part"])
        if part is None:
            part = self._places[data["part"]] = Part(data.get("kind", "text"), data["part"])
            self._parts.append(part)
        return part
