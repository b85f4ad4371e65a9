"""Trials: whose record says that another ran its last attempt beside it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any, cast

from shared.generations.generations import Generations
from shared.record import Record
from worker.running.quarantine import Quarantine


class Notes:
    """In place of the generations: what was noted, call by call."""

    def __init__(self) -> None:
        self.calls: list[set[str]] = []

    async def note_beside(self, generation_ids: Iterable[str]) -> None:
        self.calls.append(set(generation_ids))


def suspect(name: str) -> Record:
    """One that has lost two workers of three."""
    values: dict[str, Any] = {field.name: None for field in fields(Record)}
    lost = {"id": name, "state": "running", "failures": 1, "max_attempts": 3, "pardons": 0}
    return Record(**values | lost | {"beside": False, "cancel_requested": False})


async def test_the_later_ones_claim_says_so_and_the_first_is_noted() -> None:
    notes = Notes()
    quarantine = Quarantine(cast(Generations, notes))
    async with AsyncExitStack() as stack:
        for name, beside in (("a", False), ("b", True), ("c", True)):
            await stack.enter_async_context(quarantine.admitted(suspect(name)))
            assert quarantine.is_beside(name) is beside
            await quarantine.claimed(name)
        assert notes.calls == [{"a"}]
        assert not quarantine.is_beside("none of them")
    assert not quarantine.is_beside("a")


async def test_what_has_yet_to_claim_is_not_noted() -> None:
    """It would be of its last attempt, which would not count then: the next time it would be no suspect."""
    notes = Notes()
    quarantine = Quarantine(cast(Generations, notes))
    async with AsyncExitStack() as stack:
        for name in ("a", "b"):
            await stack.enter_async_context(quarantine.admitted(suspect(name)))
        assert quarantine.is_beside("a")
        await quarantine.claimed("a")
        assert notes.calls == []


async def test_two_that_claim_at_once() -> None:
    """One was alone when it claimed, and the other was quicker: the first to have begun is noted by itself."""
    notes = Notes()
    quarantine = Quarantine(cast(Generations, notes))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(quarantine.admitted(suspect("a")))
        assert not quarantine.is_beside("a")
        await stack.enter_async_context(quarantine.admitted(suspect("b")))
        assert quarantine.is_beside("b")
        await quarantine.claimed("b")
        await quarantine.claimed("a")
        assert notes.calls == [{"a"}]
