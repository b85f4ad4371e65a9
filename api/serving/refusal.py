"""Answers to what never becomes a request: the same documents as the routes', written without them."""

from collections.abc import Iterable
from http import HTTPStatus

from api.problems.problem import ProblemError


def refusal(problem: ProblemError, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns the answer with these headers before its own; after it the connection is closed."""
    response = problem.response()
    first = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode()
    lines = [b"%b: %b\r\n" % field for field in [*headers, *response.raw_headers, (b"connection", b"close")]]
    return b"".join([first, *lines, b"\r\n", bytes(response.body)])


def too_slow(what: str, setting: str) -> ProblemError:
    """Returns the problem of a client that does not send what it has begun."""
    return ProblemError(
        408,
        "request_timeout",
        "The request is not complete",
        f"The rest of the {what} did not come in time. Send it again; the operator may raise {setting}.",
    )


def too_many(most: int) -> ProblemError:
    """Returns the problem of a connection for which there is no room."""
    return ProblemError(
        503,
        "too_many_connections",
        "There are too many connections",
        f"This process takes {most}. Try again later, or have the operator raise MIDSTREAM_MAX_CONNECTIONS.",
        headers={"Retry-After": "5"},
    )
