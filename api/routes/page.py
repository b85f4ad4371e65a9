"""The chat page, at each of its addresses: which one it is, its script reads itself."""

from fastapi import APIRouter, Request, Response

from api.routes.assets import ASSETS, HEADERS, KINDS, Asset
from api.services import ApiServices, Use

router = APIRouter(include_in_schema=False)

_PAGE = ASSETS["index.html"]
_DEMO_PAGE = Asset(_PAGE.content.replace(b"<body", b"<body data-demo", 1), KINDS[".html"])
"""The page where it may cut connections and kill workers (`api/routes/demo.py`)."""
_SHARED_HEADERS = {**HEADERS, "Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}


@router.api_route("/", methods=["GET", "HEAD"], response_class=Response)
@router.api_route("/c/{conversation:path}", methods=["GET", "HEAD"], response_class=Response)
@router.api_route("/g/{id}", methods=["GET", "HEAD"], response_class=Response)
async def page(request: Request, use: Use) -> Response:
    """Returns the page, whatever there is of what the address names."""
    return _page(use).response(request)


def shared_page(request: Request, use: ApiServices, status: int) -> Response:
    """Returns the page at the address of a link, with this status; its script then asks what the link leads to."""
    return _page(use).response(request, status, _SHARED_HEADERS)


def _page(use: ApiServices) -> Asset:
    return _PAGE if use.demo is None else _DEMO_PAGE
