"""Lua scripts: asked for by their hash, sent as text only where that is not known, and what stands before each."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import NoScriptError, ResponseError

from shared.storage.connections import connect
from shared.storage.lua_script import LuaScript
from tests.harness.repository import ROOT
from tests.shared.storage.scripted_redis import ScriptedRedis

PATH = "shared/generations/beside.lua"
PRELUDE = (ROOT / "shared/storage/prelude.lua").read_text(encoding="utf-8")
OURS = [
    str(file.relative_to(ROOT))
    for package in ("shared", "worker")
    for file in sorted((ROOT / package).rglob("*.lua"))
    if file.name != "prelude.lua"
]
UNKNOWN = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


def test_its_text_is_that_of_the_file_behind_the_prelude_and_its_name_the_hash_of_that() -> None:
    script = LuaScript(PATH)
    assert script.text == PRELUDE + (ROOT / PATH).read_text(encoding="utf-8")
    assert script.sha == hashlib.sha1(script.text.encode()).hexdigest()


def test_one_that_needs_a_file_beside_it_has_that_before_it() -> None:
    lines, take = ((ROOT / f"shared/queue/{name}.lua").read_text(encoding="utf-8") for name in ("lines", "take"))
    assert LuaScript("shared/queue/take.lua").text == PRELUDE + lines + take


def test_a_file_that_is_not_there_is_found_at_start() -> None:
    with pytest.raises(FileNotFoundError):
        LuaScript("shared/queue/none.lua")


@pytest.mark.parametrize("path", OURS)
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


async def value(expression: str) -> Any:
    return await FakeAsyncRedis().eval(f"{PRELUDE}return {expression}", 0)  # type: ignore[misc]


def test_the_prelude_only_defines() -> None:
    """Redis runs it at each of thousands of appends a second."""
    outside = [line for line in PRELUDE.splitlines() if line and not line.startswith((" ", "--"))]
    assert outside[1::2] == ["end"] * (len(outside) // 2)
    assert all(line.startswith("local function ") for line in outside[::2])


@pytest.mark.parametrize("number", ["0", "99999999999999", "100000000000000", "1700000000000123"])
async def test_numbers_have_all_their_digits(number: str) -> None:
    assert await value(f"digits({number})") == number.encode()


@pytest.mark.parametrize(
    ("now", "token", "last", "expected"),
    [(50, "40", "40-7", b"50"), (50, "50", "50-7", b"51"), (50, "60", "40-0", b"61"), (50, "40", "70-3", b"71")],
)
async def test_the_next_token_is_greater_than_all_before(now: int, token: str, last: str, expected: bytes) -> None:
    assert await value(f"next_token({now}, '{token}', '{last}')") == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("false, false", [b"GONE"]),
        ("'7', '7-3', '7'", [b"SEALED", b"7-3"]),
        ("'7', false, '6'", [b"FENCED", b"7"]),
        ("'7', false, '7'", None),
        ("'7', false", None),
        ("'7', false, false", None),
    ],
)
async def test_why_nothing_is_written(arguments: str, expected: list[bytes] | None) -> None:
    assert await value(f"refusal({arguments})") == expected
