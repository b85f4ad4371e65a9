"""Requests of a newer Midstream: APIs are replaced before workers, and may accept what this worker does not know.

Such a generation is left to a newer worker; run here, its answer would not be the one that was asked for.
"""

from __future__ import annotations

import logging

import msgspec
from pydantic import ValidationError

from shared.requests import GenerationRequest

logger = logging.getLogger("midstream.worker")

SMALL = 65_536
"""Bytes up to which all of a request is looked at; of a longer one its fields, as checking it takes milliseconds."""

_FIELDS = frozenset(field.alias or name for name, field in GenerationRequest.model_fields.items())
_UNKNOWN = frozenset({"extra_forbidden", "literal_error", "enum", "union_tag_invalid"})
"""Pydantic's errors for a field, a value or a kind that it has never heard of."""
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Newer:
    """Tells such requests apart, and says once that there are any."""

    def __init__(self) -> None:
        self._told = False

    def is_newer(self, request: bytes) -> bool:
        """Whether a stored request has what this version does not know. One that is no JSON object has not."""
        try:
            unknown = sorted(_fields.decode(request).keys() - _FIELDS)
        except msgspec.MsgspecError:
            return False
        if not unknown and len(request) <= SMALL:
            try:
                GenerationRequest.model_validate_json(request)
            except ValidationError as error:
                # Where, and not what: that is the caller's.
                errors = error.errors(include_input=False, include_url=False)
                unknown = sorted({".".join(map(str, item["loc"])) for item in errors if item["type"] in _UNKNOWN})
        if unknown and not self._told:
            self._told = True
            logger.warning(
                "a request has what this version does not know (%s): it waits for a newer worker, "
                "as any such from now on",
                ascii(", ".join(unknown[:3]))[1:-1],
            )
        return bool(unknown)
