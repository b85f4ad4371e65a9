"""Paths that are matched as they came."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.routing import Match

from api.encoded_paths import EncodedRoute, decoded


async def show(id: str, request: Request) -> str:
    return decoded(id)


def routes() -> list[EncodedRoute]:
    router = APIRouter(prefix="/c", route_class=EncodedRoute)
    router.add_api_route("/{id}/events", show)
    router.add_api_route("/{id}", show)
    app = FastAPI()
    app.include_router(router)
    return [route for route in router.routes if isinstance(route, EncodedRoute)]


@pytest.mark.parametrize(
    ("raw", "path", "matched"),
    [
        (b"/c/a", "/c/a", ("/c/{id}", "a")),
        (b"/c/a/events", "/c/a/events", ("/c/{id}/events", "a")),
        (b"/c/a%2Fevents", "/c/a/events", ("/c/{id}", "a/events")),
        (b"/c/a%2Fb/events", "/c/a/b/events", ("/c/{id}/events", "a/b")),
        (b"/c/a%252F", "/c/a%2F", ("/c/{id}", "a%2F")),
        (b"/c/a/b", "/c/a/b", None),
        (b"", "/c/a", ("/c/{id}", "a")),
    ],
)
def test_a_slash_in_a_word_is_no_separator(raw: bytes, path: str, matched: tuple[str, str] | None) -> None:
    found = []
    for route in routes():
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": raw, "root_path": ""}
        match, child = route.matches(scope)
        assert scope["path"] == path
        if match is Match.FULL:
            found.append((route.path, decoded(child["path_params"]["id"])))
    assert found == ([] if matched is None else [matched])


def test_a_word_that_is_no_text_is_none() -> None:
    assert decoded("%FF") == ""
    assert decoded("%E2%98%95+x") == "☕+x"
