"""`midstream keys` as a real process, on the Redis of two real APIs: what it makes is taken, what it ends is cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.harness.processes import Stack
from tests.harness.repository import ROOT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

KEY = re.compile(r"ms_[a-z2-7]{32}")
DEADLINE = 30.0
SLOW = {
    "model": "simulator/clock?deltas=100000&rate=20",
    "messages": [{"role": "user", "content": "Go."}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two APIs that take keys from Redis, beside one of the settings, and a worker."""
    environment = {"MIDSTREAM_KEYS": "redis", "MIDSTREAM_API_KEYS": "ann:key-of-the-settings"}
    async with Stack(tmp_path_factory.mktemp("keys"), apis=2, environment=environment) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


async def keys(stack: Stack, *words: str, **environment: str) -> tuple[int, str, str]:
    """What the command answers: its exit status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "midstream", "keys", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=stack.folder,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(stack.folder),
            **stack.environment,
            **environment,
        },
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def made(stack: Stack, *words: str) -> dict[str, Any]:
    code, out, err = await keys(stack, "create", *words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    assert KEY.fullmatch(found["key"])
    return found


async def listed(stack: Stack) -> dict[str, dict[str, Any]]:
    """The keys that are good, by their ids."""
    code, out, _ = await keys(stack, "list", "--json")
    assert code == 0
    return {key["id"]: key for key in map(json.loads, out.splitlines())}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def statuses(stack: Stack, http: httpx2.AsyncClient, key: str) -> set[int]:
    """What each node says to a key."""
    answers = [await http.get(f"{api.url}/v1/generations", headers=bearer(key)) for api in stack.apis]
    return {answer.status_code for answer in answers}


async def refused(stack: Stack, http: httpx2.AsyncClient, key: str) -> None:
    """Waits until all nodes refuse a key."""
    async with asyncio.timeout(DEADLINE):
        while await statuses(stack, http, key) != {401}:
            await asyncio.sleep(0.1)


async def posted(stack: Stack, http: httpx2.AsyncClient, key: str) -> str:
    answer = await http.post(f"{stack.apis[0].url}/v1/generations", json=SLOW, headers=bearer(key))
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["id"]
    return id


@contextlib.asynccontextmanager
async def watching(
    stack: Stack, http: httpx2.AsyncClient, id: str, key: str
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """A viewer at each node, each a task that ends as its stream does; all have had something of the answer."""
    said = [asyncio.Event() for _ in stack.apis]

    async def watch(url: str, begun: asyncio.Event) -> None:
        async with http.stream("GET", f"{url}/v1/generations/{id}/events", headers=bearer(key)) as response:
            assert response.status_code == 200
            async for text in response.aiter_text():
                if "event: delta" in text:
                    begun.set()

    viewers = [asyncio.create_task(watch(api.url, begun)) for api, begun in zip(stack.apis, said, strict=True)]
    try:
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*(begun.wait() for begun in said))
        yield viewers
    finally:
        for viewer in viewers:
            viewer.cancel()
        await asyncio.gather(*viewers, return_exceptions=True)


async def test_a_key_is_made_used_listed_rotated_and_revoked(stack: Stack, http: httpx2.AsyncClient) -> None:
    code, out, err = await keys(stack, "create", "bob", "--scope", "generate,read")
    assert code == 0
    key = out.strip()
    assert KEY.fullmatch(key)
    [id] = re.findall(r"key_[a-z2-7]{16}", err)
    assert "nobody can show it again" in err
    assert (await listed(stack))[id]["used"] is None

    assert await statuses(stack, http, key) == {200}
    generation = await posted(stack, http, key)
    assert (await http.get(f"{stack.apis[1].url}/v1/generations/{generation}", headers=bearer(key))).status_code == 200
    for other in ("key-of-the-settings", (await made(stack, "eve"))["key"]):
        answer = await http.get(f"{stack.apis[1].url}/v1/generations/{generation}", headers=bearer(other))
        assert answer.status_code == 404
    async with asyncio.timeout(DEADLINE):
        while (shown := (await listed(stack))[id])["used"] is None:
            await asyncio.sleep(0.1)
    assert (shown["owner"], shown["scopes"], shown["expires"]) == ("bob", ["generate", "read"], None)
    assert shown["used"] >= shown["created"]

    code, out, _ = await keys(stack, "rotate", id)
    assert code == 0
    newer = out.strip()
    assert KEY.fullmatch(newer)
    assert await statuses(stack, http, newer) == {200}
    await refused(stack, http, key)
    assert id not in await listed(stack)
    answer = await http.get(f"{stack.apis[0].url}/v1/generations/{generation}", headers=bearer(newer))
    assert answer.status_code == 200, "it is the same owner"

    [new_id] = [key["id"] for key in (await listed(stack)).values() if key["owner"] == "bob"]
    async with watching(stack, http, generation, newer) as viewers:
        assert (await keys(stack, "revoke", new_id))[0] == 0
        done, _ = await asyncio.wait(viewers, timeout=DEADLINE)
        assert done == set(viewers)
        for viewer in viewers:  # a clean end would be the answer's
            assert isinstance(viewer.exception(), httpx2.HTTPError)
    await refused(stack, http, newer)
    assert new_id not in await listed(stack)
    assert (await keys(stack, "revoke", new_id))[0] == 3
    assert (await keys(stack, "rotate", new_id))[0] == 3


async def test_an_old_key_may_be_kept_for_a_while(stack: Stack, http: httpx2.AsyncClient) -> None:
    old = await made(stack, "carol", "--scope", "read")
    code, out, _ = await keys(stack, "rotate", old["id"], "--keep", "3s", "--json")
    assert code == 0
    new = json.loads(out)
    assert (new["owner"], new["scopes"], new["expires"]) == ("carol", ["read"], None)
    assert await statuses(stack, http, new["key"]) == {200}
    await refused(stack, http, old["key"])
    assert await statuses(stack, http, new["key"]) == {200}


async def test_a_key_expires_and_its_viewers_with_it(stack: Stack, http: httpx2.AsyncClient) -> None:
    short, long = await made(stack, "dora", "--expires", "8s"), await made(stack, "dora", "--expires", "90d")
    assert short["expires"] > short["created"]
    generation = await posted(stack, http, long["key"])
    async with watching(stack, http, generation, short["key"]) as viewers:
        done, _ = await asyncio.wait(viewers, timeout=DEADLINE)
        assert done == set(viewers)
    await refused(stack, http, short["key"])
    assert await statuses(stack, http, long["key"]) == {200}
    assert short["id"] not in await listed(stack)
    rotated = json.loads((await keys(stack, "rotate", long["id"], "--json"))[1])
    assert rotated["expires"] >= long["expires"], "it is as long as the old one's"


async def test_redis_has_no_key(stack: Stack) -> None:
    from redis import Redis

    one = await made(stack, "frank")
    [newer] = [json.loads((await keys(stack, "rotate", one["id"], "--json"))[1])]
    with Redis.from_url(stack.valkey.url) as redis:
        redis.save()
        said = b"".join(
            name
            + repr(redis.dump(name)).encode()
            + repr(redis.hgetall(name) if redis.type(name) == b"hash" else "").encode()
            for name in redis.keys("midstream:key*")
        )
    assert b"frank" in said
    for key in (one["key"], newer["key"]):
        assert key.encode() not in said
        assert key.removeprefix("ms_").encode() not in said
        for process in stack.apis:
            assert key.encode() not in process.output.read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", ""], "OWNER: must be a name"),
        (["create", " ann"], "OWNER: must be a name"),
        (["create", "*"], "OWNER: must not be *"),
        (["create", "a" * 201], "OWNER: must be 200 characters"),
        (["create", "ann", "--scope", "write"], "--scope: must be some of generate, read, admin"),
        (["create", "ann", "--scope", ""], "--scope: must be some of generate, read, admin"),
        (["create", "ann", "--expires", "90"], "--expires: must be a number with s, m, h or d"),
        (["create", "ann", "--expires", "0d"], "--expires: must be a number with s, m, h or d"),
        (["create", "ann", "--expires", "4000d"], "--expires: must be a number with s, m, h or d"),
        (["rotate", "key_" + "a" * 16, "--keep", "soon"], "--keep: must be a number with s, m, h or d"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_made(stack: Stack, words: list[str], told: str) -> None:
    before = await listed(stack)
    code, out, err = await keys(stack, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"midstream: {told}")
    assert await listed(stack) == before


@pytest.mark.parametrize("id", ["key_" + "a" * 16, "nonsense", "key_*", ""])
async def test_an_id_that_no_key_has_is_not_found(stack: Stack, id: str) -> None:
    for command in ("revoke", "rotate"):
        code, out, err = await keys(stack, command, id)
        assert (code, out) == (3, "")
        assert "no key has this id" in err


async def test_the_list_is_a_table(stack: Stack) -> None:
    await made(stack, "grace", "--scope", "admin")
    code, out, _ = await keys(stack, "list")
    heading, *rows = out.splitlines()
    assert (code, heading.split()) == (0, ["ID", "OWNER", "SCOPES", "CREATED", "EXPIRES", "LAST", "USE"])
    assert any(re.fullmatch(r"key_\w{16} +grace +admin +\S+Z +- +-", row) for row in rows)


async def test_a_redis_that_is_away_is_said(stack: Stack, tmp_path: Path) -> None:
    code, out, err = await keys(stack, "list", MIDSTREAM_REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert (code, out) == (5, "")
    assert "Redis does not answer" in err


async def test_where_keys_are_not_taken_from_redis_it_says_so(stack: Stack) -> None:
    code, out, err = await keys(stack, "create", "henry", MIDSTREAM_KEYS="settings")
    assert code == 0
    assert KEY.fullmatch(out.strip())
    assert "MIDSTREAM_KEYS is not redis here" in err


async def test_the_embedded_server_is_found_by_its_folder(stack: Stack) -> None:
    without = dict.fromkeys(("MIDSTREAM_REDIS_URL",), "")
    one = await made(stack, "ida")
    code, out, _ = await keys(stack, "list", "--json", "--data-dir", str(stack.valkey.data_dir), **without)
    assert code == 0
    assert one["id"] in out
