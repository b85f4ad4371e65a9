"""Proxies that we did not write, before `midstream up`: what they hold back, and what they answer after silence.

`python -m tests.judges.proxies` runs nginx, HAProxy and Caddy with the files that docs/deployment.md shows, and express
with `compression` and http-proxy-middleware of npm. Exits with 1 where an event comes 100 ms late or a POST is not
accepted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.harness.ports import free_port
from tests.judges.packages import install_npm
from tests.mended.proxies import PROXIES, lags, offered, reached
from tests.mended.running import Running

LATE = 0.1
BODY = json.dumps(
    {"model": "simulator/lorem?deltas=2&rate=0", "messages": [{"role": "user", "content": "hi"}]}
).encode()


def posts(port: int, idle: list[float]) -> list[int]:
    """The statuses of POSTs on one connection each, and on the proxy's own, after so many seconds of silence."""
    found = []
    for seconds in [0.0, *idle]:
        time.sleep(seconds)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(3):
            connection.request("POST", "/v1/generations", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        connection.close()
    return found


def judge(name: str, running: Running, port: int, idle: list[float]) -> tuple[bool, list[str]]:
    """Whether all is well behind it, and the line of the table."""
    path = f"/v1/generations/{running.ask('simulator/lorem?deltas=40&rate=20')}/events"
    worst = max(lags(running.port, port, path))
    answered = posts(port, idle)
    upgrades = [offered(port, BODY, offer) for offer in ("h2c", "websocket")]
    good = worst < LATE and set(answered) == {202} and upgrades == [202, 202]
    return good, [name, f"{worst * 1000:.0f} ms", f"{len(answered)} POSTs: {set(answered)}", f"{upgrades}"]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.judges.proxies", description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep what is installed here (default: a temporary folder)")
    parser.add_argument("--idle", type=float, nargs="*", default=[6.0, 61.0], help="seconds of silence between POSTs")
    options = parser.parse_args()
    table = Table("proxy", "latest event, after a direct viewer's", "on kept connections", "upgrade offered")
    well = True
    with tempfile.TemporaryDirectory(prefix="midstream-proxies-") as place:
        folder = Path(place)
        packages = (options.folder or folder / "packages").absolute()
        packages.mkdir(parents=True, exist_ok=True)
        install_npm(packages)
        running = Running(folder / "midstream")
        try:
            for name in [*PROXIES, "express"]:
                port = free_port()
                if name == "express":
                    express = subprocess.Popen(["node", "express.mjs", str(port), running.url], cwd=packages)
                    proxy = reached(express, port)
                else:
                    proxy = PROXIES[name](folder / name, [running.port, running.port], port)
                try:
                    good, cells = judge(name, running, port, options.idle)
                finally:
                    proxy.terminate()
                    proxy.wait(10)
                well = well and good
                table.add_row(*cells)
        finally:
            running.stop()
    Console(width=140).print(table)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
