"""Variables that others set, and values that would fail after the start."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Start
from tests.mended.running import Running, environment, executable

SERVICES = {
    "MIDSTREAM_SERVICE_HOST": "10.0.0.1",
    "MIDSTREAM_SERVICE_PORT_HTTP": "80",
    "MIDSTREAM_PORT": "tcp://10.0.0.1:80",
    "MIDSTREAM_PORT_80_TCP_ADDR": "10.0.0.1",
    "MIDSTREAM_REDIS_SERVICE_HOST": "fd00::1",
    "MIDSTREAM_REDIS_PORT": "tcp://[fd00::1]:6379",
    "MIDSTREAM_REDIS_URL_PORT_6379_TCP": "tcp://10.0.0.3:6379",
    "MIDSTREAM_API_PORT_53_UDP_PROTO": "udp",
    "MIDSTREAM_DB_PORT": "tcp://172.17.0.5:5432",
    "MIDSTREAM_DB_NAME": "/app/midstream-db",
    "MIDSTREAM_DB_ENV_POSTGRES_VERSION": "18",
}
"""As Services midstream, midstream-redis, midstream-redis-url and midstream-api make them, and a link of Docker."""
UP = '[providers.up]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:1/v1"\n'
OURS = ("pydantic", "Input should", "[type=", "Traceback", "unable to parse")

Said = subprocess.CompletedProcess[str]


def said(folder: Path, *words: str, toml: str = "", **env: str) -> Said:
    """What a program of Midstream says and ends with, that is refused or soon done."""
    if toml:
        (folder / "midstream.toml").write_text(toml)
    return subprocess.run(
        [executable(), *words], cwd=folder, env=environment(folder, **env), capture_output=True, text=True, timeout=60
    )


def doctor(folder: Path, toml: str = "", **env: str) -> Said:
    return said(
        folder, "doctor", "--data-dir", str(folder / "data"), toml=toml, **{"MIDSTREAM_PORT": str(free_port())} | env
    )


def refused(answer: Said, *words: str) -> None:
    """One line that has these words, and exit code 2."""
    assert answer.returncode == 2, answer
    (line,) = (answer.stdout + answer.stderr).splitlines()
    assert all(word in line for word in words), line
    assert not any(word in line for word in OURS), line


@pytest.mark.mended("answers-10")
def test_what_kubernetes_puts_into_a_pod_is_passed_over_in_silence(start: Start) -> None:
    running = start(env=SERVICES | {"MIDSTREAM_VERSION": "3", "MIDSTREAM_LEESE": "9"})
    assert running.end(running.ask("simulator/echo"))["state"] == "completed"
    output = running.output()
    assert output.count("MIDSTREAM_VERSION") == 1
    assert output.count("MIDSTREAM_LEESE: no such setting, and passed over: did you mean MIDSTREAM_LEASE?") == 1
    assert not any(name in output for name in SERVICES)
    assert running.cli("list", env=SERVICES).returncode == 0


@pytest.mark.mended("answers-10")
def test_doctor_has_one_warning_for_a_stranger(tmp_path: Path) -> None:
    answer = doctor(tmp_path, MIDSTREAM_VERSION="3", **{k: v for k, v in SERVICES.items() if k != "MIDSTREAM_PORT"})
    assert answer.returncode in (0, 1), answer
    assert [line for line in answer.stdout.splitlines() if "MIDSTREAM_" in line and "VERSION" not in line] == []
    assert answer.stdout.count("warn MIDSTREAM_VERSION") == 1


@pytest.mark.mended("answers-10")
@pytest.mark.parametrize("program", ["api", "worker"])
def test_each_program_passes_it_over(program: str, tmp_path: Path) -> None:
    # Started with a value that each of them refuses, so that it ends: what is refused is that and nothing else.
    answer = said(tmp_path, program, **SERVICES, MIDSTREAM_REDIS_URL="http://nonsense")
    assert answer.returncode == 2
    assert "MIDSTREAM_REDIS_URL" in answer.stderr
    assert not any(f"{name}:" in answer.stderr for name in SERVICES)


@pytest.mark.mended("answers-10", guard=True)
def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    refused(doctor(tmp_path, "leese = 5\n"), "leese", "midstream.toml")


PRICE = "input = 1\noutput = 1\n"
WRONG: dict[str, tuple[str, Mapping[str, str], str]] = {
    "base URL with a fragment": (UP.replace("/v1", "/v1#a"), {}, "providers.up.base_url"),
    "base URL with a user": (UP.replace("127", "u:p@127"), {}, "providers.up.base_url"),
    "base URL without a scheme, in a variable": ("", {"OPENAI_BASE_URL": "localhost:1/v1"}, "OPENAI_BASE_URL"),
    "base URL ftp, in a variable": ("", {"GROQ_BASE_URL": "ftp://a"}, "GROQ_BASE_URL"),
    "simulator without a scheme": ("", {"MIDSTREAM_SIMULATOR_URL": "127.0.0.1:8090"}, "MIDSTREAM_SIMULATOR_URL"),
    "price of no provider": (UP + f'[prices."upp/x"]\n{PRICE}', {}, 'prices."upp/x"'),
    "true for a number": ("lease = true\n", {}, "lease in midstream.toml"),
    "text for a number": ('lease = "5"\n', {}, "lease in midstream.toml"),
    "a number for true": ("pack = 1\n", {}, "pack in midstream.toml"),
    "ttl beyond Redis": ("", {"MIDSTREAM_TTL": "99999999999999"}, "MIDSTREAM_TTL"),
    "running_ttl 1": ("", {"MIDSTREAM_RUNNING_TTL": "1"}, "MIDSTREAM_RUNNING_TTL"),
    "ttl of nothing": ("", {"MIDSTREAM_TTL": "0.0001"}, "MIDSTREAM_TTL"),
    "key of a caller": ("", {"MIDSTREAM_API_KEYS": "a:k\u00e9"}, "MIDSTREAM_API_KEYS"),
    "key of a provider": ("", {"OPENAI_API_KEY": "sk-secret\n"}, "OPENAI_API_KEY"),
    "host that no name can be": ("", {"MIDSTREAM_HOST": "a..b", "MIDSTREAM_API_KEYS": "a:k"}, "MIDSTREAM_HOST"),
    "file of a name too long": ("", {"MIDSTREAM_CONFIG": "a" * 300}, "MIDSTREAM_CONFIG"),
    "a version that is no day": (UP + 'anthropic_version = "2023"\n', {}, "like 2023-06-01"),
    "no JSON": ("", {"MIDSTREAM_MODELS": "{bad"}, "MIDSTREAM_MODELS"),
    "a leaf that is no table": ("", {"MIDSTREAM_PROVIDERS__UP": "{bad"}, "MIDSTREAM_PROVIDERS__UP"),
    "a database that is no number": ("", {"MIDSTREAM_REDIS_URL": "redis://127.0.0.1:1/x"}, "MIDSTREAM_REDIS_URL"),
    "the key in place of its variable": (UP + 'api_key_env = "sk-secret"\n', {}, "providers.up.api_key_env"),
}


@pytest.mark.mended("front-14")
@pytest.mark.parametrize("keys", [" , ", ","])
def test_keys_that_are_none_do_not_leave_the_server_open(keys: str, tmp_path: Path) -> None:
    refused(doctor(tmp_path, MIDSTREAM_API_KEYS=keys), "MIDSTREAM_API_KEYS")


@pytest.mark.mended("answers-11")
@pytest.mark.parametrize("kind", WRONG)
def test_what_would_fail_later_is_refused_and_blamed_where_it_is_written(kind: str, tmp_path: Path) -> None:
    toml, env, name = WRONG[kind]
    answer = doctor(tmp_path, toml, **env)
    refused(answer, name)
    assert "secret" not in answer.stdout + answer.stderr


@pytest.mark.mended("answers-11")
@pytest.mark.parametrize("program", ["up", "api", "worker"])
def test_each_program_refuses_it(program: str, tmp_path: Path) -> None:
    refused(said(tmp_path, program, OPENAI_API_KEY="sk-secret\n"), "OPENAI_API_KEY")


@pytest.mark.mended("answers-11", guard=True)
@pytest.mark.parametrize(
    "kind",
    [
        'default_model = "zz/z"\n' + UP,
        UP + '[models]\nfast = "up"\n',
        UP + '[models]\nfast = "up/"\n',
        UP.replace("http://127", "127"),
        UP.replace("http", "ftp"),
    ],
)
def test_names_and_addresses_of_nobody_are_refused(kind: str, tmp_path: Path) -> None:
    assert doctor(tmp_path, kind).returncode == 2


@pytest.mark.mended("answers-11", guard=True)
def test_what_is_right_is_taken(start: Start) -> None:
    toml = (
        "lease = 2\nttl = 60\n[models]\nfast = 'simulator/echo'\n" + UP + f'[prices."up/*"]\n{PRICE}'
        f'[prices."openai/gpt"]\ninput = "0.25"\noutput = 0.5\n'
    )
    running: Running = start(toml=toml, env={"MIDSTREAM_API_KEYS": "a:sk-1 2,b:k+/=~"})
    answer = running.call(
        "POST",
        "/v1/generations",
        {"model": "fast", "messages": [{"role": "user", "content": "x"}]},
        {"Authorization": "Bearer sk-1 2"},
    )
    assert answer.status == 202
    answered = doctor(running.folder, MIDSTREAM_PORT=str(running.port))
    assert answered.returncode == 0, answered
