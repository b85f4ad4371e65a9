"""The program that the simulator writes on request follows an answer over connections that are cut."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import httpx2
import pytest

from simulator import demo
from simulator.request import Request
from tests.e2e.cuts import cut_often
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(240)]


async def test_it_prints_the_whole_answer(stack: Stack, http: httpx2.AsyncClient, tmp_path: Path) -> None:
    asked = Request(model="demo", stream=True, last_user="Write code", prompt_tokens=2, max_tokens=None, tools=())
    program = re.findall(r"^```python\n(.*?)^```$", "".join(demo.answer(asked, 0)[1]), re.DOTALL | re.MULTILINE)
    (tmp_path / "follow.py").write_text(program[0], "utf-8")
    body = {"model": "simulator/lorem?deltas=80&rate=12&unicode=1", "messages": [{"role": "user", "content": "Go."}]}
    made = (await http.post(f"{stack.apis[0].url}/v1/generations", json=body)).json()
    async with cut_often(stack, every=0.4) as front, asyncio.timeout(60):
        events = f"{front}/v1/generations/{made['id']}/events"
        follower = await asyncio.create_subprocess_exec(
            sys.executable, str(tmp_path / "follow.py"), events, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await follower.communicate()
    assert follower.returncode == 0
    snapshot = (await http.get(f"{stack.apis[0].url}/v1/generations/{made['id']}")).json()
    assert (snapshot["state"], said.decode()) == ("completed", snapshot["text"])
