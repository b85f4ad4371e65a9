"""What is not ours and gets installed, into a folder of its own: packages of npm and PyPI, and Java's own client."""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).parent
PYPI = [
    "aiohttp-sse-client2==0.3.0",
    "httpx==0.28.1",
    "httpx-sse==0.4.3",
    "requests==2.34.2",
    "sseclient-py==1.9.0",
]
SSECLIENT = "sseclient==0.0.27"
"""Of the same name as sseclient-py once it is imported, and so in an environment of its own."""
POSTS = ("@microsoft/fetch-event-source", "@fortaine/fetch-event-source")
PROXIES = ("compression", "express", "http-proxy-middleware")

Commands = dict[str, list[str]]


def install_npm(folder: Path) -> list[str]:
    """The packages of node/package.json with our programs beside them; their names, without those of the proxy."""
    shutil.copytree(HERE / "node", folder, dirs_exist_ok=True)
    if not (folder / "node_modules").exists():
        npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        subprocess.run(npm, cwd=folder, check=True)
    return [name for name in json.loads((folder / "package.json").read_text())["dependencies"] if name not in PROXIES]


def environment(folder: Path, packages: list[str]) -> str:
    """The Python of an environment with these."""
    python = str(folder / "bin" / "python")
    if not Path(python).exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *packages], check=True
        )
    return python


def install(folder: Path) -> Commands:
    """By each client's name the command that follows streams with it."""
    folder.mkdir(parents=True, exist_ok=True)
    commands: Commands = {}
    for name in install_npm(folder):
        commands[name] = ["node", "clients.mjs", name]
    for name in POSTS:
        commands[f"{name} POST"] = ["node", "clients.mjs", name]
    program = str(HERE / "python_clients.py")
    python = environment(folder / "python", PYPI)
    for name in ("sseclient-py", "httpx-sse", "aiohttp-sse-client2", "requests", "urllib"):
        commands[name] = [python, program, name]
    commands["sseclient"] = [environment(folder / "sseclient", [SSECLIENT, "requests==2.34.2"]), program, "sseclient"]
    for name in ("java.net.http", "java.net.http POST"):
        commands[name] = ["java", str(HERE / "Lines.java"), name]
    return commands
