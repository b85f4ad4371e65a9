"""Background tasks: whatever ends one, it runs again, and no log line quotes what it was about."""

from __future__ import annotations

import asyncio

import pytest

from api.supervisor import supervise, supervised, where


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, of which nothing is waited."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr("shared.backoff.asyncio.sleep", noted)
    return waited


class Task:
    """Ends in each of these ways, one after the other, and then for ever goes on."""

    def __init__(self, *ends: Exception | None) -> None:
        self.begun = 0
        self.waits = asyncio.Event()
        self._ends = list(ends)

    async def run(self) -> None:
        self.begun += 1
        if not self._ends:
            self.waits.set()
            await asyncio.Event().wait()
        if (error := self._ends.pop(0)) is not None:
            raise error


async def test_it_runs_again_whether_it_fails_or_ends(caplog: pytest.LogCaptureFixture, pauses: list[float]) -> None:
    task = Task(LookupError("a prompt"), None, OSError("a key"))
    async with supervised("cleaning", task.run), asyncio.timeout(5):
        await task.waits.wait()
    assert task.begun == 4
    lines = [record.getMessage() for record in caplog.records if record.name == "midstream.api"]
    assert lines[0].startswith("cleaning failed and is started again: LookupError at run:")
    assert lines[1] == "cleaning ended; starting it again"
    assert len(lines) == 3
    assert not any("a prompt" in line or "a key" in line for line in lines)
    # Each pause is at least half of the one that doubles.
    assert [pause >= bound for pause, bound in zip(pauses, (0.1, 0.2, 0.4), strict=True)] == [True] * 3


async def test_pauses_are_bounded(pauses: list[float]) -> None:
    task = Task(*[OSError()] * 20)
    async with supervised("x", task.run), asyncio.timeout(5):
        await task.waits.wait()
    assert max(pauses) <= 10.0


async def test_what_is_meant_to_end_once_is_tried_until_it_does() -> None:
    task = Task(OSError(), None)
    await supervise("asking", task.run, once=True)
    assert task.begun == 2


async def test_it_ends_with_the_block() -> None:
    task = Task()
    async with supervised("x", task.run):
        await task.waits.wait()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others


def test_where_an_error_was_is_told_from_the_inside_out() -> None:
    def inner() -> None:
        raise ValueError("a secret")

    def outer() -> None:
        inner()

    with pytest.raises(ValueError, match="a secret") as caught:
        outer()
    text = where(caught.value)
    assert text.startswith("ValueError at inner:")
    assert " < outer:" in text
    assert "secret" not in text


def test_of_a_deep_error_the_innermost_frames_are_told() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError
        deep(levels - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        deep(20)
    assert where(caught.value).count("deep:") == 6
