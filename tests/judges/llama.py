"""Midstream in front of a real engine: llama.cpp's server, built here, with a tiny random model made here.

`python -m tests.judges.llama` takes llama-cpp-python's source distribution through pip, builds its `llama-server`
(10 to 40 minutes on two cores, once) and compares what Midstream streams with what the server itself says.
Needs a C++ compiler and cmake. Exits with 1 where a check fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from tests.e2e.viewers import ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.processes import Process, Stack
from tests.judges import direct

LLAMA = "llama-cpp-python==0.3.36"
GGUF = "gguf==0.19.0"
CONTEXT = 16_384
PROMPT = "Say something about streams, 日本語 and 😀."
CANCELLED_WITHIN = 1.0

# A fast build of a slow program: the model is so small that it does not matter, and no interface is fetched.
CMAKE = [
    "CMAKE_BUILD_TYPE=Release",
    "CMAKE_C_FLAGS_RELEASE=-O0",
    "CMAKE_CXX_FLAGS_RELEASE=-O0",
    "BUILD_SHARED_LIBS=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_USE_PREBUILT_UI=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_ALL_WARNINGS=OFF",
    "GGML_ALL_WARNINGS=OFF",
    "GGML_OPENMP=OFF",
    "GGML_NATIVE=OFF",
    "GGML_LLAMAFILE=OFF",
    "GGML_CCACHE=OFF",
]
SERVER = [
    *("--host", "127.0.0.1", "--port", "0"),
    *("--parallel", "1", "--threads", "1", "--no-cache-prompt"),
    *("--no-ui", "--no-warmup", "--offline", "--jinja", "--log-colors", "off"),
]

PROVIDERS = """
[providers.llama]
protocol = "openai-chat"
base_url = "$URL/v1"
prefill = "vllm"

[providers.llama-responses]
protocol = "openai-responses"
base_url = "$URL/v1"

[providers.llama-messages]
protocol = "anthropic"
base_url = "$URL"
"""
DIRECT = {"llama": direct.chat, "llama-responses": direct.responses, "llama-messages": direct.messages}


def build(folder: Path, jobs: int) -> Path:
    """The server program, built where it is not there yet. Raises CalledProcessError where a step fails."""
    server = folder / "build" / "bin" / "llama-server"
    if server.exists():
        return server
    sources = folder / "sources"
    if not list(sources.glob("*.tar.gz")):
        source_only = ["--no-deps", "--no-binary", LLAMA.partition("=")[0]]
        run([*pip(sys.executable), "download", *source_only, "--dest", str(sources), LLAMA])
        (archive,) = sources.glob("*.tar.gz")
        run(["tar", "--extract", "--file", str(archive), "--directory", str(sources)])
    (source,) = sources.glob("*/vendor/llama.cpp")
    options = [f"-D{option}" for option in CMAKE]
    run(["cmake", "-S", str(source), "-B", str(folder / "build"), *options])
    command = ["cmake", "--build", str(folder / "build"), "--target", "llama-server", "--parallel", str(jobs)]
    run(["nice", "-n", "19", *command])
    return server


def make_model(folder: Path) -> Path:
    """The model file, made where it is not there yet, by a Python that has what it takes to write it."""
    model = folder / "tiny.gguf"
    if not model.exists():
        home = folder / "gguf"
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        run([*pip(python), "install", GGUF])
        draft = model.with_suffix(".part")
        run([python, str(Path(__file__).with_name("tiny_model.py")), str(draft)])
        draft.rename(model)
    return model


def pip(python: str) -> list[str]:
    """pip of an environment, in few words."""
    return [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def run(command: list[str]) -> None:
    """Run a step and say which; its own output goes to the terminal."""
    print("+", *command, file=sys.stderr, flush=True)
    subprocess.run(command, check=True)


class Judge:
    """llama-server and a Midstream that has it as a provider by its configuration file."""

    def __init__(self, server: str, stack: Stack, http: httpx2.AsyncClient, log: Path) -> None:
        self.server, self.stack, self.http, self.log = server, stack, http, log
        self.api = stack.apis[0].url

    async def ask(self, provider: str = "llama", **fields: Any) -> str:
        """A generation's id."""
        return await ask(self.http, self.api, f"{provider}/tiny", PROMPT, **fields)

    async def compare(self, provider: str = "llama", **fields: Any) -> str:
        """One request to both: the same text, the same counts."""
        said = await DIRECT[provider](self.http, self.server, PROMPT, **fields)
        streamed = await watch(self.api, await self.ask(provider, **fields))
        assert len(said.text) > fields["max_tokens"] // 2, f"the model said next to nothing: {said.text!r}"
        assert text_of(streamed) == said.text
        _, event, end = parse(streamed)[-1]
        assert event == "completed", end
        assert said.reason is None or (end["finish_reason"], end["raw_finish_reason"]) == ("length", said.reason)
        assert (end["usage"]["input_tokens"], end["usage"]["output_tokens"]) == (said.input_tokens, said.output_tokens)
        return f"{len(said.text)} characters, {said.input_tokens} + {said.output_tokens} tokens"

    async def greedy(self) -> str:
        """Text and usage at temperature 0 are llama-server's own"""
        return await self.compare(temperature=0, max_tokens=300)

    async def greedy_responses(self) -> str:
        """The same over Responses"""
        return await self.compare("llama-responses", temperature=0, max_tokens=300)

    async def greedy_messages(self) -> str:
        """The same over Messages"""
        return await self.compare("llama-messages", temperature=0, max_tokens=300)

    async def sampled(self) -> str:
        """Text and usage at temperature 1 with a seed are llama-server's own"""
        return await self.compare(temperature=1, seed=42, max_tokens=1_000)

    async def resumed(self) -> str:
        """Cut in mid-answer and resumed by cursor: the bytes of an uncut stream"""
        generation_id = await self.ask(temperature=1, seed=7, max_tokens=1_000)
        async with connect(self.api, generation_id) as uncut:
            async with connect(self.api, generation_id) as response:
                await response.until(5_000)
                first = blocks(response.body)
            assert (await self.slot())["is_processing"], "it ended before it was cut"
            rest = blocks(await watch(self.api, generation_id, cursor_of(first[-1])))
            assert first + rest == blocks(await uncut.rest())
        return f"{len(first)} + {len(rest)} events"

    async def cancelled(self, provider: str = "llama") -> str:
        """Cancel stops llama-server within 1 s"""
        log = self.log.stat().st_size
        generation_id = await self.ask(provider, temperature=1, max_tokens=CONTEXT)
        async with connect(self.api, generation_id) as response:
            await response.until(5_000)
            assert (await self.slot())["is_processing"]
            asked = time.monotonic()
            answer = await self.http.post(f"{self.api}/v1/generations/{generation_id}/cancel")
            assert answer.json()["state"] == "cancelled", answer.text
            while (await self.slot())["is_processing"]:
                assert time.monotonic() - asked < 10, "llama-server goes on"
                await asyncio.sleep(0.01)
            took = time.monotonic() - asked
            events = parse(await response.rest())
        assert events[-1][1] == "cancelled"
        assert took < CANCELLED_WITHIN, f"it took {took:.2f} s"
        assert b"cancel task" in self.log.read_bytes()[log:], "llama-server's log shows no cancel"
        # Another answer at once: the only slot is free again.
        await self.compare(temperature=0, max_tokens=20)
        said = sum(event == "delta" for _, event, _ in events)
        return f"{took * 1000:.0f} ms, after {said} deltas of an answer of up to {CONTEXT} tokens"

    async def cancelled_responses(self) -> str:
        """The same over Responses"""
        return await self.cancelled("llama-responses")

    async def cancelled_messages(self) -> str:
        """The same over Messages"""
        return await self.cancelled("llama-messages")

    async def continued(self) -> str:
        """A worker killed in mid-answer: the next goes on with what llama-server says after that text"""
        options: dict[str, Any] = {"temperature": 0, "max_tokens": 300}
        generation_id = await self.ask(**options, on_interrupt="continue")
        async with connect(self.api, generation_id) as response:
            await response.until(3_000)
        (worker,) = self.stack.workers
        await worker.kill()
        await worker.start()
        body = await watch(self.api, generation_id)
        first, _, second = body.rpartition(b"event: attempt\n")
        assert b'"continues":true' in second.partition(b"\n\n")[0], "it started over"
        before = text_of(first)
        last = {"role": "assistant", "content": before.rstrip()}
        prefilled = {"continue_final_message": True, "add_generation_prompt": False}
        body_sent = {"model": "tiny", "messages": [{"role": "user", "content": PROMPT}, last]} | options | prefilled
        direct = (await self.http.post(f"{self.server}/v1/chat/completions", json=body_sent)).raise_for_status().json()
        said = direct["choices"][0]["message"]["content"]
        # Its documents repeat the text that they go on from; its streams do not.
        assert text_of(body) == said
        return f"{len(before)} + {len(said) - len(before)} characters"

    async def too_long(self) -> str:
        """A prompt longer than the context is refused, and not tried again"""
        generation_id = await ask(self.http, self.api, "llama/tiny", "x " * CONTEXT)
        events = parse(await watch(self.api, generation_id))
        _, event, failed = events[-1]
        assert (event, failed["code"], failed["retryable"]) == ("failed", "context_length", False), failed
        return str(failed["message"])

    async def slot(self) -> dict[str, Any]:
        """The server's one slot."""
        slots: list[dict[str, Any]] = (await self.http.get(f"{self.server}/slots")).raise_for_status().json()
        return slots[0]

    @property
    def checks(self) -> list[Callable[[], Awaitable[str]]]:
        """In the order of the table."""
        same = [self.greedy, self.greedy_responses, self.greedy_messages, self.sampled, self.resumed]
        cancelled = [self.cancelled, self.cancelled_responses, self.cancelled_messages]
        return [*same, *cancelled, self.continued, self.too_long]


async def judge(program: Path, model: Path) -> int:
    """Run all checks and print the table; the exit status."""
    with tempfile.TemporaryDirectory(prefix="midstream-llama-") as name:
        folder = Path(name)
        command = [str(program), "--model", str(model), "--ctx-size", str(CONTEXT), *SERVER]
        server = Process("llama", command, r"listening on (http://\S+)", folder, {})
        try:
            await server.start()
            url = (await server.said(r"listening on (http://\S+)"))[1]
            await server.said("model loaded")
            configuration = folder / "midstream.toml"
            configuration.write_text(PROVIDERS.replace("$URL", url))
            async with (
                Stack(folder, simulator=False, environment={"MIDSTREAM_CONFIG": str(configuration)}) as stack,
                httpx2.AsyncClient(timeout=120, trust_env=False) as http,
            ):
                props = (await http.get(f"{url}/props")).raise_for_status().json()
                status = await report(Judge(url, stack, http, server.output), props["build_info"])
                if status:
                    server.show()
                    stack.show()
                return status
        finally:
            await server.stop()


async def report(judge: Judge, build_info: str) -> int:
    """The table; 1 where a check failed."""
    table = Table(title=f"Midstream against llama-server {build_info} ({LLAMA}, {GGUF})", title_justify="left")
    for column in ("check", "result", "detail"):
        table.add_column(column, overflow="fold")
    failed = 0
    for check in judge.checks:
        try:
            result, detail = "ok", await check()
        except (AssertionError, TimeoutError, httpx2.HTTPError) as error:
            result, detail, failed = "FAILED", f"{type(error).__name__}: {error}", 1
        table.add_row(check.__doc__, result, detail)
    Console().print(table)
    return failed


def main() -> int:
    """The command line."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(prog="python -m tests.judges.llama", description=__doc__)
    parser.add_argument("--build-dir", type=Path, default=cache / "midstream" / "llama", help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time (default: 2)")
    options = parser.parse_args()
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is not installed; on Debian: apt-get install cmake g++")
    folder: Path = options.build_dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(judge(build(folder, options.jobs), make_model(folder)))


if __name__ == "__main__":
    sys.exit(main())
