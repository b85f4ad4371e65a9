"""A dialect as the API speaks it: what comes in, what goes out, and how it says what is wrong."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from api.dialects.dialect_request import DialectRequest
from api.problems.problem import ProblemError
from api.viewing.dialect import Dialect, Subject
from shared.config.protocols import Protocol as WireProtocol
from shared.config.settings import Settings
from shared.log.events import Failed
from shared.log.snapshots import Snapshot
from shared.record import DialectName


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


class AskedDialect(Dialect, Protocol):
    """A wire format in which a generation is asked for, too."""

    name: DialectName


class FixedBody(NamedTuple):
    """A body with what the operator has fixed in the place of what its caller chose."""

    fields: dict[str, Any]
    ignored: tuple[str, ...]
    """What of the caller's changes nothing for that reason."""


class ApiDialect(NamedTuple):
    """What the routes of a dialect have in common work with."""

    wire: AskedDialect
    prefix: str
    """Of a generation's name."""
    path: str
    """Under which its routes are."""
    read: Reader
    envelope: Callable[[ProblemError, str], dict[str, Any] | str]
    """Returns an error as the body of an answer to a request with this id: JSON, or a text."""
    status: Callable[[ProblemError], int]
    """Returns the HTTP status of an error."""
    answer: Answerer | None = None
    """None where all of its answers are streams."""
    status_of: Callable[[Failed], int] | None = None
    """Returns the HTTP status of an answer that was not streamed and failed."""
    references: References | None = None
    """What a body may name alone of earlier answers; None where the dialect has no such thing."""
    conversation_of: Callable[[Mapping[str, Any]], str | None] | None = None
    """Returns the conversation from whose newest answer a body goes on, where it names no answer.

    None where a body of this dialect says all before.
    """
    shows_failures: bool = False
    """Whether its answer's object can say that it failed or was cancelled."""
    fields_of: Callable[[Mapping[str, str]], dict[str, Any]] | None = None
    """Returns what a request's headers say that belongs to its body here; None where they say nothing."""
    fix: Callable[[dict[str, Any], Settings], FixedBody] | None = None
    """Returns a body with what the operator has fixed; None where a caller chooses everything."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers that each of its streams has."""
    seen_by_asker: Callable[[Subject], tuple[bytes, int]] | None = None
    """Returns what the stream of a POST begins with in place of the first events, and how many of these.

    None where it begins as any other.
    """
