"""`GET /v1/status`: true over HTTP, and for admins only."""

from __future__ import annotations

from api.access.caller import EVERYTHING, USUAL, Caller
from shared.queue.status import Status
from shared.queue.workers import Workers
from tests.api.harness import Api, MakeApi


async def test_without_keys_everybody_sees_how_the_queue_stands(api: Api) -> None:
    for _ in range(3):
        await api.post()
    await Workers(api.generations.queue.redis).beat("w", 5)
    answer = await api.client.get("/v1/status")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = Status.model_validate(answer.json())
    assert (found.queue.waiting, found.queue.running, found.queue.pending) == (3, 0, 3)
    assert found.queue.oldest_wait_ms is not None
    assert [worker.name for worker in found.workers.each] == ["w"]
    (facts,) = found.redis
    assert (facts.serves, facts.server, facts.append_fsync) == (["logs", "queue"], "Valkey", "everysec")
    assert (await api.client.head("/v1/status")).status_code == 200


async def test_it_is_for_the_scope_admin(make_api: MakeApi, redis_url: str) -> None:
    key = "a-key-of-sixteen-characters"
    api = await make_api(redis_url, api_keys=f"ann:{key}")
    assert (await api.client.get("/v1/status")).status_code == 401
    headers = {"Authorization": f"Bearer {key}"}
    refused = await api.client.get("/v1/status", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="admin"' in refused.headers["www-authenticate"]

    class Admin:
        """A credential with this scope."""

        scopes = USUAL

        async def caller(self, request: object) -> Caller:
            return Caller("ann", self.scopes)

    credential = Admin()
    api.app.state.callers._credentials = [credential]
    assert (await api.client.get("/v1/status")).status_code == 403
    credential.scopes = EVERYTHING
    assert (await api.client.get("/v1/status")).status_code == 200


async def test_a_redis_that_is_away_is_503(make_api: MakeApi, tmp_path: object) -> None:
    api = await make_api(f"unix://{tmp_path}/none.sock")
    answer = await api.client.get("/v1/status")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
