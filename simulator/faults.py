"""What can be made to go wrong, and where it strikes."""

from dataclasses import dataclass
from typing import Final

from simulator.request import RequestRefusedError

STATUSES: Final = {"429": 429, "500": 500, "529": 529}
KINDS: Final = ("reset", "eof", "half", "badjson", "error", "stall", "keepalive", *STATUSES)

_MESSAGES: Final = {
    429: "Rate limit reached. Please try again later.",
    500: "The server had an error while processing your request.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault. `at` is the 0-based index of the delta before which it strikes, -1 the last."""

    kind: str
    at: int = 0

    @property
    def status(self) -> int | None:
        """The HTTP status, for the faults that are answered instead of a stream."""
        return STATUSES.get(self.kind)

    @property
    def hits_connection(self) -> bool:
        """Whether it breaks the connection alone, and not what a provider makes for it."""
        return self.kind != "error" and self.status is None

    def position(self, total: int) -> int:
        """How many of `total` deltas are written first.

        A place past the end strikes after the last delta, before the terminal marker.
        """
        return max(total - 1, 0) if self.at < 0 else min(self.at, total)


def refusal(status: int, retry_after: str | None = None) -> RequestRefusedError:
    """What a fault that is an HTTP status answers."""
    return RequestRefusedError(status, _MESSAGES[status], retry_after=retry_after)


def parse_fault(value: str) -> Fault:
    """Read `<kind>`, `<kind>@<delta>` or `<kind>@last`. Raises ValueError that says what it must be."""
    kind, at_sign, place = value.partition("@")
    if kind not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}, not '{kind}'")
    if not at_sign:
        return Fault(kind)
    if place != "last" and not (place.isascii() and place.isdigit() and len(place) < 10):
        raise ValueError("must have a delta's index or 'last' after the @")
    fault = Fault(kind, -1 if place == "last" else int(place))
    if fault.status is not None and fault.at != 0:
        raise ValueError(f"must be '{kind}' or '{kind}@0': a status comes before the first delta")
    return fault
