"""The client's tool calls in the order of a stream: one after the other, though the log may have several by turns.

The helpers of OpenAI's SDKs take a call for whole when a chunk of another comes, and parse its arguments.
"""

from api.dialects.openai_chat.parts import SaidPart


class Calls:
    """Sends a call's chunks while it is the one that speaks, and holds those of others back until its arguments end."""

    def __init__(self) -> None:
        self._count = 0
        self._speaking: SaidPart | None = None
        self._held: dict[int, list[bytes]] = {}
        """Chunks of the calls that wait, by the calls' numbers, in their order."""
        self._waiting: dict[int, SaidPart] = {}

    def add(self) -> int:
        """Returns the number of one more."""
        self._count += 1
        return self._count - 1

    def speak(self, call: SaidPart, chunk: bytes) -> tuple[bytes, ...]:
        """Returns what can be sent of a chunk of this call."""
        if call is self._speaking:
            return (chunk,)
        assert call.call is not None
        if (held := self._held.get(call.call)) is not None:
            held.append(chunk)
            return ()
        if self._speaking is None or self._speaking.ended or (not self._held and self._speaking.is_object()):
            self._speaking = call
            return (chunk,)
        self._held[call.call], self._waiting[call.call] = [chunk], call
        return ()

    def end(self) -> list[bytes]:
        """Returns what was held back for a call that has ended by now."""
        chunks: list[bytes] = []
        while self._held and (self._speaking is None or self._speaking.ended):
            number = next(iter(self._held))
            chunks += self._held.pop(number)
            self._speaking = self._waiting.pop(number)
        return chunks

    def release(self) -> list[bytes]:
        """Returns all that was held back, as no more comes of the calls before."""
        chunks = [chunk for held in self._held.values() for chunk in held]
        self._held.clear()
        self._waiting.clear()
        self._speaking = None
        return chunks
