"""Lua scripts: asked for by their hash, and sent as text only to a Redis that does not know them."""

from __future__ import annotations

import hashlib

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import NoScriptError, ResponseError

from shared.storage.connections import connect
from shared.storage.lua_script import LuaScript
from tests.harness.repository import ROOT
from tests.shared.storage.scripted_redis import ScriptedRedis

PATH = "shared/queue/worker_beat.lua"
UNKNOWN = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


def test_its_text_is_that_of_the_file_and_its_name_the_hash_of_that() -> None:
    script = LuaScript(PATH)
    assert script.text == (ROOT / PATH).read_text(encoding="utf-8")
    assert script.sha == hashlib.sha1(script.text.encode()).hexdigest()


def test_a_file_that_is_not_there_is_found_at_start() -> None:
    with pytest.raises(FileNotFoundError):
        LuaScript("shared/queue/none.lua")


@pytest.mark.parametrize(
    "path", sorted(str(p.relative_to(ROOT)) for r in ("shared", "worker") for p in (ROOT / r).rglob("*.lua"))
)
async def test_a_server_takes_each_of_ours(path: str) -> None:
    redis = FakeAsyncRedis()
    script = LuaScript(path)
    await script.load(redis)
    assert await redis.script_exists(script.sha) == [True]


async def test_the_text_is_sent_only_where_the_hash_says_nothing() -> None:
    async with ScriptedRedis(lambda _, words: UNKNOWN if words[0] == b"EVALSHA" else b":7\r\n") as server:
        redis, script = connect(server.url, timeout=5), LuaScript(PATH)
        assert await script(redis, ["k"], ["a", 1, b"\xff"]) == 7
        rest = [b"1", b"k", b"a", b"1", b"\xff"]
        assert server.commands[0] == [
            [b"EVALSHA", script.sha.encode(), *rest],
            [b"EVAL", script.text.encode(), *rest],
        ]
        await redis.aclose()


async def test_one_that_is_known_is_not_sent_again() -> None:
    async with ScriptedRedis(lambda *_: b":7\r\n") as server:
        redis = connect(server.url, timeout=5)
        assert await LuaScript(PATH)(redis, ["k"]) == 7
        assert [words[0] for words in server.commands[0]] == [b"EVALSHA"]
        await redis.aclose()


async def test_an_error_of_the_script_is_raised_and_not_tried_as_text() -> None:
    async with ScriptedRedis(lambda *_: b"-ERR wrong number of keys\r\n") as server:
        redis = connect(server.url, timeout=5)
        with pytest.raises(ResponseError, match="wrong number"):
            await LuaScript(PATH)(redis, ["k"])
        assert len(server.commands[0]) == 1
        await redis.aclose()


async def test_in_a_pipeline_it_has_to_be_loaded_first() -> None:
    redis, script = FakeAsyncRedis(), LuaScript(PATH)
    for known in (False, True):
        async with redis.pipeline(transaction=False) as pipe:
            script.queue(pipe, ["k"], ["w", 1_000, 120_000])
            [reply] = await pipe.execute(raise_on_error=False)
        assert isinstance(reply, NoScriptError) is not known
        await script.load(redis)
