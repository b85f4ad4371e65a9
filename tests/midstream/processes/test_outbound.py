"""Variables that many shells have, and that some programs cannot start with: real processes say so, or answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.harness.processes import Process, Stack
from tests.harness.repository import ROOT
from tests.midstream.conftest import RunPython

SECRET = "not-to-be-shown"
KEY = {"OPENAI_API_KEY": SECRET}
BODY = {"model": "simulator/lorem?deltas=3&rate=0", "messages": [{"role": "user", "content": "Hello"}]}

BROKEN = {
    "scheme": ("ALL_PROXY", f"socks4://user:{SECRET}@127.0.0.1:9"),
    "port": ("https_proxy", f"http://user:{SECRET}@127.0.0.1:99999"),
    "file": ("SSL_CERT_FILE", "/nonexistent/ca.pem"),
    "folder": ("SSL_CERT_DIR", "/nonexistent"),
}
broken = pytest.mark.parametrize(("variable", "value"), BROKEN.values(), ids=BROKEN)

COMMANDS = (["worker"], ["worker", "--processes=2"], ["up", "--port=0", "--data-dir=data"])


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@broken
def test_where_a_provider_depends_on_it_nothing_starts(
    variable: str, value: str, command: list[str], run_python: RunPython, tmp_path: Path
) -> None:
    code, out, err = finish(run_python("-m", "midstream", *command, **KEY, **{variable: value}))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"midstream: {variable}: ")
    assert "provider openai depends on it" in err
    assert SECRET not in err
    assert not (tmp_path / "data").exists()


@broken
def test_the_doctor_says_so_beside_the_rest(variable: str, value: str, run_python: RunPython) -> None:
    command = ("-m", "midstream", "doctor", "--data-dir=data")
    code, out, err = finish(run_python(*command, MIDSTREAM_PORT="0", **KEY, **{variable: value}))
    assert (code, err) == (2, "")
    assert f"\nfail {variable}: " in out
    assert "\nok   provider openai: " in out
    assert "\nok   API port " in out
    assert SECRET not in out
    code, out, _ = finish(run_python(*command, MIDSTREAM_PORT="0", **{variable: value}))
    assert code == 0
    assert f"\nwarn {variable}: " in out


def test_socks_without_its_package_names_it(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "socksio.py").write_text("raise ImportError('as if it were not installed')\n")
    paths = {"PYTHONPATH": f"{tmp_path / 'without'}:{ROOT}"}
    proxy = {"all_proxy": "socks://127.0.0.1:9"}
    code, out, err = finish(run_python("-m", "midstream", "worker", **KEY, **proxy, **paths))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("midstream: all_proxy: a SOCKS proxy")
    assert "midstream[socks]" in err


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("variable", "value"), [BROKEN["scheme"], BROKEN["file"]], ids=["scheme", "file"])
async def test_with_the_simulator_alone_up_answers_after_one_warning(variable: str, value: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "midstream", "up", "--port=0", "--data-dir=data", "--workers=2"]
    up = Process("up", command, r"ready at http://\S+", tmp_path, {variable: value})
    await up.start()
    try:
        assert "\nevent: completed\n" in await answer((await up.said(r"ready at (http://\S+)"))[1])
        said = up.output.read_text()
        assert said.count(variable) == 1, said
        assert SECRET not in said
    finally:
        await up.stop()


@pytest.mark.timeout(240)
async def test_with_the_simulator_alone_a_worker_answers_after_one_warning(tmp_path: Path) -> None:
    environment = dict([BROKEN["port"], BROKEN["folder"]])
    async with Stack(tmp_path, environment=environment) as stack:
        assert "\nevent: completed\n" in await answer(stack.apis[0].url)
        said = stack.workers[0].output.read_text()
        assert [said.count(variable) for variable in environment] == [1, 1], said
        assert not any(variable in stack.apis[0].output.read_text() for variable in environment)


async def answer(base: str) -> str:
    """The events of a generation of the simulator's, to its end."""
    # Heartbeats come in any case.
    async with asyncio.timeout(30), httpx2.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:
        return (await client.post("/v1/generations", json=BODY, headers={"Accept": "text/event-stream"})).text
