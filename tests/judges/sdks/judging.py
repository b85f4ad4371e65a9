"""Every client by every behaviour, and the results as rows of JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.judges.sdks.behaviours import BEHAVIOURS, NotHereError
from tests.judges.sdks.clients import Client, Dialect
from tests.judges.sdks.environments import command
from tests.judges.sdks.program import running
from tests.judges.sdks.row import Row
from tests.judges.sdks.target import Target

AT_ONCE = 24
"""Behaviours that run side by side: they mostly wait."""


@dataclass
class Cell:
    """One client over one dialect, and one behaviour. Neither `complaints` nor `lacks` means that it holds."""

    client: str
    dialect: str
    behaviour: str
    complaints: list[str] = field(default_factory=list)
    lacks: str = ""
    """Why there is nothing to judge."""

    def document(self) -> dict[str, Any]:
        """For a file of results."""
        return asdict(self)


async def judge(
    target: Target, clients: Iterable[Client], folder: Path, behaviours: Sequence[str] = tuple(BEHAVIOURS)
) -> list[Cell]:
    """The cells of these clients, in the order of the table."""
    places = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_client(target, client, folder, behaviours, places) for client in clients))
    return [cell for cells in found for cell in cells]


async def _client(
    target: Target, client: Client, folder: Path, behaviours: Sequence[str], places: asyncio.Semaphore
) -> list[Cell]:
    words, place = command(client)
    name = "".join(letter if letter.isalnum() else "-" for letter in client.name)
    async with running(words, place, folder / f"{name}.log") as program:

        async def cell(dialect: Dialect, behaviour: str) -> Cell:
            found = Cell(client.name, dialect, behaviour, lacks=client.lacking(dialect, behaviour))
            if found.lacks:
                return found
            row = Row(client, dialect, program, target)
            async with places:
                await _judged(row, found)
            return found

        return await asyncio.gather(*(cell(dialect, one) for dialect in client.dialects for one in behaviours))


async def _judged(row: Row, cell: Cell) -> None:
    try:
        with contextlib.suppress(NotHereError):
            await BEHAVIOURS[cell.behaviour](row)
            cell.complaints = row.complaints
            return
        cell.lacks = "the target keeps no answers"
    except TimeoutError:
        cell.complaints = [*row.complaints, "expected an outcome, came none in time"]
    except Exception as error:  # a client's program that ended, an answer of another shape: the cell's, not the table's
        cell.complaints = [*row.complaints, f"{type(error).__name__}: {error}"]
