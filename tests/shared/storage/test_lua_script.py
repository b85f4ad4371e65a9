"""What stands before each script: what it defines, and that it does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from shared.storage import lua_script
from shared.storage.lua_script import LuaScript

PRELUDE = Path(lua_script.__file__).with_name("prelude.lua").read_text(encoding="utf-8")


async def value(expression: str) -> Any:
    return await FakeAsyncRedis().eval(f"{PRELUDE}return {expression}", 0)  # type: ignore[misc]


def test_each_script_begins_with_the_prelude() -> None:
    assert LuaScript("shared/log/append.lua").text.startswith(PRELUDE)


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
