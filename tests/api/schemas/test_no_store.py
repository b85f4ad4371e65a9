"""What is one owner's, and changes, is kept by nobody on the way."""

from __future__ import annotations

import httpx2
from fastapi import APIRouter, FastAPI

from api.schemas.no_store import no_store
from tests.api.harness import Api


async def test_it_is_for_the_routes_of_a_router_and_no_others() -> None:
    app, router = FastAPI(), APIRouter(dependencies=[no_store])
    router.add_api_route("/own", lambda: 1)
    app.include_router(router)
    app.add_api_route("/other", lambda: 1)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/own")).headers["cache-control"] == "no-store"
        assert "cache-control" not in (await client.get("/other")).headers


async def test_what_is_an_owners_is_kept_by_nobody_on_the_way(api: Api) -> None:
    generation = await api.post()
    place = f"/v1/generations/{generation}"
    for method, path in (
        ("GET", place),
        ("HEAD", place),
        ("GET", "/v1/generations"),
        ("GET", "/v1/usage"),
        ("GET", "/v1/usage?by=day"),
        ("GET", "/v1/models"),
        ("POST", f"{place}/cancel"),
        ("DELETE", place),
    ):
        answered = await api.client.request(method, path)
        assert answered.status_code < 300, (method, path)
        assert answered.headers["cache-control"] == "no-store", (method, path)
