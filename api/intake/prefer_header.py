"""How long a client waits for an answer (RFC 7240, 4.3: `Prefer: wait=N`)."""

import re
from collections.abc import Iterable

_WAIT = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,6})\"?\s*", re.IGNORECASE)


def read_wait(lines: Iterable[str]) -> int | None:
    """Returns the seconds that `Prefer` lines name first; None where they name none, or no number."""
    for line in lines:
        for preference in line.split(","):
            if match := _WAIT.fullmatch(preference.partition(";")[0]):
                return int(match[1])
    return None
