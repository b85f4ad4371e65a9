"""For how many requests a fault strikes, or a quirk is sent."""

from collections import OrderedDict
from typing import Final

from simulator.faults import Fault
from simulator.script import Script

MAX_COUNTED: Final = 10_000


class FaultCounter:
    """Counts the requests of each model name that limits what is wrong by `times`; forgets the oldest names."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def strikes(self, script: Script) -> bool:
        """Whether what is wrong with a script is wrong with this request; a call counts one request."""
        if script.times is None:
            return True
        seen = self._seen.get(script.model, 0)
        self._seen[script.model] = seen + 1
        self._seen.move_to_end(script.model)
        if len(self._seen) > MAX_COUNTED:
            self._seen.popitem(last=False)
        return seen < script.times

    def due(self, script: Script) -> Fault | None:
        """The fault that this request suffers, if any; a call counts one request."""
        return script.fault if self.strikes(script) else None
