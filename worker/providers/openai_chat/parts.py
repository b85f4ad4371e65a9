"""The parts of a Chat Completions answer, whose protocol has none: where one starts and where it ends."""

from typing import Any

from msgspec import UNSET, Struct

from shared.log.events import Annotation, Delta, Part, PartEnd, PartKind
from shared.request.data_url import data_of, is_data
from worker.providers.base64_stream import Base64Stream
from worker.providers.openai_chat.calls import Calls
from worker.providers.openai_chat.chunk import PROTOCOL
from worker.providers.openai_chat.reasoning import Thought
from worker.providers.provider import ProviderEvent


class _Said(Struct):
    """The open part of text, reasoning or refusal. `key` tells parts of one kind apart where the endpoint does."""

    kind: PartKind
    part: int
    key: object = None
    signature: str = ""
    encrypted: str = ""
    provider: str = ""


class ChatParts:
    """The parts so far; what happens to them is added to `events`, which the reader sets.

    A part of text, reasoning or refusal is open until another kind begins; tool calls and sound are open until the
    end, because they interleave.
    """

    def __init__(self) -> None:
        self.events: list[ProviderEvent] = []
        self.calls = Calls()
        self._count = 0
        self._said: _Said | None = None
        self._sound: tuple[int, Base64Stream] | None = None

    def say(self, kind: PartKind, text: str) -> None:
        """Adds text of a kind."""
        said = self._said
        if said is None or said.kind != kind:
            said = self._turn(kind)
        self.events.append(Delta(part=said.part, kind=kind, delta=text))

    def weigh(self, kind: PartKind, logprobs: list[dict[str, Any]]) -> bool:
        """Adds logprobs of tokens without a text to the open part; returns False where none of this kind is open."""
        if self._said is None or self._said.kind != kind:
            return False
        self.events.append(Delta(part=self._said.part, kind=kind, delta="", logprobs=logprobs))
        return True

    def think(self, thought: Thought) -> None:
        """Adds reasoning, with what is opaque in it."""
        if not (thought.text or thought.signature or thought.encrypted):
            return
        if thought.encrypted:
            self._hush()
        said = self._turn("reasoning", thought)
        if thought.text:
            self.events.append(Delta(part=said.part, kind="reasoning", delta=thought.text))
        if thought.signature or thought.encrypted:
            said.signature, said.encrypted = thought.signature, thought.encrypted
            said.provider = thought.provider
        if thought.encrypted:
            self._hush()

    def annotate(self, fields: dict[str, Any]) -> None:
        """Adds a citation, of the text that is open or begins now."""
        self.events.append(Annotation(part=self._turn("text").part, fields=fields, protocol=PROTOCOL))

    def show(self, url: str) -> None:
        """Adds an image, whole. Raises ValueError for a `data:` URL that is none."""
        data = data_of(url) if is_data(url) else None
        self._hush()
        part = self._next()
        if data is None:
            self.events.append(Part(part=part, kind="file", url=url))
        else:
            self.events.append(Part(part=part, kind="file", media_type=data.media_type))
            self.events.append(Delta(part=part, kind="file", delta=data.base64))
        self.events.append(PartEnd(part=part))

    def sound(self, item_id: str | None, piece: str) -> None:
        """Adds some of the answer as sound, in Base64. Raises ValueError for what is no Base64."""
        if self._sound is None:
            self._sound = (self._next(), Base64Stream())
            self.events.append(Part(part=self._sound[0], kind="file", item_id=item_id or UNSET))
        self._play(self._sound[1].feed(piece))

    @property
    def hears(self) -> bool:
        """Says whether there is any sound."""
        return self._sound is not None

    def end_turn(self) -> None:
        """Ends the part that is open, as what comes next of its kind is another."""
        self._hush()

    def begin(self) -> int:
        """Returns the number of a new part, and ends the one that is open."""
        self._hush()
        return self._next()

    def end(self) -> None:
        """Ends all parts. Raises ValueError where sound was cut."""
        self.calls.settle(self)
        self._hush()
        self.calls.end(self)
        if self._sound is not None:
            self._play(self._sound[1].finish())
            self.events.append(PartEnd(part=self._sound[0]))

    def _play(self, ready: str) -> None:
        assert self._sound is not None
        if ready:
            self.events.append(Delta(part=self._sound[0], kind="file", delta=ready))

    def _turn(self, kind: PartKind, thought: Thought | None = None) -> _Said:
        """Returns the open part, if it is of this kind and the thought belongs to it, else a new one."""
        said, key = self._said, thought.key if thought else None
        if said is not None and said.kind == kind and (key is None or said.key in (None, key)):
            said.key = said.key or key
            return said
        self._hush()
        part = Part(part=self._next(), kind=kind)
        if thought is not None:
            part.summary, part.item_id = thought.summary, thought.item_id
        self.events.append(part)
        self._said = said = _Said(kind, part.part, key)
        return said

    def _hush(self) -> None:
        if (said := self._said) is None:
            return
        self.events.append(
            PartEnd(
                part=said.part,
                signature=said.signature or UNSET,
                encrypted=said.encrypted or UNSET,
                provider=said.provider or UNSET,
            )
        )
        self._said = None

    def _next(self) -> int:
        self._count += 1
        return self._count - 1
