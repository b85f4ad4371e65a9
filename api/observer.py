"""The observer of an API: receives what it answers and how its viewers do. By default nothing is done with it."""

from typing import Literal

CutReason = Literal["stalled", "failed", "drain", "revoked", "demo"]
"""Why a viewer's connection was ended at once: it read nothing, serving it failed, this node ends, it may watch no
more, or the page's demo has cut it."""


class Observer:
    """The interface of an observer; this one does nothing. No method may wait, or raise."""

    def answered(self, route: str, method: str, status: int) -> None:
        """Notes the begin of an answer; the route is its template, empty for what never became a request."""

    def limited(self, code: str, owner: str) -> None:
        """Notes that an owner's request was refused for a limit, 429 with this code."""

    def opened(self, *, resumed: bool) -> None:
        """Notes a new viewer; whether it has named the last event that it had."""

    def cut(self, reason: CutReason) -> None:
        """Notes that a viewer was cut."""
