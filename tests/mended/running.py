"""A Midstream that a test starts as its user would: the installed command, in a folder and environment of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import EXE
from tests.harness.ports import free_port

START = 60.0
STOP = 20.0
CALL = 40.0
"""Seconds for a start, an end, and one request or command: it must end before its test does, to say what it saw."""


class Answer(NamedTuple):
    """What a request was answered: the JSON document is None where there is none, headers are in lower case."""

    status: int
    document: Any
    headers: dict[str, str]
    raw: bytes


class Event(NamedTuple):
    """One server-sent event of a generation; `data` is its JSON."""

    event: str
    data: Any
    id: str


def executable() -> str:
    """The `midstream` that is tried: the environment's MIDSTREAM_EXE, else the one of this interpreter."""
    return EXE or str(Path(sys.executable).with_name("midstream"))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """As on a machine without settings, and with these; tests/conftest.py has taken away ours and the proxies."""
    return os.environ | {"HOME": str(folder), "PYTHONUNBUFFERED": "1"} | more


class Running:
    """One program of Midstream with its output in a file; `up` where nothing else is said, which is awaited.

    `arguments` follow the program's name; `toml` becomes its midstream.toml.
    """

    def __init__(
        self,
        folder: Path,
        *,
        toml: str = "",
        env: Mapping[str, str] | None = None,
        program: str = "up",
        arguments: Sequence[str] = (),
        port: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port() if port is None else port
        self.env = environment(folder, **(env or {}))
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"{program}-{self.port}.log"
        if toml:
            (folder / "midstream.toml").write_text(toml)
        words = [executable(), program]
        if program == "up":
            words += ["--port", str(self.port), "--data-dir", str(folder / "data")]
        elif program == "api":
            words += ["--port", str(self.port)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*words, *arguments],
                cwd=folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if program in ("up", "api", "worker"):
            self._wait_until_ready(program)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = CALL,
    ) -> Answer:
        """One request; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, content, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        document = None
        with contextlib.suppress(ValueError):
            document = json.loads(raw)
        return Answer(response.status, document, {name.lower(): value for name, value in response.getheaders()}, raw)

    def calls(self, number: int, *request: Any) -> list[Answer]:
        """The same request so many times, all at once."""
        with ThreadPoolExecutor(number) as pool:
            return [found.result() for found in [pool.submit(self.call, *request) for _ in range(number)]]

    def ask(self, model: str, headers: Mapping[str, str] | None = None, **more: object) -> str:
        """Accept a generation; its id. Its message is `hi` where no messages are given."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
        answer = self.call("POST", "/v1/generations", body, headers)
        assert answer.status == 202, answer
        return str(answer.document["id"])

    def snapshot(self, generation_id: str) -> Any:
        """What `GET /v1/generations/{id}` says."""
        return self.call("GET", f"/v1/generations/{generation_id}").document

    def end(self, generation_id: str, seconds: float = 120.0) -> Any:
        """The snapshot once the generation has ended."""
        until(lambda: self.snapshot(generation_id)["state"] not in ("queued", "running"), seconds, self)
        return self.snapshot(generation_id)

    def events(self, generation_id: str, seconds: float = CALL) -> list[Event]:
        """All events of the log, to its end."""
        raw = self.call("GET", f"/v1/generations/{generation_id}/events", timeout=seconds).raw.decode()
        return list(parsed(raw))

    def cli(self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        """A command beside it (`show`, `tail`, `usage` …) that asks this API; what subprocess.run gives."""
        options = {"capture_output": True, "timeout": CALL, "stdin": subprocess.DEVNULL, "cwd": self.folder} | options
        if "input" in options:
            del options["stdin"]
        variables = self.env | {"MIDSTREAM_URL": self.url} | dict(env or {})
        run: Any = subprocess.run
        try:
            return run([executable(), *arguments], env=variables, check=False, **options)
        except subprocess.TimeoutExpired as error:
            said = f"{error.stdout!r} {error.stderr!r}; {self.output()[-2000:]}"
            raise AssertionError(f"{arguments} did not end in {error.timeout} s: {said}") from None

    def output(self) -> str:
        """What it has said so far, on stdout and stderr."""
        return self._log.read_text(errors="replace")

    def children(self, word: str) -> list[int]:
        """Processes below it with this word among their arguments, as `worker`."""
        found = [self.process.pid]
        for parent in found:
            for place in Path(f"/proc/{parent}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(pid) for pid in place.read_text().split()]
        return [pid for pid in found[1:] if word in _arguments(pid)]

    def kill_worker(self) -> None:
        """SIGKILL to each worker of `up`, which starts others."""
        workers = self.children("worker")
        assert workers, "no worker runs"
        for pid in workers:
            os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        """End it, by SIGKILL to all of it where it takes more than 20 s; its exit status."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP)
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP)
        return self.process.returncode

    def _wait_until_ready(self, program: str) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.output()[-2000:]}"
            if program != "api" and "takes up to" not in self.output():
                return False
            if program == "worker":
                return True
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.call("GET", "/readyz", timeout=2).status == 200
            return False

        until(ready, START, self)


def until(condition: Any, seconds: float = 90.0, running: Running | None = None) -> Any:
    """Wait for a condition, and give it. Fails after so many seconds, with the end of what the program said."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; it said: {running.output()[-2000:] if running else ''}")
        time.sleep(0.05)
    return found


def parsed(stream: str) -> Iterator[Event]:
    """The events of a stream that has ended."""
    for block in re.split(r"\r?\n\r?\n", stream):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            yield Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []
