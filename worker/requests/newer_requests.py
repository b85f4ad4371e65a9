"""Requests of a newer Midstream: APIs are replaced before workers, and may accept what this worker does not know.

Such a generation is left to a newer worker; run here, its answer would not be the one that was asked for.
"""

import logging

from pydantic import ValidationError

logger = logging.getLogger("midstream.worker")

_UNKNOWN = frozenset({"extra_forbidden", "literal_error", "enum", "union_tag_invalid"})
"""Pydantic's errors for a field, a value or a kind that it does not know."""


class NewerRequests:
    """Recognises such requests, and logs once that there are any."""

    def __init__(self) -> None:
        self._is_logged = False

    def has_asked(self, error: ValidationError) -> bool:
        """Says whether a stored request could not be read because it has what this version does not know."""
        # Where, and not what: that is the caller's.
        errors = error.errors(include_input=False, include_url=False)
        unknown = sorted({".".join(map(str, item["loc"])) for item in errors if item["type"] in _UNKNOWN})
        if unknown and not self._is_logged:
            self._is_logged = True
            logger.warning(
                "a request has what this version does not know (%s): it waits for a newer worker, "
                "as any such from now on",
                ascii(", ".join(unknown[:3]))[1:-1],
            )
        return bool(unknown)
