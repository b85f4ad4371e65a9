"""What a chunk adds to the message, and what a whole message adds to what was said of it: from fields to parts."""

from typing import Any

from shared.log.events import PartKind, Raw
from worker.providers.errors import problem
from worker.providers.openai_chat.asides import Pieces
from worker.providers.openai_chat.chunk import PROTOCOL, ChunkDelta, ToolCallDelta
from worker.providers.openai_chat.heard import Heard
from worker.providers.openai_chat.parts import ChatParts
from worker.providers.openai_chat.reasoning import Thought, plain_text, read_entry
from worker.providers.openai_chat.thoughts import is_text, texts_within, thoughts_of, thoughts_within


class MessageReader:
    """The message so far."""

    def __init__(self, name: str, parts: ChatParts) -> None:
        self._name = name
        self._parts = parts
        self._heard: dict[PartKind, Heard] = {"text": Heard(), "reasoning": Heard(), "refusal": Heard()}
        self._add_text = self._heard["text"].add
        self._unknown = Pieces()
        self._seen: set[int] = set()
        """Hashes of what is said once: citations, images, opaque reasoning."""
        self._signed = 0
        """Characters of the reasoning up to the last of it that was opaque."""
        self._listed = False
        """Whether some of the reasoning since then came in a list."""

    def grow(self, delta: ChunkDelta) -> None:
        """Adds what a chunk adds."""
        thought = delta.reasoning_content or delta.reasoning
        elsewhere = delta.reasoning_details or delta.thinking_blocks or delta.reasoning_text or delta.thinking
        if not thought and 0 in (delta.reasoning_content, delta.reasoning):
            thought = 0
        if elsewhere or delta.reasoning_opaque or not (thought is None or isinstance(thought, str)):
            self._reason(delta)
        elif thought:
            self._say("reasoning", thought)
        if content := delta.content:
            if isinstance(content, str):
                self._add_text(content)
                self._parts.say("text", content)
            else:
                for item in content:
                    self._read_typed(item)
        if delta.refusal:
            self._say("refusal", delta.refusal)
        self._list(delta)
        if delta.tool_calls:
            self._parts.calls.read(delta.tool_calls, self._parts)
        if delta.function_call is not None and not delta.calls_twice:
            self._parts.calls.read([ToolCallDelta(index=-1, function=delta.function_call)], self._parts)
        if delta.audio is not None:
            self._hear(delta.audio)
        if delta.provider_specific_fields and (rest := delta.specific()):
            self.keep(provider_specific_fields=rest)

    def reconcile(self, message: ChunkDelta) -> dict[str, Any]:
        """Adds what a message says beyond what was said, and returns what contradicts it."""
        if self._is_silent():
            self.grow(message)
            for heard in self._heard.values():
                heard.collect(by_delta=False)
            return {}
        contradicts: dict[str, Any] = {}
        thoughts = [*thoughts_of(message)[0], *thoughts_within(message.content)]
        texts: dict[PartKind, str] = {
            "reasoning": "".join(thought.text for thought in thoughts),
            "text": "".join(texts_within(message.content)),
            "refusal": message.refusal or "",
        }
        for kind, text in texts.items():
            if (rest := self._heard[kind].rest(text)) is None:
                contradicts["message"] = {"role": message.role, kind: text}
            elif rest:
                self._parts.say(kind, rest)
        for thought in thoughts:
            if thought.encrypted:
                self._think(thought)
        self._list(message, again=True)
        if message.tool_calls:
            self._parts.calls.reconcile(message.tool_calls, self._parts)
        if message.function_call is not None and not message.calls_twice:
            self._parts.calls.reconcile([ToolCallDelta(index=-1, function=message.function_call)], self._parts)
        if message.audio is not None and not self._parts.hears:
            self._hear(message.audio)
        return contradicts

    def keep(self, /, **fields: Any) -> None:
        """Keeps what has no place among the parts as it came."""
        for told in self._unknown.read(fields):
            self._raw(**told)

    def finish(self) -> None:
        """Adds what of it is told at the end only."""
        if rest := self._unknown.rest():
            self._raw(**rest)

    def _is_silent(self) -> bool:
        """Says whether nothing of the message came yet."""
        heard = any(heard.any for heard in self._heard.values())
        return not (heard or self._seen or self._parts.calls.any or self._parts.hears)

    def _raw(self, /, **fields: Any) -> None:
        self._parts.events.append(Raw(protocol=PROTOCOL, data={"delta": fields}))

    def _say(self, kind: PartKind, text: str) -> None:
        if text:
            self._heard[kind].add(text)
            self._parts.say(kind, text)

    def _think(self, thought: Thought) -> None:
        """Adds reasoning; what is opaque once, as some send it with every chunk."""
        if thought.encrypted:
            if hash(thought.encrypted) in self._seen:
                return
            self._seen.add(hash(thought.encrypted))
        if thought.text:
            self._heard["reasoning"].add(thought.text)
            self._listed = self._listed or thought.key is not None
        if thought.key is None:
            if thought.text:
                self._parts.say("reasoning", thought.text)
        else:
            self._parts.think(thought)

    def _reason(self, delta: ChunkDelta) -> None:
        thoughts, unread = thoughts_of(delta)
        for fields in unread:
            self.keep(**fields)
        opaque = any(thought.signature or thought.encrypted for thought in thoughts)
        repeated = opaque and self._repeats(thoughts)
        for thought in thoughts:
            if repeated:
                thought.text = ""
            self._think(thought)
        if opaque:
            self._signed, self._listed = len(self._heard["reasoning"].collect()), False
        if repeated:
            self._parts.end_turn()

    def _repeats(self, thoughts: list[Thought]) -> bool:
        """Says whether entries with what their maker wants back say a thought once more, as Midstream's do.

        Those who say it in a list alone, or in both ways at once, never do.
        """
        text = "".join(thought.text for thought in thoughts)
        return bool(text) and not self._listed and self._heard["reasoning"].collect()[self._signed :].endswith(text)

    def _read_typed(self, item: Any) -> None:
        """Reads one entry of a content that is a list (Mistral's API reference: `ContentChunk`)."""
        match item:
            case _ if is_text(item) and (text := plain_text(item)) is not None:
                self._say("text", text)
                cited = item.get("annotations") if isinstance(item, dict) else None
                for fields in cited if isinstance(cited, list) else ():
                    self._annotate(fields)
            case {"type": "thinking" | "reasoning"}:
                self._read_thinking(item)
            case {"type": "refusal", "refusal": str(text)}:
                self._say("refusal", text)
            case {"type": "reference"}:
                self._parts.annotate(item)
            case {"type": "image_url"}:
                self._show(item)
            case _:
                self.keep(content=[item])

    def _read_thinking(self, item: dict[str, Any]) -> None:
        thoughts = read_entry(item)
        if thoughts is None and isinstance(pieces := item.get("thinking"), list):
            for piece in pieces:
                if (text := plain_text(piece)) is None:
                    self.keep(content=[{"type": "thinking", "thinking": [piece]}])
                else:
                    self._say("reasoning", text)
            return
        if thoughts is None:
            self.keep(content=[item])
        for thought in thoughts or ():
            self._think(thought)

    def _list(self, delta: ChunkDelta, *, again: bool = False) -> None:
        """Adds citations and images; `again`: only those that were not there yet."""
        for fields in delta.annotations or ():
            if self._is_new(fields, again=again):
                self._annotate(fields)
        for image in delta.images or ():
            if self._is_new(image, again=again):
                self._show(image)

    def _is_new(self, item: Any, *, again: bool) -> bool:
        """Notes a citation or an image; `again`: it is none if it was there."""
        address = item.get("image_url") if isinstance(item, dict) else None
        url = address.get("url") if isinstance(address, dict) else None
        mark = hash(url) if isinstance(url, str) else hash(repr(item))
        known = mark in self._seen
        self._seen.add(mark)
        return not (known and again)

    def _annotate(self, fields: Any) -> None:
        if isinstance(fields, dict):
            self._parts.annotate(fields)
        else:
            self.keep(annotations=[fields])

    def _show(self, image: Any) -> None:
        match image:
            case {"image_url": {"url": str(url)}} | {"image_url": str(url)} if url:
                try:
                    self._parts.show(url)
                except ValueError:
                    raise problem(self._name, "invalid_response", "an image that is no data: URL") from None
            case _:
                self.keep(images=[image])

    def _hear(self, audio: dict[str, Any]) -> None:
        """Adds sound as a file, and what is said in it as text."""
        match audio:
            case {"data": str(piece)}:
                item_id = audio.get("id")
                try:
                    self._parts.sound(item_id if isinstance(item_id, str) else None, piece)
                except ValueError:
                    raise problem(self._name, "invalid_response", "sound that is no Base64") from None
        match audio:
            case {"transcript": str(text)} if text:
                self._say("text", text)
        known = ("id", "data", "transcript")
        if rest := {name: value for name, value in audio.items() if name not in known and value is not None}:
            self.keep(audio=rest)
