"""The chat page: a few files of ours and nothing from elsewhere."""

from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

_HEADERS = {
    # app.js is all that may run, and this server all it may speak to.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _serve(path: str, name: str, media_type: str) -> None:
    content = files("api").joinpath("web", name).read_bytes()

    async def serve() -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)

    router.add_api_route(path, serve, methods=["GET", "HEAD"], response_class=Response, name=name)


_serve("/", "index.html", "text/html")
_serve("/app.js", "app.js", "text/javascript")
_serve("/style.css", "style.css", "text/css")
_serve("/icon.svg", "icon.svg", "image/svg+xml")
