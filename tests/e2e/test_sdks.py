"""Published SDKs and frameworks, with a base URL and a key changed, do here what they do at their providers.

`make test-clients` has those that are too many for every run. What Codex CLI and Claude Code send is recorded.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.judges.sdks.behaviours import BEHAVIOURS
from tests.judges.sdks.clients import CLIENTS
from tests.judges.sdks.environments import Unavailable, command
from tests.judges.sdks.judging import Cell, judge
from tests.judges.sdks.matrix import table
from tests.judges.sdks.record import RECORDED
from tests.judges.sdks.target import KEY, Target, served

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

OFTEN = [client for client in CLIENTS if client.often]
ROWS = [(client.name, dialect) for client in OFTEN for dialect in client.dialects]
REQUESTS = [
    pytest.param(request, id=f"{file.stem}-{n}")
    for file in sorted(RECORDED.glob("*.json"))
    for n, request in enumerate(json.loads(file.read_text())["requests"], 1)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def midstream(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """Two API processes, two owners, and the simulator as the provider of each dialect."""
    async with served(tmp_path_factory.mktemp("sdks")) as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cells(midstream: Target, tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    """What came of all of them at once: they mostly wait."""
    try:
        for client in OFTEN:
            command(client)
    except Unavailable as error:
        pytest.skip(f"{client.name}: {error}")
    return await judge(midstream, OFTEN, tmp_path_factory.mktemp("clients"))


@pytest.mark.parametrize(("client", "dialect"), ROWS)
async def test_a_client_sees_here_what_it_sees_at_its_provider(cells: list[Cell], client: str, dialect: str) -> None:
    own = [cell for cell in cells if (cell.client, cell.dialect) == (client, dialect)]
    assert [cell.behaviour for cell in own] == list(BEHAVIOURS)
    assert {cell.behaviour: cell.complaints for cell in own if cell.complaints} == {}


async def test_the_table_has_no_empty_cell(cells: list[Cell]) -> None:
    lines = table(cells, ROWS).splitlines()
    assert sum(line.startswith("| ") for line in lines) == len(ROWS) + 2


@pytest.mark.parametrize("request_", REQUESTS)
async def test_what_the_command_line_tools_send_is_accepted(midstream: Target, request_: dict[str, Any]) -> None:
    left_out = ("authorization", "x-api-key")
    headers = {name: value or "x" for name, value in request_["headers"].items() if name not in left_out}
    body = request_["body"] | {"model": "lorem?deltas=5&rate=0"}
    headers |= {"authorization": f"Bearer {KEY}"}
    answer = await midstream.http.post(midstream.url + request_["path"], json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    last = [line for line in answer.text.splitlines() if line.startswith("event: ")][-1]
    assert last in ("event: response.completed", "event: message_stop")
