"""Notes of when generations are due: the newest of each, also where Redis was away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest
from redis.exceptions import ConnectionError

from api.counting import put_offs as module
from api.counting.put_offs import PutOffs
from shared.generations.unwatched import Unwatched
from tests.api.harness import until


class Index:
    """What was written, and whether Redis answers."""

    def __init__(self) -> None:
        self.written: list[dict[str, int]] = []
        self.away = False

    async def put_off(self, ahead_ms: Mapping[str, int]) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionError
        self.written.append(dict(ahead_ms))


async def test_what_waited_is_written_once_redis_is_back_the_newest_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    index = Index()
    subject = PutOffs(cast(Unwatched, index))
    task = asyncio.create_task(subject.run())
    index.away = True
    for number, name in enumerate("abacd"):
        subject.put(name, number)
    await asyncio.sleep(0.1)
    index.away = False
    await until(lambda: index.written, "the notes")
    task.cancel()
    # The oldest of too many is forgotten.
    assert index.written == [{"a": 2, "c": 3, "d": 4}]


async def test_what_comes_while_it_is_written_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    index = Index()
    subject = PutOffs(cast(Unwatched, index))
    for name in "abc":
        subject.put(name, 1)
    writing = asyncio.create_task(subject.flush())
    await asyncio.sleep(0)
    subject.put("a", 9)
    await writing
    assert index.written == [{"a": 1, "b": 1}, {"c": 1, "a": 9}]
