"""Upstreams for the adapters: the simulator as a process of its own, and a server of given bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.upstream import Upstream
from worker.providers import call_ids
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.provider import Provider
from worker.providers.registry import Registry

Adapter = Callable[..., Provider]


@pytest.fixture(scope="session", autouse=True)
def same_ids() -> Iterator[None]:
    """Ids that are made up are the same in each reading of the same bytes: `call_` and the part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_ids, "token_hex", lambda size: "")
        yield


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The root URL of a running simulator."""
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def times() -> CallTimes:
    """For how long a provider is waited for, unless `adapter` is told otherwise."""
    return CALL_TIMES


@pytest.fixture
async def adapter(times: CallTimes) -> AsyncIterator[Adapter]:
    """Makes the adapter of a protocol for a root URL."""
    registries: list[Registry] = []

    def make(protocol: Protocol, url: str, own: CallTimes | None = None) -> Provider:
        base_url = f"{url}/v1" if protocol.startswith("openai") else url
        registries.append(Registry({"acme": ProviderSettings(protocol=protocol, base_url=base_url)}, own or times))
        return registries[-1].get("acme")

    yield make
    for registry in registries:
        await registry.aclose()


@pytest.fixture
def ask() -> Callable[..., GenerationRequest]:
    """Makes a request; a question of one user message unless `messages` are given."""

    def make(**fields: Any) -> GenerationRequest:
        fields.setdefault("messages", [{"role": "user", "content": "Why is the sky blue?"}])
        return GenerationRequest.model_validate({"model": "acme/m", **fields})

    return make
