"""Notes are written beside, again where Redis was away, and are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import ConnectionError, OutOfMemoryError, ResponseError

from api.intake import asker_notes
from api.intake.asker_notes import AskerNotes
from shared.generations.askers import AskerState, NotedAsker

Note = tuple[str, NotedAsker]


class Book:
    """Stands in for Redis: says what the test tells it to say, and keeps what it took."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.took: list[tuple[str, str, str]] = []
        self.calls = 0
        self.waits: asyncio.Event | None = None

    async def note_all(self, notes: Sequence[Note]) -> list[ResponseError | None]:
        self.calls += 1
        if self.waits is not None:
            await self.waits.wait()
        answer = self.answers.pop(0) if self.answers else [None] * len(notes)
        if isinstance(answer, Exception):
            raise answer
        self.took += [(d, a.name, a.state) for (d, a), error in zip(notes, answer, strict=True) if error is None]
        return list(answer)


def asker(name: str, state: AskerState = "broken") -> NotedAsker:
    return NotedAsker("gen_x", name, state)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker_notes, "FIRST_RETRY_S", 0.001)


async def written(notes: AskerNotes) -> None:
    running = asyncio.create_task(notes.run())
    async with asyncio.timeout(5):
        await notes.kept()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def made(book: Book) -> AskerNotes:
    return AskerNotes(book)  # type: ignore[arg-type]


async def test_notes_are_written_in_one_round_trip() -> None:
    book = Book()
    notes = made(book)
    for name in ("n/1", "n/2"):
        notes.put("d", asker(name))
    await written(notes)
    assert book.took == [("d", "n/1", "broken"), ("d", "n/2", "broken")]
    assert book.calls == 1


async def test_what_redis_does_not_take_is_written_again_and_what_it_refuses_is_dropped() -> None:
    book = Book()
    book.answers = [ConnectionError(), [OutOfMemoryError("OOM"), ResponseError("WRONGTYPE odd"), None]]
    notes = made(book)
    for name in ("n/1", "n/2", "n/3"):
        notes.put("d", asker(name))
    await written(notes)
    assert book.took == [("d", "n/3", "broken"), ("d", "n/1", "broken")]
    assert book.calls == 3


async def test_a_newer_note_of_an_asker_replaces_the_older_also_while_that_is_written() -> None:
    book = Book()
    book.waits = asyncio.Event()
    notes = made(book)
    notes.put("d", asker("n/1", "connected"))
    writing = asyncio.create_task(written(notes))
    async with asyncio.timeout(5):
        while not book.calls:
            await asyncio.sleep(0)
    notes.put("d", asker("n/1", "answered"))
    book.waits.set()
    await writing
    assert [state for _, _, state in book.took] == ["connected", "answered"]


async def test_notes_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker_notes, "MAX_WAITING", 3)
    monkeypatch.setattr(asker_notes, "PAGE", 2)
    book = Book()
    notes = made(book)
    for number in range(5):
        notes.put("d", asker(f"n/{number}"))
    await written(notes)
    assert [name for _, name, _ in book.took] == ["n/2", "n/3", "n/4"]
    assert book.calls == 2
