"""Fields that we add and an endpoint refuses: tried again without, and remembered only where that has helped.

All owners' requests go through one worker. What one of them has in its own `extra`, or what an error repeats of it,
must not change what is asked for the others.
"""

import re
from typing import TYPE_CHECKING

from shared.request.generation_request import GenerationRequest

if TYPE_CHECKING:
    # At run time it has loaded who raises it: an adapter without that SDK does not need it.
    from openai import APIStatusError

MAX_REMEMBERED_MODELS = 1000


class Refusals:
    """The models of one endpoint that refuse one field, which we add."""

    def __init__(self, endpoint: str, *names: str) -> None:
        self._endpoint = endpoint
        self._name = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in names), re.IGNORECASE)
        self._models: set[str] = set()

    def __contains__(self, model: str) -> bool:
        return model in self._models

    def blamed_in(self, error: "APIStatusError") -> bool:
        """Says whether the request was refused, and the field is named; the words for that are the endpoint's own."""
        return error.status_code in (400, 422) and self._name.search(str(error.body)) is not None

    def learn(self, model: str, request: GenerationRequest) -> None:
        """Notes that the model answered this request, which it had refused, without the field.

        Where the request has an `extra` of its own, that may be why, and nothing is noted.
        """
        if request.extra.get(self._endpoint):
            return
        if len(self._models) >= MAX_REMEMBERED_MODELS:
            self._models.clear()
        self._models.add(model)
