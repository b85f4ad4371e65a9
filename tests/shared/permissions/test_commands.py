"""What is tried of a Redis: every command that a script or a client of ours uses, on the server that it is for."""

from __future__ import annotations

import re

from shared.config.settings import Settings
from shared.permissions.commands import HINT_COMMANDS, TriedServer, servers
from tests.harness.repository import ROOT

LUA = [script for package in ("shared", "worker") for script in (ROOT / package).rglob("*.lua")]


def tried(settings: Settings) -> dict[str, set[str]]:
    return {server.setting: {line.split()[0] for line in server.commands} for server in servers(settings)}


def test_every_command_of_a_script_is_tried() -> None:
    commands = set[str]().union(*tried(Settings(queue_url="redis://queue.test")).values())
    called = {name for script in LUA for name in re.findall(r"p?call\('(\w+)'", script.read_text())}
    assert len(called) > 25
    assert called <= commands


def test_every_command_of_a_client_is_tried() -> None:
    """By the names of redis-py's methods, of whatever is called as a client or a pipeline."""
    commands = set[str]().union(*tried(Settings(queue_url="redis://queue.test")).values())
    called = {
        {"delete": "DEL"}.get(name, name.upper())
        for package in ("api", "shared", "worker")
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(r"\b_?(?:redis|pipe)\.([a-z]+)\(", file.read_text())
    }
    assert len(called) > 20
    # All but what is redis-py's own.
    assert called - {"PIPELINE", "EXECUTE", "PUBSUB", "ACLOSE"} <= commands


def test_each_of_two_servers_is_tried_for_what_it_is_for() -> None:
    two = tried(Settings(queue_url="redis://queue.test"))
    assert "XADD" in two["redis_url"] - two["queue_url"]
    assert "BLPOP" in two["queue_url"] - two["redis_url"]
    assert "SCAN" in two["redis_url"] - tried(Settings())["redis_url"], "two are compared, one is not"
    assert [server.setting for server in servers(Settings(queue_url=Settings().redis_url))] == ["redis_url"]
    assert isinstance(next(servers(Settings())), TriedServer)


def test_what_is_only_a_hint_is_tried_too() -> None:
    assert HINT_COMMANDS.keys() <= tried(Settings(queue_url="redis://queue.test"))["queue_url"] | {"SCAN"}
    assert all(HINT_COMMANDS.values())


def test_no_trial_names_a_key_that_might_be_somebodys() -> None:
    for server in servers(Settings(queue_url="redis://queue.test")):
        assert not [line for line in server.commands if "gen_" in line and "gen_probe" not in line]
        assert len(set(server.commands)) == len(server.commands), "one is tried twice"
