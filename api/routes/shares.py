"""Links to one generation: made, revoked."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from api.access.browsers import UseBrowsers
from api.access.callers import Owner, Reader
from api.access.json_only import json_only
from api.intake.ttl_body import read_ttl
from api.problems.problem import ProblemError, documented, not_found
from api.request_paths import SHARED
from api.schemas.access import ShareAnswer, ttl_body
from api.schemas.generation import timestamp
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import GenerationId, Use
from api.viewing.resume import refusal

router = APIRouter(prefix="/v1/generations", tags=["browsers"], dependencies=[json_only])

DEFAULT_TTL_S = 604_800
MAX_TTL_S = 2_592_000
SHARE_ID_EXAMPLE = "shr_mfrggzdfmztwq2lknnwg23tpobyxe43u"


@router.post(
    "/{id}/share",
    status_code=201,
    response_model=ShareAnswer,
    openapi_extra=ttl_body("Defaults to 7 days.", MAX_TTL_S),
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 503),
)
async def make(
    id: GenerationId, owner: Owner, _reads: Reader, request: Request, use: Use, browsers: UseBrowsers
) -> Response:
    """Make a link by which anybody may read this generation, until it expires, is revoked, or the generation is gone.

    It does not end with the key with which it was made.
    """
    ttl = await read_ttl(request, use.settings, MAX_TTL_S)
    await use.record(id, owner)
    share = await browsers.shares.make(id, owner, DEFAULT_TTL_S if ttl is None else ttl)
    root = use.settings.public_url or str(request.base_url).rstrip("/")
    answer = ShareAnswer(id=share.id, url=f"{root}{SHARED}{share.secret}", expires=timestamp(int(share.expires * 1000)))
    return JSONResponse(answer.model_dump(), 201, NO_STORE_HEADERS)


@router.delete("/{id}/share/{share_id}", status_code=204, responses=documented(401, 403, 404, 415, 503))
async def revoke(
    id: GenerationId,
    share_id: Annotated[str, Path(description="The share's id.", examples=[SHARE_ID_EXAMPLE])],
    owner: Owner,
    use: Use,
    browsers: UseBrowsers,
) -> Response:
    """Revoke a link: it leads nowhere at once, and who watches by it is cut within 5 seconds. Idempotent."""
    if refusal(await use.generations.find(id), owner) == "not_found":
        raise not_found()
    if not await browsers.shares.revoke(id, owner, share_id):
        raise ProblemError(
            404, "no_such_link", "No such link", "This generation has no link with this id. Send the `id` of its 201."
        )
    return Response(status_code=204, headers=NO_STORE_HEADERS)
