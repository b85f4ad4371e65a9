"""The parts of a Responses answer: where one starts, grows and ends, and goes on from another attempt."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from shared.log.events import Annotation, Delta, Part, PartEnd, PartKind
from shared.log.snapshots import PartSoFar
from worker.providers.call_ids import made_up
from worker.providers.errors import problem
from worker.providers.openai_responses.event import ENCRYPTION_ORIGIN, PROTOCOL, PartPlace, Slot
from worker.providers.provider import ProviderError, ProviderEvent
from worker.providers.token_logprobs import read_logprobs


class Said(Struct, eq=False):
    """One part. `part` is None until this attempt has announced it; `pieces` are what it says."""

    kind: PartKind
    slot: Slot
    item_id: str = ""
    part: int | None = None
    pieces: list[str] = []
    earlier: PartSoFar | None = None
    """What it had become in the attempts before this one."""
    held: bool = False
    """It is not to be announced yet, as its name is not known; what it says waits in `pieces`."""
    told: set[str] = set()
    """The types of events that have said all of it once more."""
    other: str | None = None
    """What the provider says in the end in its place, where that is another text."""
    ended: bool = False
    cited: int = 0
    weighed: int = 0
    """Tokens of it whose logprobs have come."""
    summary: bool | UnsetType = UNSET

    @property
    def text(self) -> str:
        """All that it says so far."""
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    @property
    def final(self) -> str:
        """What it says by the provider's last word."""
        return self.text if self.other is None else self.other


class Parts:
    """The parts so far; what happens to them is added to `events`, which the reader sets."""

    def __init__(self, name: str) -> None:
        self.events: list[ProviderEvent] = []
        self.all: list[Said] = []
        """In the order in which they began."""
        self.before = 0
        """How many of the events are of earlier events of the provider's."""
        self._name = name
        self._count = 0
        self._open: dict[int, Said] = {}

    def restore(self, part: PartSoFar) -> Said:
        """Returns a part of an earlier attempt, which this one has not announced."""
        said = Said(
            part.kind,
            "summary" if part.summary else _SLOTS[part.kind],
            part.item_id or "",
            pieces=[part.text] if part.text else [],
            earlier=part,
            ended=part.ended,
            cited=len(part.annotations),
            weighed=len(part.logprobs or ()),
            summary=part.summary or UNSET,
        )
        self.all.append(said)
        return said

    def begin(
        self,
        place: PartPlace,
        item_id: str,
        *,
        media_type: str | None = None,
        name: str | None = None,
        result_type: str | None = None,
        is_error: bool = False,
    ) -> Said:
        """Begins a part that needs no name, or a result, which has the id of its item."""
        said = Said(place.kind, place.slot, item_id)
        if place.slot == "summary":
            said.summary = True
        self.all.append(said)
        begun = self._announce(said)
        if place.slot == "result":
            begun.call_id, begun.name, begun.executor = item_id, name or "", "provider"
            begun.result_type, begun.is_error = result_type or UNSET, is_error or UNSET
        begun.media_type = media_type or UNSET
        return said

    def hold(self, place: PartPlace, item_id: str) -> Said:
        """Returns a part that is announced later, if at all."""
        return Said(place.kind, place.slot, item_id, held=True)

    def release(self, said: Said, *, call_id: str | None, name: str, executor: Literal["client", "provider"]) -> None:
        """Announces a call that was held, and says what of it has come. Without an id it is named by its place."""
        said.held = False
        self.all.append(said)
        begun = self._announce(said)
        begun.call_id, begun.name, begun.executor = call_id or said.item_id or made_up(begun.part), name, executor
        if said.text:
            self.events.append(Delta(part=begun.part, kind=said.kind, delta=said.text))

    def say(self, said: Said, text: str) -> None:
        """Adds text to a part."""
        if not text:
            return
        said.pieces.append(text)
        if not said.held:
            self.events.append(Delta(part=self._number(said), kind=said.kind, delta=text))

    def weigh(self, said: Said, logprobs: list[dict[str, Any]]) -> None:
        """Adds the logprobs of a part's next tokens: to the delta that was just said, else to one without a text."""
        if said.held or said.ended or not logprobs:
            return
        said.weighed += len(logprobs)
        newest = self.events[-1] if len(self.events) > self.before else None
        if isinstance(newest, Delta) and newest.part == said.part and newest.logprobs is UNSET:
            newest.logprobs = logprobs
        else:
            self.events.append(Delta(part=self._number(said), kind=said.kind, delta="", logprobs=logprobs))

    def weigh_rest(self, said: Said, given: object) -> None:
        """Adds the logprobs that only the end of a part has."""
        if given and (logprobs := read_logprobs(given)) is not None:
            self.weigh(said, logprobs[said.weighed :])

    def rest(self, said: Said, whole: str) -> str | None:
        """Returns what of a part has not come, as the provider says all of it; None where we have another text."""
        text = said.text
        if text == whole:
            return ""
        text, whole = scalar(text), scalar(whole)
        return whole[len(text) :] if whole.startswith(text) else None

    def misfit(self) -> ProviderError:
        """Returns the error for what does not fit what broke off, and never will."""
        return self._over("what is continued is not what broke off")

    def gap(self) -> ProviderError:
        """Returns the error for an answer of which something is missing where nothing can be added any more."""
        return self._over("its end says more than its stream")

    def _over(self, detail: str) -> ProviderError:
        failure = problem(self._name, "invalid_response", detail)
        failure.over = True
        return failure

    def cite(self, said: Said, fields: dict[str, Any]) -> None:
        """Adds a citation to a part."""
        said.cited += 1
        self.events.append(Annotation(part=self._number(said), fields=fields, protocol=PROTOCOL))

    def end(self, said: Said, *, encrypted: str | None = None) -> None:
        """Ends a part, unless it has ended."""
        if said.ended or said.held:
            return
        part = self._number(said)
        said.ended = True
        self._open.pop(part, None)
        origin = ENCRYPTION_ORIGIN if encrypted else UNSET
        self.events.append(PartEnd(part=part, encrypted=encrypted or UNSET, provider=origin))

    def end_all(self) -> None:
        """Ends all parts that are still open, as the answer is complete."""
        for said in self.all:
            if said.earlier is not None:
                self.end(said)
        for said in list(self._open.values()):
            self.end(said)

    def _number(self, said: Said) -> int:
        return self._announce(said).part if said.part is None else said.part

    def _announce(self, said: Said) -> Part:
        begun = Part(part=self._count, kind=said.kind, summary=said.summary, item_id=said.item_id or UNSET)
        said.part = begun.part
        self._count += 1
        if not said.ended:
            self._open[begun.part] = said
        if (earlier := said.earlier) is not None:
            begun.resumes = True
            begun.call_id, begun.name = earlier.call_id or UNSET, earlier.name or UNSET
        self.events.append(begun)
        return begun


def broken_off(saids: Sequence[Said], slot: Slot) -> bool:
    """Says whether one of these parts broke off in an earlier attempt, and is to go on."""
    return any(said.slot == slot and said.earlier is not None and not said.ended for said in saids)


_SLOTS: dict[PartKind, Slot] = {
    "text": "content",
    "refusal": "content",
    "reasoning": "content",
    "tool_call": "call",
    "tool_result": "result",
    "file": "file",
}


def scalar(text: str) -> str:
    """Returns a text as the log has it: the halves of a pair joined, half of one replaced."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
