"""What a request says about itself, and no answer depends on: who asks, which prompts belong together, how fast.

An endpoint gets what it has a word for. One that refuses a label is asked again without, and that is remembered.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from shared.request.generation_request import GenerationRequest
from worker.providers.refusals import Refusals

if TYPE_CHECKING:
    # At run time it has loaded who raises it: an adapter without that SDK does not need it.
    from openai import APIStatusError

LABELS = ("user", "prompt_cache_key", "safety_identifier", "service_tier")

OPENAI_MAX_CHARS = 64
"""Characters that OpenAI takes in any of them ("Invalid 'prompt_cache_key': string too long. Expected a string with
maximum length 64"; `user` and `safety_identifier` may be a little longer by now, depending on the API)."""

_STANDARD_TIERS = ("default", "standard", "standard_only")
"""The tier that costs what the price list says, as OpenAI, Google and Anthropic call it."""


def shortened(label: str, most: int) -> str:
    """Returns an identifier that is no longer than `most`, at least 64: its SHA-256 where it is.

    Cut, it might be another's; OpenAI recommends a hash anyway (API reference: `safety_identifier`).
    """
    return label if len(label) <= most else hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()


def openai_labels(request: GenerationRequest) -> dict[str, Any]:
    """Returns the labels as OpenAI's protocols have them; what tiers an endpoint has is its own business."""
    identifiers = ((name, getattr(request, name)) for name in LABELS if name != "service_tier")
    labels = {name: shortened(value, OPENAI_MAX_CHARS) for name, value in identifiers if value is not None}
    if request.service_tier is not None:
        labels["service_tier"] = tier_named("default", request.service_tier)
    return labels


def tier_named(standard: str, tier: str) -> str:
    """Returns the tier, the standard one under the name that its provider has for it."""
    return standard if tier in _STANDARD_TIERS else tier


class RefusedLabels:
    """The labels that models of one endpoint refuse."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._refusals = {name: Refusals(endpoint, name) for name in LABELS}

    def sent(self, request: GenerationRequest, model: str) -> GenerationRequest:
        """Returns the request without those that the model is known to refuse."""
        return _without(request, {name for name, models in self._refusals.items() if model in models})

    def without_blamed(self, request: GenerationRequest, error: "APIStatusError") -> GenerationRequest:
        """Returns the request without those that were refused; as it is where none was.

        What the caller gave by `extra` is not taken back.
        """
        own = request.extra.get(self._endpoint, {})
        return _without(
            request, {name for name, refused in self._refusals.items() if name not in own and refused.blamed_in(error)}
        )

    def learn(self, model: str, asked: GenerationRequest, answered: GenerationRequest) -> None:
        """Notes what the model answered without, after it had refused the request with it."""
        for name, refusals in self._refusals.items():
            if getattr(asked, name) is not None and getattr(answered, name) is None:
                refusals.learn(model, asked)


def _without(request: GenerationRequest, names: set[str]) -> GenerationRequest:
    given = {name for name in names if getattr(request, name) is not None}
    return request.model_copy(update=dict.fromkeys(given)) if given else request
