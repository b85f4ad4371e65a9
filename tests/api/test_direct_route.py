"""Routes that are served without FastAPI's layers."""

from __future__ import annotations

import httpx2
from fastapi import APIRouter, FastAPI, Request, Response

from api.direct_route import DirectRoute, described, parameter
from api.problems import problem


def app() -> FastAPI:
    router = APIRouter(route_class=DirectRoute)

    @router.get("/x/{id}", openapi_extra=described(parameter("path", "id", "Its id.", example="a")))
    async def show(request: Request) -> Response:
        if request.path_params["id"] == "gone":
            raise problem.gone()
        return Response(request.path_params["id"])

    made = FastAPI()
    problem.install(made)
    made.router.routes += router.routes
    return made


async def test_it_is_served_described_and_refuses_as_others() -> None:
    made = app()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(made), base_url="http://x") as client:
        assert (await client.get("/x/1")).text == "1"
        assert (await client.get("/x/gone")).json()["code"] == "gone"
        refused = await client.post("/x/1")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    [described_one] = made.openapi()["paths"]["/x/{id}"]["get"]["parameters"]
    assert (described_one["name"], described_one["in"], described_one["required"]) == ("id", "path", True)
