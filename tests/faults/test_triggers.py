"""The traps of the fault tests: at which command they spring."""

from __future__ import annotations

from pathlib import Path

from shared.storage.lua_script import LuaScript
from tests.faults.triggers import Trap
from tests.harness.processes import Process


def run(*words: str) -> bytes:
    """A script's run as a client sends it (RESP)."""
    words = ("EVALSHA", LuaScript("shared/log/append.lua").sha, *words)
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


def test_a_trap_wants_all_its_words_in_one_command(tmp_path: Path) -> None:
    trap = Trap(Process("worker", ["true"], "", tmp_path, {}), "shared/log/append.lua", "gen_a", "\r\ndelta\r\n")
    assert trap.at(run("gen_b", "failed") + run("gen_a", "delta", "{}"))
    assert not trap.at(run("gen_a", "failed") + run("gen_b", "delta", "{}"))
