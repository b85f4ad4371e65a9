"""What can be made to go wrong, where it strikes, and for how many requests."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.script import Script

STATUSES: Final = {"429": 429, "500": 500, "529": 529}
KINDS: Final = ("reset", "eof", "half", "badjson", "error", "stall", "keepalive", *STATUSES)

MAX_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault. `at` is the 0-based index of the delta before which it strikes, -1 the last."""

    kind: str
    at: int = 0

    @property
    def status(self) -> int | None:
        """The HTTP status, for the faults that are answered instead of a stream."""
        return STATUSES.get(self.kind)

    def position(self, total: int) -> int:
        """How many of `total` deltas are written first.

        A place past the end strikes after the last delta, before the terminal marker.
        """
        return max(total - 1, 0) if self.at < 0 else min(self.at, total)


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


class FaultCounter:
    """Counts the requests of each model name that limits its fault by `times`; forgets the oldest names."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def due(self, script: "Script") -> Fault | None:
        """The fault that this request suffers, if any; a call counts one request."""
        if script.fault is None or script.times is None:
            return script.fault
        seen = self._seen.get(script.model, 0)
        self._seen[script.model] = seen + 1
        self._seen.move_to_end(script.model)
        if len(self._seen) > MAX_COUNTED:
            self._seen.popitem(last=False)
        return script.fault if seen < script.times else None
