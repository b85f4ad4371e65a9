"""What the client's tests share: a real server that cuts its viewers off, and pauses that are not made."""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import pytest

from tests.midstream.scripted_api import ScriptedApi


@pytest.fixture
def scripted_api() -> Iterator[ScriptedApi]:
    """A server that serves one generation and cuts its viewers off."""
    with ScriptedApi() as api:
        yield api


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that either client would have made."""
    made: list[float] = []

    async def asleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(time, "sleep", made.append)
    monkeypatch.setattr(anyio, "sleep", asleep)
    return made
