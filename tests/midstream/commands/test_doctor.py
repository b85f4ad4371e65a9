"""The doctor on servers that are right and on servers that are wrong in one thing each."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
import sys
import time
from pathlib import Path

import pytest
import redis.asyncio

from midstream.checks import redis_check
from midstream.checks.finding import Finding, report
from midstream.commands import doctor
from midstream.processes.valkey import Valkey
from shared.config.settings import Settings, load
from shared.permissions.permission_check import ACL_RULE
from shared.queue.queue import Queue
from shared.queue.workers import Workers
from tests.midstream.conftest import RunPython

SECRET = "sk-this-must-not-be-shown"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """No file, no environment, and a port that is free."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return load(port=port)


def on(url: str, settings: Settings) -> Settings:
    return load(port=settings.port, redis_url=url)


def wrong(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.level for finding in findings if finding.level != "ok"}


async def test_finds_nothing_wrong_with_what_up_starts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("GROQ_API_KEY", SECRET)
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:11434/v1")
    async with Valkey(tmp_path / "data") as server:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await Workers(client).beat("w", 60)
        findings = list(doctor.examine(settings, tmp_path / "data"))
    assert wrong(findings) == {}
    said = {finding.subject: finding.state for finding in findings}
    assert said["embedded server"].startswith("Valkey ")
    assert said["embedded server, persistence"] == "on, appendfsync everysec"
    assert said["embedded server, eviction"] == "noeviction"
    assert said["workers"] == "1 alive"
    assert said["provider openai"] == "OPENAI_API_KEY is set"
    assert said["provider groq"] == "GROQ_API_KEY is set"
    assert said["provider ollama"] == "takes no key"
    assert SECRET not in repr(findings)


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ({"appendonly": "no"}, {"Redis, persistence": "fail"}),
        ({"appendfsync": "no"}, {"Redis, persistence": "fail"}),
        ({"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb"}, {"Redis, eviction": "fail"}),
        ({"maxmemory-policy": "allkeys-lru"}, {"Redis, eviction": "fail"}),
    ],
)
async def test_names_what_is_wrong_with_a_server(
    settings: Settings, tmp_path: Path, directives: dict[str, str], expected: dict[str, str]
) -> None:
    async with Valkey(tmp_path / "data", config=directives) as server:
        findings = list(doctor.examine(on(server.url, settings), tmp_path / "data"))
    assert wrong(findings) == expected | {"providers": "warn", "workers": "warn"}
    assert all(finding.advice for finding in findings if finding.level != "ok")


@pytest.mark.parametrize(("sync", "code"), [("everysec", 2), ("always", 0)])
async def test_says_that_a_server_cannot_promise_its_disk(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: str, code: int
) -> None:
    async with Valkey(tmp_path / "data", config={"appendfsync": sync}) as server:
        for asked in (settings, on(server.url, settings)):
            disk = asked.model_copy(update={"durability": "disk"})
            found = [f for f in doctor.examine(disk, tmp_path / "data") if f.subject.endswith(", durability")]
            assert [(f.level, f.state, f.stops) for f in found] == [("fail", "has appendfsync everysec", True)][:code]
            assert not [f for f in doctor.examine(asked, tmp_path / "data") if f.subject.endswith(", durability")]
            assert report(doctor.examine(disk, tmp_path / "data")) == code


async def test_says_what_a_managed_server_hides(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as server:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await client.acl_setuser("default", enabled=True, nopass=True, commands=["-config"])
        findings = list(doctor.examine(on(server.url, settings), tmp_path / "data"))
    assert wrong(findings) == {"Redis, persistence": "warn", "providers": "warn", "workers": "warn"}


async def test_says_that_no_worker_is_alive_and_fails_where_something_waits(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as server, redis.asyncio.Redis.from_url(server.url) as client:
        await Workers(client).beat("w", 60)
        await Workers(client).leave("w")
        here = on(server.url, settings)
        assert wrong(list(doctor.examine(here, tmp_path)))["workers"] == "warn"
        await Queue(client, settings).enqueue("gen_x", owner="o")
        (finding,) = (found for found in doctor.examine(here, tmp_path) if found.subject == "workers")
        assert (finding.level, finding.state) == ("fail", "none is alive, and 1 generation waits")
        assert "worker`" in finding.advice


async def test_what_a_user_may_not_do_is_named_and_a_hint_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "v") as valkey, redis.asyncio.Redis.from_url(valkey.url) as client:
        limited = on(valkey.url.replace("unix://", f"unix://u:{SECRET}@"), settings)
        rule = ("ACL", "SETUSER", "u", "reset", "on", f">{SECRET}", *ACL_RULE.split())
        await client.execute_command(*rule, "-info")
        findings = list(doctor.examine(limited, tmp_path))
        assert wrong(findings) == {"Redis, permissions": "warn", "providers": "warn", "workers": "warn"}
        await client.execute_command(*rule, "resetchannels", "-time")
        findings = list(doctor.examine(limited, tmp_path))
        assert wrong(findings)["Redis, permissions"] == "fail"
        (said,) = (finding.state for finding in findings if finding.subject == "Redis, permissions")
        assert "the command TIME" in said
        assert "the channels midstream:*" in said
        assert SECRET not in repr(findings)


async def test_a_server_that_takes_no_writes_is_a_failure(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "v") as valkey, redis.asyncio.Redis.from_url(valkey.url) as client:
        here = on(valkey.url, settings)
        for command, code in (("CONFIG SET maxmemory 1", "OOM"), ("REPLICAOF 127.0.0.1 1", "READONLY")):
            await client.execute_command(*command.split())
            (found,) = (f for f in doctor.examine(here, tmp_path) if f.subject == "Redis, writes")
            assert found.level == "fail"
            assert code in found.state
            await client.execute_command(
                *("REPLICAOF NO ONE" if code == "READONLY" else "CONFIG SET maxmemory 0").split()
            )
        assert wrong(list(doctor.examine(here, tmp_path))) == {"providers": "warn", "workers": "warn"}


def test_the_variable_of_the_queue_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDSTREAM_REDIS_URL", f"unix://{tmp_path}/logs.sock")
    monkeypatch.setenv("MIDSTREAM_QUEUE_URL", f"unix://{tmp_path}/queue.sock")
    advice = {f.subject: f.advice for f in doctor.examine(load(port=settings.port), tmp_path)}
    assert advice["Redis"] == "start it, or correct MIDSTREAM_REDIS_URL"
    assert advice["queue's Redis"] == "start it, or correct MIDSTREAM_QUEUE_URL"


async def test_says_in_its_own_words_what_redis_refuses(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "v", config={"databases": "2"}) as valkey:
        far = settings.model_copy(update={"redis_url": f"{valkey.url.partition('?')[0]}?db=99"})
        far.model_fields_set.add("redis_url")
        states = [found.state for found in doctor.examine(far, tmp_path) if found.subject == "Redis"]
        assert states == ["refuses (DB index is out of range)"]


def test_a_data_folder_that_is_closed_or_impossible_is_a_finding(settings: Settings, tmp_path: Path) -> None:
    assert list(doctor.examine(settings, tmp_path / ("a" * 300) / "b"))


def test_says_that_the_data_folder_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/data"):
        findings = wrong(list(doctor.examine(settings, tmp_path / place)))
        assert findings == {f"data folder {tmp_path / place}": "fail", "providers": "warn"}
    assert wrong(list(doctor.examine(settings, tmp_path / "new/deep"))) == {"providers": "warn"}
    assert not (tmp_path / "new").exists()


def test_warns_of_a_variable_that_nobody_knows(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDSTREAM_LEESE", SECRET)
    monkeypatch.setenv("MIDSTREAM_SERVICE_HOST", "10.0.0.1")
    findings = list(doctor.examine(settings, tmp_path))
    assert wrong(findings) == {"MIDSTREAM_LEESE": "warn", "providers": "warn"}
    assert SECRET not in repr(findings)


async def test_sees_a_clock_that_is_off(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    async with Valkey(tmp_path / "data"):
        monkeypatch.setattr(time, "time", lambda: now() + 2 * redis_check.CLOCK_DIFFERENCE_S)
        findings = list(doctor.examine(settings, tmp_path / "data"))
    assert wrong(findings)["embedded server, clock"] == "warn"


def test_says_that_a_server_does_not_answer_without_its_password(settings: Settings, tmp_path: Path) -> None:
    url = f"redis://user:{SECRET}@127.0.0.1:{settings.port}/0"
    findings = list(doctor.examine(on(url, settings), tmp_path))
    assert wrong(findings) == {"Redis": "fail", "providers": "warn"}
    assert f"redis://127.0.0.1:{settings.port}/0" in repr(findings)
    assert SECRET not in repr(findings)


async def test_says_that_a_password_is_wrong(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data", config={"requirepass": SECRET}) as server:
        findings = list(doctor.examine(on(server.url, settings), tmp_path / "data"))
    assert [finding.state for finding in findings if finding.level == "fail"] == ["refuses our credentials"]


def test_says_that_the_port_is_taken(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", settings.port)):
        findings = list(doctor.examine(settings, tmp_path))
    assert wrong(findings) == {f"API port {settings.port}": "fail", "providers": "warn"}


def test_says_which_key_is_missing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("midstream.toml").write_text(
        """
        [providers.groq]
        protocol = "openai-chat"
        base_url = "http://127.0.0.1:9/v1"
        api_key_env = "GROQ_KEY"

        [providers.ollama]
        protocol = "openai-chat"
        base_url = "http://127.0.0.1:9/v1"
        """
    )
    findings = list(doctor.examine(load(port=settings.port), tmp_path))
    assert wrong(findings) == {"provider groq": "warn"}
    monkeypatch.setenv("GROQ_KEY", SECRET)
    findings = list(doctor.examine(load(port=settings.port), tmp_path))
    assert wrong(findings) == {}
    assert SECRET not in repr(findings)


async def test_exit_codes_of_the_command(settings: Settings, tmp_path: Path, run_python: RunPython) -> None:
    well = run_python("-m", "midstream", "doctor", MIDSTREAM_PORT=str(settings.port))
    out, err = well.communicate(timeout=30)
    assert (well.returncode, err) == (0, "")
    up = f"{shlex.quote(sys.executable)} -m midstream up"
    assert re.search(rf"^ok   embedded server: .*, not running; `{re.escape(up)}` starts it$", out, re.MULTILINE)
    elsewhere = run_python("-m", "midstream", "doctor", "--data-dir", "a b", MIDSTREAM_PORT=str(settings.port))
    assert f"`{up} --data-dir 'a b'` starts it" in elsewhere.communicate(timeout=30)[0]
    ill = run_python("-m", "midstream", "doctor", MIDSTREAM_REDIS_URL=f"unix://{tmp_path}/none.sock")
    out, _ = ill.communicate(timeout=30)
    assert ill.returncode == 1
    assert "fail Redis: no answer" in out


@pytest.mark.parametrize(("most", "level"), [("20", "fail"), ("200", "ok")])
async def test_says_whether_maxclients_is_enough(settings: Settings, tmp_path: Path, most: str, level: str) -> None:
    async with Valkey(tmp_path / "data", config={"maxclients": most}) as server:
        here = on(server.url, settings)
        (finding,) = (f for f in doctor.examine(here, tmp_path) if f.subject == "Redis, connections")
        assert finding.level == level
        assert f" of {most} (maxclients)" in finding.state
        if level == "fail":
            assert "one API with one worker may open 24" in finding.state
            assert "MIDSTREAM_REDIS_CONNECTIONS" in finding.advice
            less = here.model_copy(update={"redis_connections": 5})
            assert "Redis, connections" not in wrong(list(doctor.examine(less, tmp_path)))


async def test_says_that_connections_were_refused(settings: Settings, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data", config={"maxclients": "30"}) as server:
        here = on(server.url, settings)
        clients = [redis.asyncio.Redis.from_url(server.url, single_connection_client=True) for _ in range(30)]
        for client in clients:
            await client.ping()
        # Not one is left for the doctor itself.
        (finding,) = (f for f in doctor.examine(here, tmp_path) if f.subject == "Redis, connections")
        assert (finding.level, finding.state) == ("fail", "max number of clients reached")
        assert "maxclients" in finding.advice
        for client in clients:
            await client.aclose()
        # The server counts a closed connection until it has read of it.
        async with asyncio.timeout(10):
            while finding.level == "fail":
                (finding,) = (f for f in doctor.examine(here, tmp_path) if f.subject == "Redis, connections")
                await asyncio.sleep(0.02)
        assert finding.level == "warn"
        assert "were refused" in finding.state
