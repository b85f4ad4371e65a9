"""A browser's session: a cookie in the place of a key."""

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.access.browsers import UseBrowsers
from api.access.callers import Asking
from api.access.sessions import COOKIE, PREFIX, cookie, no_cookie
from api.problems.problem import ProblemError, documented
from api.schemas.access import SessionAnswer
from api.schemas.generation import timestamp
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import Use
from shared.config.loopback import is_loopback

router = APIRouter(prefix="/v1/session", tags=["browsers"])

_SET_COOKIE = {"Set-Cookie": {"description": f"`{COOKIE}`, which scripts cannot read.", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=201,
    response_model=SessionAnswer,
    responses={
        201: {"description": "It has begun; the browser sends the cookie by itself.", "headers": _SET_COOKIE},
        **documented(400, 401, 403, 503),
    },
)
async def begin(request: Request, caller: Asking, use: Use, browsers: UseBrowsers) -> Response:
    """Begin a session with a key: for 12 hours, until `DELETE`, or until the key ends, whatever comes first."""
    if use.settings.open_to_all:
        raise ProblemError(
            400, "no_keys", "No session is needed", "This server asks nobody for a key. Leave the session out."
        )
    if caller.grant.startswith(PREFIX):
        raise ProblemError(
            401,
            "unauthorized",
            "An API key is needed",
            "A session begins with a key, as `Authorization: Bearer <key>` or `x-api-key: <key>`, not with a session.",
            headers={"WWW-Authenticate": 'Bearer realm="midstream"'},
        )
    _require_tls(request)
    value, end = await browsers.sessions.begin(caller, await browsers.grant(request, caller))
    answer = SessionAnswer(owner=caller.owner, scopes=sorted(caller.scopes), expires=timestamp(int(end * 1000)))
    headers = {"Set-Cookie": cookie(value, end - time.time()), **NO_STORE_HEADERS}
    return JSONResponse(answer.model_dump(), 201, headers)


@router.delete("", status_code=204, responses=documented(403, 503))
async def end(request: Request, browsers: UseBrowsers) -> Response:
    """End the session whose cookie is sent, and all streams that were opened with it. Idempotent."""
    await browsers.sessions.end(request)
    return Response(status_code=204, headers={"Set-Cookie": no_cookie(), **NO_STORE_HEADERS})


def _require_tls(request: Request) -> None:
    """Raises ProblemError 400 where no browser would keep the cookie, and anybody on the way could read it."""
    if request.url.scheme != "https" and not is_loopback(request.url.hostname or ""):
        raise ProblemError(
            400,
            "insecure_session",
            "A session needs HTTPS",
            "The request came over plain HTTP, where anybody on the way can read the cookie, and no browser keeps it. "
            "Ask over https://; behind a proxy with TLS have it send `X-Forwarded-Proto: https`, and the operator name "
            "it in MIDSTREAM_TRUSTED_PROXIES.",
        )
