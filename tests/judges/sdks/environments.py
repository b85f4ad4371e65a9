"""Where the clients are installed: a folder for each set, made when it is first asked for (`bench.environments`)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from bench.environments import Unavailable, locked, npm, python
from tests.judges.sdks.clients import Client

HERE: Final = Path(__file__).parent
PROGRAMS: Final = HERE / "programs"
NODE: Final = HERE / "node"
LOCKS: Final = HERE / "locks"


def command(client: Client) -> tuple[list[str], Path]:
    """What starts the client's program, and in which folder. Raises Unavailable where it cannot be installed."""
    if client.program.endswith(".mjs"):
        program, folder = npm(f"sdks-{client.environment}", LOCKS / client.environment)
        for file in NODE.glob("*.mjs"):
            shutil.copy(file, folder)
        return [program, client.program], folder
    if client.environment == "litellm":
        return [python("litellm"), str(PROGRAMS / client.program)], PROGRAMS
    lock = LOCKS / f"requirements-{client.environment}.lock"
    return [locked(f"sdks-{client.environment}", lock), str(PROGRAMS / client.program)], PROGRAMS


__all__ = ["Unavailable", "command"]
