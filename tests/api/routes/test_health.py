"""What load balancers and alarms ask: alive, and ready."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from redis.asyncio import Redis

from midstream.processes.valkey import Valkey
from tests.api.harness import Api, MakeApi

SENTENCE = "raise its `maxclients`, or lower MIDSTREAM_REDIS_CONNECTIONS"


async def errors(api: Api, code: str) -> dict[str, str]:
    """What `/readyz` names, by variable."""
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert (await api.client.get("/livez")).status_code == 200
    found = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert all(name in answer.json()["detail"] and text in answer.json()["detail"] for name, text in found.items())
    return found


async def test_each_redis_must_take_a_write(make_api: MakeApi, own_valkey: Valkey, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "queue") as queue:
        api = await make_api(own_valkey.url, queue_url=queue.url, redis_timeout=0.3)
        assert (await api.client.get("/readyz")).status_code == 200
        await api.generations.queue.redis.config_set("maxmemory", "1")
        (name, text), *others = (await errors(api, "storage_full")).items()
        assert (name, others) == ("MIDSTREAM_QUEUE_URL", [])
        assert text.startswith("refuses: OOM command not allowed")
        async with Redis.from_url(own_valkey.url) as own:
            await own.replicaof("127.0.0.1", 9)
            found = await errors(api, "storage_full")
            assert found["MIDSTREAM_REDIS_URL"].startswith("refuses: READONLY ")
            await own.replicaof("NO", "ONE")
        await api.generations.queue.redis.config_set("maxmemory", "0")
        assert (await api.client.get("/readyz")).status_code == 200
        await queue.kill()
        assert await errors(api, "unavailable") == {"MIDSTREAM_QUEUE_URL": "cannot be reached"}


async def test_one_redis_is_named_once(make_api: MakeApi, own_valkey: Valkey) -> None:
    for url in (None, own_valkey.url):
        api = await make_api(own_valkey.url, queue_url=url)
        await api.log.redis.config_set("maxmemory", "1")
        assert list(await errors(api, "storage_full")) == ["MIDSTREAM_REDIS_URL"]
        await api.log.redis.config_set("maxmemory", "0")


async def test_it_warns_where_redis_takes_no_more_connections(make_api: MakeApi, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "valkey", config={"maxclients": "20"}) as server:
        # 20 POSTs wait for the few connections that there are, on a busy machine for more than two seconds.
        api = await make_api(server.url, redis_timeout=10.0)
        await api.post()
        others = []
        while (await api.log.redis.info("clients"))["connected_clients"] < 20:
            others.append(Redis.from_url(server.url, single_connection_client=True))
            await others[-1].ping()
        # Those that are there serve all; that no further one is to be had is said.
        assert all(await asyncio.gather(*(api.post() for _ in range(20))))
        answer = await api.client.get("/readyz")
        assert answer.status_code == 200
        assert SENTENCE in answer.json()["warning"]
        for other in others:
            await other.aclose()
        async with asyncio.timeout(10):
            while SENTENCE in (await api.client.get("/readyz")).json()["warning"]:
                await asyncio.sleep(0.05)


async def test_a_node_that_is_told_to_end_says_so_at_once(api: Api) -> None:
    assert (await api.client.get("/livez")).status_code == 200
    api.server.handle_exit(signal.SIGTERM, None)
    api.server.should_exit = False  # it would close its listener now
    answer = await api.client.get("/livez")
    assert (answer.status_code, answer.json()["code"]) == (503, "draining")
    assert (await api.client.get("/readyz")).status_code == 200
