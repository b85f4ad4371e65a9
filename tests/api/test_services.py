"""What the routes work with: a record is its owner's only, and a Redis that may have forgotten is not believed."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from api import services
from api.problems.problem import ProblemError
from api.services import ApiServices
from shared.storage.clock import ServerClock
from shared.storage.keys import GenerationKeys
from tests.api.harness import Api, Producer

UNKNOWN = "gen_" + "a" * 32


@pytest.fixture
def use(api: Api) -> ApiServices:
    use: ApiServices = api.app.state.services
    return use


def redis_is_up_for(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    async def read_server(_: object) -> ServerClock:
        return ServerClock(0, int(seconds * 1000), "a")

    monkeypatch.setattr(services, "read_server", read_server)


async def refused(use: ApiServices, generation_id: str, owner: str = "local") -> str:
    with pytest.raises(ProblemError) as caught:
        await use.record(generation_id, owner)
    return caught.value.code


async def test_a_record_is_its_owners(use: ApiServices, running: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_is_up_for(monkeypatch, 3_600)
    record = await use.record(running.generation_id, "local")
    assert (record.id, record.state) == (running.generation_id, "running")
    assert await refused(use, running.generation_id, "somebody") == "not_found"
    assert await refused(use, UNKNOWN) == "not_found"


async def test_what_was_deleted_is_gone_for_its_owner_and_was_never_there_for_others(
    api: Api, use: ApiServices, running: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_is_up_for(monkeypatch, 3_600)
    await api.client.delete(f"/v1/generations/{running.generation_id}")
    assert await refused(use, running.generation_id) == "gone"
    assert await refused(use, running.generation_id, "somebody") == "not_found"


async def test_what_something_else_wrote_is_unreadable(api: Api, use: ApiServices, running: Producer) -> None:
    await api.log.redis.hset(GenerationKeys(running.generation_id).record, "created", "x")  # type: ignore[misc]
    assert await refused(use, running.generation_id) == "unreadable"


@pytest.mark.parametrize(
    ("up", "age", "sure", "restarted"),
    [
        (0.5, 60.0, True, True),
        (0.5, 60.0, False, True),
        # It was there before this process, as far as can be told.
        (0.5, 1.0, True, False),
        (0.5, 1.0, False, True),
        (3_600.0, 60.0, False, False),
        (3_600.0, 9_999.0, True, False),
    ],
)
async def test_whether_redis_has_just_restarted(
    use: ApiServices, monkeypatch: pytest.MonkeyPatch, up: float, age: float, sure: bool, restarted: bool
) -> None:
    redis_is_up_for(monkeypatch, up)
    old = replace(use, started=time.monotonic() - age)
    assert await old.just_restarted(sure=sure) is restarted


async def test_what_a_redis_that_has_just_restarted_lacks_may_come_back(
    use: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_is_up_for(monkeypatch, 0.5)
    assert await refused(replace(use, started=time.monotonic() - 60), UNKNOWN) == "unavailable"


@pytest.mark.parametrize("path", [f"/v1/generations/{UNKNOWN}", "/v1/conversations/chat"])
async def test_what_may_come_back_is_not_said_to_be_deleted(
    api: Api, use: ApiServices, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert (await api.client.delete(path)).status_code == 404
    redis_is_up_for(monkeypatch, 0.5)
    api.app.state.services = replace(use, started=time.monotonic() - 60)
    answer = await api.client.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "generation_id", ["x", "gen_", "gen_" + "a" * 31, "gen_" + "a" * 33, "gen_" + "1" * 32, "gen_" + "A" * 32]
)
async def test_an_id_of_another_shape_is_not_looked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch, generation_id: str
) -> None:
    async def find(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(api.generations, "find", find)
    answer = await api.client.get(f"/v1/generations/{generation_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
