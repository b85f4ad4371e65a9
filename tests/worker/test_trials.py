"""Trials: whose record says that another ran its last attempt beside it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any, cast

from shared.generations import Generations, Record
from worker.trials import Trials


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


async def test_only_what_has_claimed_ran_beside_another() -> None:
    """A note on one that has yet to claim would be of its last attempt, which would not count: no suspect then."""
    notes = Notes()
    trials = Trials(cast(Generations, notes))
    async with AsyncExitStack() as stack:
        for name in ("a", "b", "c"):
            await stack.enter_async_context(trials.on_trial(suspect(name)))
        await trials.began("a")
        assert notes.calls == []
        await trials.began("b")
        await trials.began("c")
        assert notes.calls == [{"a", "b"}, {"c"}]
        await trials.began("a")  # its next attempt, whose claim wiped the note
        assert notes.calls[2:] == [{"a"}]
