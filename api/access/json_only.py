"""The check that a body is JSON, which a page of another site cannot send without a preflight (CORS)."""

from fastapi import Depends, Request

from api.access.browser_guard import READING_METHODS
from api.access.callers import Owner, Reader
from api.problems.problem import ProblemError


async def _check(request: Request, _: Owner) -> None:
    check_body(request)


async def _check_for_readers(request: Request, _: Reader) -> None:
    check_body(request)


def check_body(request: Request) -> None:
    """Raises ProblemError 415 for a body that is not said to be JSON as it is."""
    headers = request.headers
    if request.method in READING_METHODS or not (
        headers.get("content-length", "").strip("0") or "transfer-encoding" in headers
    ):
        return
    kinds = [kind.partition(";")[0].strip().lower() for kind in headers.getlist("content-type")]
    if kinds != ["application/json"]:
        raise ProblemError(
            415,
            "unsupported_media_type",
            "The body is not said to be JSON",
            "Send the body with `Content-Type: application/json`.",
        )
    codings = ",".join(headers.getlist("content-encoding")).lower().split(",")
    if any(coding.strip() not in ("", "identity") for coding in codings):
        raise ProblemError(
            415,
            "unsupported_encoding",
            "The body is encoded",
            "Send the body as it is, without a `Content-Encoding`.",
            headers={"Accept-Encoding": "identity"},  # RFC 9110, 12.5.3
        )


json_only = Depends(_check)
"""For a router: 415 for a body of another kind, once it is known who asks."""
json_for_readers = Depends(_check_for_readers)
"""The same where a POST needs no more than to read."""
