"""Lets the clients loose on Midstream: `python -m tests.judges.sdks`, or `make test-clients`.

Installs what is missing, prints a line for each cell that fails, and writes the table where all hold. Exits with 1
where one does not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.judges.sdks.behaviours import BEHAVIOURS
from tests.judges.sdks.clients import CLIENTS, Client
from tests.judges.sdks.environments import Unavailable, command
from tests.judges.sdks.judging import Cell, judge
from tests.judges.sdks.matrix import EmptyCellError, table, written_anew
from tests.judges.sdks.target import served, simulated


async def run(target: str, clients: list[Client], behaviours: list[str]) -> list[Cell]:
    """All of it, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="midstream-sdks-") as name:
        async with (served if target == "midstream" else simulated)(Path(name)) as running:
            return await judge(running, clients, Path(name), behaviours)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.judges.sdks", description=__doc__)
    parser.add_argument("--against", choices=("midstream", "simulator"), default="midstream")
    parser.add_argument("--often", action="store_true", help="only those that .ci/run has")
    parser.add_argument("--install", action="store_true", help="install, and judge nothing")
    parser.add_argument("--behaviour", action="append", choices=list(BEHAVIOURS), help="only this, may be repeated")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--into", type=Path, help="put the table of all into this document, between its two marks")
    parser.add_argument("client", nargs="*", help="only those whose name has this")
    options = parser.parse_args()
    clients = [client for client in CLIENTS if client.often or not options.often]
    if options.client:
        clients = [client for client in clients if any(word in client.name for word in options.client)]
    try:
        for client in clients:
            command(client)
    except Unavailable as error:
        print(f"{client.name}: {error}", file=sys.stderr)
        return 1
    if options.install:
        return 0
    behaviours = options.behaviour or list(BEHAVIOURS)
    cells = asyncio.run(run(options.against, clients, behaviours))
    if options.json:
        options.json.write_text(json.dumps([cell.document() for cell in cells], indent=1) + "\n")
    failing = [cell for cell in cells if cell.complaints]
    for cell in failing:
        print(f"{cell.client} / {cell.dialect} / {cell.behaviour}:", *cell.complaints, sep="\n    ")
    print(f"{len(cells) - len(failing)} of {len(cells)} cells hold")
    if not options.behaviour:
        try:
            lines = table(cells, [(client.name, dialect) for client in clients for dialect in client.dialects])
        except EmptyCellError:
            return 1
        print(lines)
        if options.into:
            options.into.write_text(written_anew(options.into.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
