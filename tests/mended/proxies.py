"""Proxies that others made, with the files that docs/deployment.md shows, the addresses replaced."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.harness.repository import ROOT
from tests.mended.running import until

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


def program(name: str) -> str | None:
    """Where it is, on the path or where Debian has it."""
    return shutil.which(name) or shutil.which(name, path=SBIN)


def shown(language: str, ports: list[int], listen: int) -> str:
    """The only block of docs/deployment.md in this language, for nodes on these ports and one of ours in front."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    text = page.partition(f"```{language}\n")[2].partition("```")[0]
    for number, port in enumerate(ports, 1):
        text = text.replace(f"api-{number}:8000", f"127.0.0.1:{port}")
    return text.replace("bind :8000", f"bind 127.0.0.1:{listen}").replace(":8000 {", f"http://127.0.0.1:{listen} {{")


def haproxy(folder: Path, ports: list[int], listen: int) -> subprocess.Popen[bytes]:
    """HAProxy in front of two nodes."""
    folder.mkdir(parents=True)
    (folder / "haproxy.cfg").write_text(shown("haproxy", ports, listen))
    return _listening([str(program("haproxy")), "-f", str(folder / "haproxy.cfg")], folder, listen)


def caddy(folder: Path, ports: list[int], listen: int) -> subprocess.Popen[bytes]:
    """Caddy in front of two nodes."""
    folder.mkdir(parents=True)
    (folder / "Caddyfile").write_text("{\n  admin off\n  auto_https off\n}\n" + shown("caddyfile", ports, listen))
    words = [str(program("caddy")), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    return _listening(words, folder, listen)


def nginx(folder: Path, ports: list[int], listen: int) -> subprocess.Popen[bytes]:
    """nginx in front of two nodes, with the file that compose.yaml ships."""
    folder.mkdir(parents=True)
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{name}_temp_path {folder}/{name};" for name in names)
    site = shown("nginx", ports, listen).replace("listen 8000", f"listen 127.0.0.1:{listen}")
    site = site.replace("/var/log/nginx", str(folder))
    head = f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}\n"
    (folder / "nginx.conf").write_text(f"{head}{site}\n}}\n")
    words = [
        str(program("nginx")),
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    return _listening(words + (["-g", "user root;"] if os.geteuid() == 0 else []), folder, listen)


def _listening(words: list[str], folder: Path, listen: int) -> subprocess.Popen[bytes]:
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=home)

    return reached(process, listen, folder / "log")


def reached(process: subprocess.Popen[bytes], port: int, log: Path | None = None) -> subprocess.Popen[bytes]:
    """The process, once something listens on its port."""

    def listens() -> bool:
        assert process.poll() is None, log.read_text() if log else process.args
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    until(listens, 20)
    return process


PROXIES = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


def arrivals(port: int, path: str, headers: dict[str, str] | None = None) -> dict[str, float]:
    """When each event of a stream came (time.monotonic), by its id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        found = {}
        for line in iter(response.readline, b""):
            if line.startswith(b"id: "):
                found[line[4:].decode().strip()] = time.monotonic()
        return found
    finally:
        connection.close()


def lags(direct: int, proxied: int, path: str) -> list[float]:
    """Seconds by which each event of a stream comes later through the proxy than without it, in one run.

    Sends what an encoding proxy would take as a wish for gzip.
    """
    asks = {"Accept-Encoding": "gzip, deflate, br"}
    with ThreadPoolExecutor(2) as pool:
        one, two = (pool.submit(arrivals, port, path, asks) for port in (direct, proxied))
        here, there = one.result(), two.result()
    assert list(here) == list(there)
    return [there[event_id] - when for event_id, when in here.items()]


def offered(port: int, body: bytes, offer: str) -> int:
    """The status of a POST that offers an upgrade, its body in two pieces, as Java's and curl's clients send it."""
    head = (
        f"POST /v1/generations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {offer}\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 8) as caller:
        caller.sendall(head.encode() + body[:9])
        caller.sendall(body[9:])
        return int(caller.recv(65_536).split()[1])
