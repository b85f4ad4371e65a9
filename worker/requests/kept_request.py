"""What a generation asks for, on its worker: parsed once, let go when the provider has it, kept small until the end.

A request may be 8 MB, parsed several times that, and its answer takes minutes. Parsed, a large one is therefore kept
only until the answer begins, as until then the call may be made again. Its JSON stays, compressed, as long as the
generation runs: a further attempt reads it, and a Redis that came back without the generation is given it again.
"""

import zlib
from typing import Any

from shared.generations.generations import Generations
from shared.process.background_thread import LONG_WORK_BYTES, aside
from shared.record import Record
from shared.request.generation_request import GenerationRequest
from shared.request.request_json import read
from worker.requests import token_estimate

ZLIB_LEVEL = 1
"""Level of zlib: prose to two fifths, base64 to three quarters, 8 MB of it in 250 ms. Others run meanwhile: zlib lets
go of the interpreter."""


class KeptRequest:
    """One generation's request. `stored` is its JSON as the record has it, `asked` how it was asked for."""

    def __init__(self, generations: Generations, record: Record, stored: bytes, asked: bytes) -> None:
        self.head: GenerationRequest | None = None
        """Its settings, without messages, tools, schemas and what is in `extra`. None until it has been read."""
        self._generations = generations
        self._record = record
        self._asked = asked
        self.stored = stored
        self._size = len(stored)
        self._packed = False
        self._parsed: GenerationRequest | None = None

    async def request(self) -> GenerationRequest:
        """Returns the whole request. Raises pydantic.ValidationError where it cannot be read."""
        if self._parsed is None:
            self._parsed = await aside(self._size, read, await self._json())
            if self.head is None:
                names: dict[str, Any] = {name: {} for name, fields in self._parsed.extra.items() if fields}
                self.head = self._parsed.model_copy(
                    update={"messages": [], "tools": None, "response_format": None, "extra": names}
                )
        return self._parsed

    async def _json(self) -> bytes:
        return await aside(self._size, zlib.decompress, self.stored) if self._packed else self.stored

    async def characters(self) -> int:
        """Returns how many characters of text it has, as an estimate needs them."""
        return await token_estimate.characters(await self._json())

    @property
    def heavy(self) -> bool:
        """Says whether it is large, and here parsed."""
        return self._parsed is not None and self._size >= LONG_WORK_BYTES

    async def answered(self) -> None:
        """Lets go of a large request but for its compressed JSON, as the provider has it and has begun to answer."""
        if not self.heavy:
            return
        self._parsed = None
        if not self._packed:
            self.stored = await aside(self._size, zlib.compress, self.stored, ZLIB_LEVEL)
            self._packed = True

    async def restore(self) -> bool:
        """Writes the record again, which Redis has forgotten; returns False where it was deleted or has expired."""
        return await self._generations.restore(self._record.accepted(await self._json(), self._asked))
