"""The files of the chat page: ours, what npm has for it, and the JavaScript client. None is from elsewhere."""

import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from api.intake.accept_header import takes_gzip

router = APIRouter(include_in_schema=False)

KINDS: Mapping[str, str] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""The media type of each kind of file that is served; what else lies in the folder is not."""
WEB = files("api").joinpath("web")
CLIENT = "midstream-client.js"
LATE = ("vendor/marked.js", "vendor/highlight.js")
"""What `make page` may build while this runs."""
HEADERS: Mapping[str, str] = {
    # Scripts of this server are all that may run, and this server all that they may speak to.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'",
    # A browser asks each time whether it has changed: an older script would speak to a newer server.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


class Asset:
    """A file as it is served: as it is, and packed by gzip where that is shorter."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self.content = content
        self._media_type = media_type
        packed = gzip.compress(content, mtime=0)
        self._packed = packed if len(packed) < len(content) else None
        self._digest = hashlib.sha256(content).hexdigest()[:32]

    def response(self, request: Request, status: int = 200, headers: Mapping[str, str] = HEADERS) -> Response:
        """Returns it in the form that a request takes; 304 where its client has that form already."""
        packed = self._packed if takes_gzip(request.headers.getlist("accept-encoding")) else None
        # The two forms are not the same bytes (RFC 9110, 8.8.3).
        tag = f'"{self._digest}{"" if packed is None else "-gzip"}"'
        told = {**headers, "ETag": tag}
        if status == 200 and _names(request.headers.getlist("if-none-match"), tag):
            return Response(status_code=304, headers=told)
        if packed is not None:
            told["Content-Encoding"] = "gzip"
        return Response(self.content if packed is None else packed, status, told, self._media_type)


def _names(lines: Sequence[str], tag: str) -> bool:
    """Says whether `If-None-Match` names a tag; a weak one counts, as some proxies make it (RFC 9110, 13.1.2)."""
    names = [name.strip().removeprefix("W/") for line in lines for name in line.split(",")]
    return tag in names or names == ["*"]


def _read() -> dict[str, Asset]:
    """Returns every file that is served, by its path in the folder."""
    found = {name: Asset(file.read_bytes(), KINDS[Path(name).suffix]) for name, file in _served(WEB)}
    # A package has the client beside the page, a checkout where it is written.
    client = Path(__file__).parents[2] / "clients" / "javascript" / "src" / CLIENT
    if CLIENT not in found and client.exists():
        found[CLIENT] = Asset(client.read_bytes(), KINDS[client.suffix])
    return found


def _served(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for file in folder.iterdir():
        name = prefix + file.name
        if file.is_dir():
            yield from _served(file, f"{name}/")
        elif Path(name).suffix in KINDS:
            yield name, file


ASSETS = _read()
"""All of them, each read once."""


def _find(name: str) -> Asset | None:
    """Returns a file by its path; one that was built since the others were read is read now."""
    if name in LATE and name not in ASSETS and (file := WEB.joinpath(name)).is_file():
        ASSETS[name] = Asset(file.read_bytes(), KINDS[".js"])
    return ASSETS.get(name)


@router.api_route("/assets/{name:path}", methods=["GET", "HEAD"], response_class=Response)
async def asset(name: str, request: Request) -> Response:
    """Returns a file of the page."""
    if (found := _find(name)) is None:
        raise HTTPException(404)
    return found.response(request)
