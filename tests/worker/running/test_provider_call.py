"""What an answer begins with before it says anything: put once it does, and bounded meanwhile. And how a call fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET

from shared.config.settings import Settings
from shared.log.events import Delta, Failed, Part, Raw, Response, decode
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.log.snapshots import Snapshot
from shared.request.generation_request import GenerationRequest
from worker.providers.provider import Provider, ProviderError, ProviderEvent
from worker.requests.kept_request import KeptRequest
from worker.running.provider_call import Begun, ProviderCall, stream
from worker.writing.writer import LogFullError, Writer


async def restored() -> bool:
    return True


def writer(max_log: int) -> Writer:
    claim = Claim(ClaimOutcome.CLAIMED, token=7, number=1, first=b"{}")
    return Writer("gen_x", claim, max_log=max_log, dirty=lambda _: None, restore=restored, stop=lambda _: None)


def test_what_begins_is_held_until_something_is_said() -> None:
    one = writer(10_000)
    begun = Begun(one)
    begun.put(Response(response_id="r"))
    begun.put(Part(part=0, kind="text"))
    begun.put(Raw(protocol="p", data=1))
    assert (begun.said, one.said_something, one.behind) == (False, False, 1)
    begun.put(Delta(part=0, kind="text", delta="x"))
    assert (begun.said, one.said_something) == (True, True)
    said = [decode(*event).type for event in list(one.events())[1:]]
    assert said == ["response", "part", "raw", "delta"]


def test_what_is_held_has_the_bound_of_the_log() -> None:
    begun = Begun(writer(10_000))
    begun.put(Part(part=0, kind="text"))
    for _ in range(9):
        begun.put(Raw(protocol="p", data="x" * 1000))
    with pytest.raises(LogFullError):
        begun.put(Raw(protocol="p", data="x" * 1000))
    assert not begun.said


class Refuses(Provider):
    """A provider that answers with an error."""

    name = "p"
    idle_timeout = None

    def __init__(self, error: ProviderError) -> None:
        self._error = error

    async def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        raise self._error
        yield []

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        return False

    async def cancel(self, request: GenerationRequest, response_id: str) -> None: ...

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("status", "retry_after", "told"),
    [(503, 1.5, (503, 1500)), (None, None, (UNSET, UNSET)), (429, 0.0, (429, 0)), (429, 1e300, (429, 10**12))],
)
async def test_a_failure_says_what_the_provider_answered(
    status: int | None, retry_after: float | None, told: tuple[object, object]
) -> None:
    error = ProviderError("overloaded", "m", retryable=True, status=status, retry_after=retry_after)
    request = GenerationRequest.model_validate({"model": "p/m", "messages": [{"role": "user", "content": "?"}]})
    nobody: Any = SimpleNamespace(chain=None)
    kept = KeptRequest(nobody, nobody, request.model_dump_json(exclude_unset=True).encode(), b"")
    await kept.request()
    settings = Settings(retries=0)
    end = await stream(ProviderCall(Refuses(error), kept, "m"), writer(1_000), settings, seconds=5)
    assert isinstance(end.event, Failed)
    assert (end.event.status, end.event.retry_after_ms) == told
