"""Going on by assistant prefix: the provider is given the beginning of the answer as its own, and says the rest.

What was said and what follows are joined exactly. White space at the end is not sent: Messages refuses it ("Prefill
Claude's response": no trailing whitespace), chat templates trim it, and a model that begins with half of a token says
something else. It says that white space again, then, and what comes again is taken away.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import UNSET

from shared.log.events import Completed, Delta, Part, PartEnd, PartKind
from shared.log.snapshots import PartSoFar, Snapshot
from shared.request.claude_models import takes_prefill
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage
from shared.request.response_formats import TextFormat
from shared.request.tools import NamedTool
from worker.providers.provider import ProviderEvent


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was said of an answer; `item_id` is that of its last text, which is `open` unless its end was read."""

    text: str
    item_id: str | None = None
    open: bool = True
    reasoning: str = ""

    @property
    def sent(self) -> str:
        """What the provider is given."""
        return self.text.rstrip()

    @property
    def tail(self) -> str:
        """What it is not given."""
        return self.text[len(self.sent) :]


def prefix(request: GenerationRequest, model: str, so_far: Snapshot, *, reasoning: bool) -> Prefix | None:
    """Returns the beginning to go on from; None where the joined answer would not be what one call had said.

    It must be text and nothing else: a tool call, a refusal or a file cannot be given back half, and a grammar (JSON,
    a forced call) would begin anew. After reasoning only an endpoint goes on that takes it with the text (`reasoning`),
    as any other would think again, or answer as one that has not thought.
    """
    if not (takes_prefill(model) and _is_plain(request)):
        return None
    thoughts = [part for part in so_far.parts if part.kind == "reasoning"]
    said = so_far.parts[len(thoughts) :]
    if not said or any(part.kind != "text" for part in said):
        return None
    if thoughts and not (reasoning and all(_is_whole(part) for part in thoughts)):
        return None
    found = Prefix(
        text="".join(part.text for part in said),
        item_id=said[-1].item_id,
        open=not said[-1].ended,
        reasoning="".join(part.text for part in thoughts),
    )
    return found if found.sent else None


def _is_whole(thought: PartSoFar) -> bool:
    return thought.ended and not (thought.summary or thought.signature or thought.encrypted)


def _is_plain(request: GenerationRequest) -> bool:
    free = request.response_format is None or isinstance(request.response_format, TextFormat)
    forced = request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool)
    # One that ends so is the caller's own beginning.
    return free and not forced and not isinstance(request.messages[-1], AssistantMessage)


async def rest(
    answer: AsyncGenerator[list[ProviderEvent], None], begun: Prefix, *, repeats: bool
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Yields the events of an answer that goes on from `begun`: its first text resumes the one that broke off.

    `repeats`: the provider says the beginning again.
    """
    follows = _Rest(begun, repeats)
    async with aclosing(answer) as pieces:
        async for events in pieces:
            yield [kept for event in events for kept in follows.turn(event)] if events else events


class _Rest:
    def __init__(self, begun: Prefix, repeats: bool) -> None:
        self._begun = begun
        self._joint = Joint(begun, repeats=repeats)
        self._parts: list[PartKind] = []
        self._resumes = begun.open
        """The text that broke off has not been resumed yet."""

    def turn(self, event: ProviderEvent) -> list[ProviderEvent]:
        """Returns what becomes of an event."""
        match event:
            case Part():
                self._parts.append(event.kind)
                if event.kind == "text" and self._resumes:
                    self._resume(event)
            case Delta(kind="text") if not self._joint.closed:
                if (new := self._joint.feed(event.delta)) != event.delta:
                    # Nobody says which of its tokens are in what is left of it.
                    event.delta, event.logprobs = new, UNSET
                return [event] if event.delta else []
            case PartEnd() if self._parts[event.part] == "text" and (held := self._joint.close()):
                return [Delta(part=event.part, kind="text", delta=held), event]
            case Completed() if self._resumes:
                # Nothing was left to say but that it is over.
                part = self._resume(Part(part=len(self._parts), kind="text"))
                return [part, PartEnd(part=part.part), event]
        return [event]

    def _resume(self, part: Part) -> Part:
        part.resumes, self._resumes = True, False
        part.item_id = self._begun.item_id or UNSET
        return part


class Joint:
    """Takes from what follows what was said already: first the beginning, where it is repeated, then the white space.

    A repetition may come in pieces, cut anywhere, also between the halves of a surrogate pair; what turns out to be
    none is returned later.
    """

    def __init__(self, begun: Prefix, *, repeats: bool) -> None:
        self.closed = False
        """Nothing more is taken: all further text is new."""
        self._sent = begun.sent if repeats else ""
        self._repeated_chars = 0
        self._tail = begun.tail
        self._half = ""

    def feed(self, text: str) -> str:
        """Returns what of it is new."""
        if self.closed:
            return text
        text, self._half = _paired(self._half + text)
        if self._repeated_chars < len(self._sent):
            ahead = self._sent[self._repeated_chars : self._repeated_chars + len(text)]
            if text == ahead:
                self._repeated_chars += len(text)
                return ""
            if text.startswith(ahead) and self._repeated_chars + len(ahead) == len(self._sent):
                text = text[len(ahead) :]
            else:
                text = self._sent[: self._repeated_chars] + text
            self._repeated_chars = len(self._sent)
        while text and self._tail and text[0] == self._tail[0]:
            text, self._tail = text[1:], self._tail[1:]
        if text or not self._tail:
            self.closed = True
            return text + self._take_half()
        return ""

    def close(self) -> str:
        """Returns what was held back; all further text is new."""
        held = self._sent[: self._repeated_chars] if self._repeated_chars < len(self._sent) else ""
        self.closed, self._sent = True, ""
        return held + self._take_half()

    def _take_half(self) -> str:
        half, self._half = self._half, ""
        return half


def _paired(text: str) -> tuple[str, str]:
    """Returns the text with its surrogate pairs joined, and a first half at its end whose second is still to come."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    whole = text[: len(text) - len(half)]
    if any("\ud800" <= character <= "\udfff" for character in whole):
        whole = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return whole, half
