"""A dialect as the API speaks it: what comes in, what goes out, and how it says what is wrong."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from api.dialects.dialect_request import DialectRequest
from api.problems.problem import ProblemError
from api.viewing.dialect import Dialect, Subject
from shared.config.protocols import Protocol as WireProtocol
from shared.log.events import Failed
from shared.log.snapshots import Snapshot


class Reader(Protocol):
    """Reads a request's body."""

    def __call__(self, body: dict[str, Any], *, provider: str, protocol: WireProtocol) -> DialectRequest:
        """Returns the request in Midstream's words, for a provider. Raises ProblemError 400 or 422."""


class Answerer(Protocol):
    """Makes the object of an answer."""

    def __call__(self, subject: Subject, said: Snapshot, *, epoch: int = 1) -> dict[str, Any]:
        """Returns the answer as it stands."""


class References(NamedTuple):
    """Items of earlier answers that a body names by their ids."""

    of: Callable[[Mapping[str, Any]], dict[str, str]]
    """Returns the ids of generations by the ids of the items that a body names alone."""
    items: Callable[[dict[str, Any]], list[dict[str, Any]]]
    """Returns the items of an answer, each with its `id`."""
    resolved: Callable[[Mapping[str, Any], Mapping[str, dict[str, Any]]], dict[str, Any]]
    """Returns the body with these items, by their ids, in the places where it names them."""


class ApiDialect(NamedTuple):
    """What the routes of a dialect have in common work with."""

    wire: Dialect
    prefix: str
    """Of a generation's name."""
    path: str
    """Under which its routes are."""
    read: Reader
    answer: Answerer
    envelope: Callable[[ProblemError, str], dict[str, Any]]
    """Returns an error as the body of an answer to a request with this id."""
    status: Callable[[ProblemError], int]
    """Returns the HTTP status of an error."""
    status_of: Callable[[Failed], int]
    """Returns the HTTP status of an answer that was not streamed and failed."""
    references: References | None = None
    """What a body may name alone of earlier answers; None where the dialect has no such thing."""
    shows_failures: bool = False
    """Whether its answer's object can say that it failed or was cancelled."""
    fields_of: Callable[[Mapping[str, str]], dict[str, Any]] | None = None
    """Returns what a request's headers say that belongs to its body here; None where they say nothing."""
