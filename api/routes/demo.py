"""What the page of `midstream up` shows with the simulator: answers survive a lost connection, and a lost worker."""

import socket
from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter, HTTPException, Request, Response

from api.access.callers import caller_of, require
from api.services import ApiServices, Use
from shared.access.scopes import Scope

router = APIRouter(prefix="/demo", include_in_schema=False)


@router.post("/cut", status_code=204, response_class=Response)
async def cut(request: Request, use: Use) -> Response:
    """Resets each event stream of this process, as a network would that breaks."""
    await _allow(request, use)
    for viewer in list(use.hub.viewers):
        viewer.reset()
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@router.post("/kill", status_code=204, response_class=Response)
async def kill(request: Request, use: Use) -> Response:
    """Has a worker killed by SIGKILL, one that runs something if any does; who started it starts it again."""
    demo = await _allow(request, use)
    pid = _pid(await use.workers.busy())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(b"KILL=%d" % pid, demo)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def _allow(request: Request, use: ApiServices) -> str:
    """Returns the socket of who started this process and the workers; where there is none, nothing is here.

    Raises HTTPException 404, and ProblemError 401 and 403 where callers have keys.
    """
    if use.demo is None:
        raise HTTPException(404)
    require(await caller_of(request), Scope.GENERATE)
    return use.demo


def _pid(names: Sequence[str]) -> int:
    """Returns the process id in the first of these names of workers (`worker/main.py`); 0 where there is none."""
    pids = (name.split(":")[-2] for name in names if name.count(":") >= 2)
    return next((int(pid) for pid in pids if pid.isdecimal()), 0)
