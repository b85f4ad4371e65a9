"""Records what Codex CLI and Claude Code send: `python -m tests.judges.sdks.record` writes recorded/*.json anew.

Installs both from npm into a temporary folder and runs each once, in an empty home, with a made-up key and against a
recorder on loopback. The recorder passes each request on to the simulator, whose first answer calls a tool. What is
kept has names, types and shapes, and nobody's text (`tests.judges.sdks.neutral`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.harness.repository import ROOT
from tests.judges.sdks.neutral import Neutral

RECORDED: Final = Path(__file__).parent / "recorded"
HEADERS: Final = ("accept", "anthropic-beta", "anthropic-version", "content-type")
"""Those whose values are words of a protocol; of the others only the names stay."""
KEY: Final = "made-up-key"
PROMPT: Final = "Say hello."
PATIENCE: Final = 120
CONFIG: Final = """\
model = "gpt-5"
model_provider = "recorder"
[model_providers.recorder]
name = "recorder"
base_url = "{url}/v1"
env_key = "RECORDER_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""


class Recorder(ThreadingHTTPServer):
    """Keeps each request and answers it as the simulator does: first with calls of tools, then with text."""

    def __init__(self, simulator: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.simulator = simulator
        self.requests: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def script(self, body: dict[str, Any]) -> str:
        """What the simulator is to answer."""
        asked = sum("tools" in request["body"] for request in self.requests)
        return "tools?deltas=8&rate=0" if body.get("tools") and asked == 1 else "lorem?deltas=8&rate=0"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            return self._answer(400, b"{}", "application/json")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append({"method": "POST", "path": self.path, "headers": headers, "body": body})
        changed = json.dumps(body | {"model": self.server.script(body)}).encode()
        kept = {name: value for name, value in headers.items() if name in (*HEADERS, "x-api-key", "authorization")}
        path = self.path.partition("?")[0]
        request = urllib.request.Request(self.server.simulator + path, changed, kept)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                self._answer(200, answer.read(), answer.headers["content-type"])
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read(), "application/json")

    def do_GET(self) -> None:
        self._answer(404, b'{"error": {"type": "not_found_error", "message": "There is none."}}', "application/json")

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the requests are kept."""


def codex(folder: Path, home: Path, url: str) -> None:
    """One question to Codex CLI."""
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(CONFIG.format(url=url))
    program = next(folder.glob("node_modules/@openai/codex-*/vendor/*/bin/codex"))
    _run([str(program), "exec", "--skip-git-repo-check", PROMPT], home, {"RECORDER_KEY": KEY})


def claude_code(folder: Path, home: Path, url: str) -> None:
    """One question to Claude Code."""
    program = next(folder.glob("node_modules/@anthropic-ai/claude-code-*/claude"))
    variables = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    _run([str(program), "--print", PROMPT], home, variables)


PROGRAMS: Final[dict[str, tuple[str, str, Callable[[Path, Path, str], None]]]] = {
    "codex": ("@openai/codex", "0.171.0", codex),
    "claude_code": ("@anthropic-ai/claude-code", "2.1.332", claude_code),
}


def _run(command: list[str], home: Path, variables: dict[str, str]) -> None:
    """Runs a program that knows nothing of this machine's user."""
    work = home / "work"
    work.mkdir()
    environment = {"HOME": str(home), "PATH": os.defpath, "NO_COLOR": "1", "LANG": "C.UTF-8"} | variables
    done = subprocess.run(
        command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        print(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-400:]}", file=sys.stderr)


def kept(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of them goes into a file: those of generations, each kind of body once."""
    neutral, found = Neutral(), []
    for request in requests:
        headers = {
            name: value if name in HEADERS else ""
            for name, value in sorted(request["headers"].items())
            if name not in ("host", "content-length", "connection", "accept-encoding")
        }
        one = {"path": request["path"], "headers": headers, "body": neutral.request(request["body"])}
        if one not in found:
            found.append(one)
    return found


def record(name: str, folder: Path, simulator: str) -> None:
    """Writes what one program sends."""
    package, version, ask = PROGRAMS[name]
    npm = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run([*npm, f"{package}@{version}"], check=True)
    home = folder / f"home-{name}"
    home.mkdir()
    recorder = Recorder(simulator)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    ask(folder, home, recorder.url)
    recorder.shutdown()
    document = {"program": package, "version": version, "requests": kept(recorder.requests)}
    (RECORDED / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{name}: {len(document['requests'])} of {len(recorder.requests)} requests kept")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.judges.sdks.record", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to install (default: a temporary folder)")
    parser.add_argument("program", nargs="*", default=list(PROGRAMS), help=f"of {', '.join(PROGRAMS)} (default: all)")
    options = parser.parse_args()
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    with (
        tempfile.TemporaryDirectory(prefix="midstream-record-") as name,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        said = re.search(r"http://\S+", process.stdout.readline())
        assert said is not None
        try:
            for program in options.program:
                record(program, options.folder or Path(name), said[0])
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
