"""What a generation asks for, on its worker: parsed once, let go when the provider has it, kept small until the end.

A request may be 8 MB, parsed several times that, and its answer takes minutes. Parsed, a large one is therefore kept
only until the answer begins, as until then the call may be made again. Its JSON stays, compressed, as long as the
generation runs: a further attempt reads it, and a Redis that came back without the generation is given it again.
One that goes on from another generation is the whole conversation here (worker/requests/conversation.py), and in Redis
what it was.
"""

import zlib
from typing import Any

from shared.errors import PreviousError
from shared.generations.generations import Generations
from shared.process.background_thread import LONG_WORK_BYTES, aside
from shared.record import Record
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import read
from shared.request.tool_pairing import paired
from worker.requests import token_estimate
from worker.requests.conversation import Conversation

ZLIB_LEVEL = 1
"""Level of zlib: prose to two fifths, base64 to three quarters, 8 MB of it in 250 ms. Others run meanwhile: zlib lets
go of the interpreter."""


class PackedText:
    """JSON that is kept, compressed once `pack` was called."""

    def __init__(self, text: bytes) -> None:
        self.kept = text
        self.size = len(text)
        self._packed = False

    async def text(self) -> bytes:
        """Returns the JSON."""
        return await aside(self.size, zlib.decompress, self.kept) if self._packed else self.kept

    async def pack(self) -> None:
        """Compresses it, where it is large."""
        if not self._packed and self.size >= LONG_WORK_BYTES:
            self.kept = await aside(self.size, zlib.compress, self.kept, ZLIB_LEVEL)
            self._packed = True


class KeptRequest:
    """One generation's request. `stored` is its JSON as the record has it, `asked` how it was asked for."""

    def __init__(self, generations: Generations, record: Record, stored: bytes, asked: bytes) -> None:
        self.head: GenerationRequest | None = None
        """Its settings, without messages, tools, schemas and what is in `extra`. None until it has been read."""
        self._generations = generations
        self._record = record
        self._asked = asked
        self.stored = self._whole = PackedText(stored)
        self._joined = record.chain is None or not record.chain.nearest
        self._parsed: GenerationRequest | None = None

    async def request(self) -> GenerationRequest:
        """Returns the whole request. Raises pydantic.ValidationError where it cannot be read.

        Raises PreviousError where what it goes on from cannot be had or does not fit, and redis.exceptions.RedisError.
        """
        if self._parsed is None:
            await self._join()
            request = await aside(self._whole.size, read, await self._whole.text())
            self._parsed = request if self._whole is self.stored else await self._paired(request)
            if self.head is None:
                names: dict[str, Any] = {name: {} for name, fields in self._parsed.extra.items() if fields}
                self.head = self._parsed.model_copy(
                    update={"messages": [], "tools": None, "response_format": None, "extra": names}
                )
        return self._parsed

    async def _join(self) -> None:
        if self._joined:
            return
        conversation = Conversation(self._generations, self._record)
        self._whole = PackedText(await conversation.before(await self.stored.text(), self._asked))
        self._joined = True

    async def _paired(self, request: GenerationRequest) -> GenerationRequest:
        messages, flaws = await aside(self._whole.size, paired, request.messages)
        if flaws:
            assert self._record.chain is not None
            raise PreviousError("unpaired", self._record.chain.nearest[0])
        return request if messages is request.messages else request.model_copy(update={"messages": messages})

    async def characters(self) -> int:
        """Returns how many characters of text it has, as an estimate needs them."""
        return await token_estimate.characters(await self._whole.text())

    @property
    def heavy(self) -> bool:
        """Says whether it is large, and here parsed."""
        return self._parsed is not None and self._whole.size >= LONG_WORK_BYTES

    async def answered(self) -> None:
        """Lets go of a large request but for its compressed JSON, as the provider has it and has begun to answer."""
        if not self.heavy:
            return
        self._parsed = None
        await self._whole.pack()
        await self.stored.pack()

    async def restore(self) -> bool:
        """Writes the record again, which Redis has forgotten; returns False where it was deleted or has expired."""
        return await self._generations.restore(self._record.accepted(await self.stored.text(), self._asked))
