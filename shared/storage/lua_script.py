"""Lua scripts as callables: each a file beside the module that calls it, run by hash, loaded on demand."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

Argument = str | bytes | int

_PACKAGES_ROOT = Path(__file__).parents[2]
_PRELUDE = Path(__file__).with_name("prelude.lua").read_text(encoding="utf-8")
"""Functions that several scripts need: stands before the text of each."""
_NEEDS = re.compile(r"-- Needs (\w+\.lua)\.\n")


class LuaScript:
    """A Lua script: one atomic step on the server. A restarted Redis has lost it, so each call may send the text again.

    `path` begins at our packages: `LuaScript("shared/log/append.lua")`. Scripts that have more in common than that
    name the file beside them that has it, in their first line: `-- Needs lines.lua.` Redis' errors count lines from the
    first of prelude.lua.
    """

    def __init__(self, path: str) -> None:
        file = _PACKAGES_ROOT / path
        text = file.read_text(encoding="utf-8")
        needed = _NEEDS.match(text)
        shared = file.with_name(needed[1]).read_text(encoding="utf-8") if needed else ""
        self.text = _PRELUDE + shared + text
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], args: Sequence[Argument] = ()) -> Any:
        """Runs the script. Raises redis.exceptions.RedisError."""
        execute: Any = redis.execute_command
        try:
            return await execute("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await execute("EVAL", self.text, len(keys), *keys, *args)

    def queue(self, pipe: Pipeline, keys: Sequence[str], args: Sequence[Argument] = ()) -> None:
        """Adds the script to a pipeline. After a reply of NoScriptError it did not run: `load` it and send it again."""
        pipe.execute_command("EVALSHA", self.sha, len(keys), *keys, *args)

    async def load(self, redis: Redis) -> None:
        """Loads the text into the server. Raises redis.exceptions.RedisError."""
        await redis.execute_command("SCRIPT", "LOAD", self.text)  # type: ignore[no-untyped-call]
