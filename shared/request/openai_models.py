"""What OpenAI's reasoning models refuse, by their names.

Read in November 2026: OpenAI's guide "Using the latest model" ("When reasoning effort is not none, remove temperature,
top_p, and top_logprobs"), Microsoft's page "Azure OpenAI reasoning models" (`logprobs`, `logit_bias`), OpenAI's API
reference (`reasoning_effort`, `stop`), its page of GPT-6 Luna ("Chat Completions supports function calling only with
reasoning_effort set to none"), and, for what those leave open, what was tried against the service:
UKGovernmentBEIS/inspect_ai#5242 (which efforts take a temperature), livekit/agents#7169 (efforts of GPT-5.6),
genkit-ai/genkit#6303 and BerriAI/litellm-docs#1173 (GPT-6 Astra), huggingface/smolagents#1662 and #1868,
bolna-ai/bolna#1019 (`stop`), evalstate/fast-agent#279 (`parallel_tool_calls` of the o series).
"""

import re
from collections.abc import Iterator

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from shared.request.unsupported import Unsupported

_GPT = re.compile(r"gpt-(\d)(?:\.(\d+))?(?![\d.a-z])")
_O_SERIES = re.compile(r"o\d(?![\da-z])")

_REASONS = (5, 0)
"""From here on GPT is a reasoning model; but for those for chat (`gpt-5-chat-latest`)."""
_UNREASONED = (5, 1)
"""From here on it can be kept from reasoning, and is by default, up to 5.4 (API reference: `reasoning_effort`)."""
_REASONS_BY_DEFAULT = (5, 5)
_XHIGH = (5, 2)
"""From here on `xhigh` exists ("all models after gpt-5.1-codex-max"; that one has it too)."""
_ALWAYS_REASONS = re.compile(r"gpt-6-astra|gpt-6\.1-sol")
"""Of the models that could be kept from reasoning, those that cannot (genkit-ai/genkit#6303; OpenAI's model pages)."""
_CALLS_UNREASONED = (5, 4)
"""From here on Chat takes functions only with the effort `none`; from 5.6 on it must say so."""
_SAYS_SO = (5, 6)

_SAMPLING: dict[str, object] = {"temperature": 1, "top_p": 1, "logprobs": False, "top_logprobs": 0}
_PENALTIES: dict[str, object] = {"frequency_penalty": 0, "presence_penalty": 0, "logit_bias": None}
"""Fields that a model refuses while it reasons, and the values that are as good as none."""


class OpenAIModel:
    """One model of OpenAI's, by its name; of any other nothing is known, and so nothing refused."""

    def __init__(self, name: str) -> None:
        gpt = None if "-chat" in name else _GPT.match(name)
        version = (int(gpt[1]), int(gpt[2] or 0)) if gpt else (0, 0)
        self.name = name
        self.version = version if version >= _REASONS else None
        """Of a GPT that reasons; None for any other model."""
        self.o_series = _O_SERIES.match(name) is not None
        self.reasons = self.o_series or self.version is not None

    def can_be_kept_from_reasoning(self) -> bool:
        """Says whether it takes the effort `none`."""
        return not self.reasons or (self._since(_UNREASONED) and _ALWAYS_REASONS.match(self.name) is None)

    def samples(self, effort: str | None) -> bool:
        """Says whether it takes `temperature`, `top_p` and `logprobs` with this effort."""
        if effort is None:
            return not self.reasons or (self._since(_UNREASONED) and not self._since(_REASONS_BY_DEFAULT))
        return not self.reasons or (effort == "none" and self.can_be_kept_from_reasoning())

    def effort(self, asked: str) -> str:
        """Returns the effort that it knows and that comes nearest."""
        if asked == "minimal" and (self.o_series or self._since(_UNREASONED)):
            return "low"
        if asked == "xhigh" and self.reasons and not self._since(_XHIGH) and "codex-max" not in self.name:
            return "high"
        return asked

    def stops(self) -> bool:
        """Says whether it takes `stop` over Chat."""
        return self.version is None and re.match(r"o3(?!-mini)|o4-mini", self.name) is None

    def calls_over_chat(self, effort: str | None) -> bool:
        """Says whether Chat takes functions for it with this effort."""
        if not self._since(_CALLS_UNREASONED):
            return True
        return effort == "none" or (effort is None and not self._since(_SAYS_SO))

    def _since(self, version: tuple[int, int]) -> bool:
        return self.version is not None and self.version >= version


def refused(request: GenerationRequest, model: OpenAIModel) -> Iterator[Unsupported]:
    """Yields what the model refuses of a request, over either of OpenAI's protocols."""
    if request.reasoning_effort == "none" and not model.can_be_kept_from_reasoning():
        yield Unsupported("/reasoning_effort", "this model cannot be kept from reasoning; use minimal")
    yield from _while_reasoning(request, model, _SAMPLING)


def _while_reasoning(request: GenerationRequest, model: OpenAIModel, usual: dict[str, object]) -> Iterator[Unsupported]:
    if model.samples(request.reasoning_effort):
        return
    remedy = "leave it out" + (", or set reasoning_effort to none" if model.can_be_kept_from_reasoning() else "")
    for name, value in usual.items():
        if getattr(request, name) not in (None, value):
            yield Unsupported(f"/{name}", f"this model takes none while it reasons; {remedy}")


def refused_over_chat(
    request: GenerationRequest, model: OpenAIModel, endpoint: ProviderSettings | None
) -> Iterator[Unsupported]:
    """Yields what it refuses over Chat only; functions at OpenAI itself, as gateways ask it over Responses then."""
    yield from _while_reasoning(request, model, _PENALTIES)
    if request.stop is not None and not model.stops():
        yield Unsupported("/stop", "this model takes none; leave it out")
    official = endpoint is not None and "//api.openai.com/" in f"{endpoint.address}/".lower()
    if not (official and request.tools) or model.calls_over_chat(request.reasoning_effort):
        return
    elsewhere = "use the model of a provider of protocol openai-responses"
    if model.can_be_kept_from_reasoning():
        yield Unsupported(
            "/reasoning_effort", f"must be none for this model to call functions over Chat, or {elsewhere}"
        )
    else:
        yield Unsupported("/tools", f"this model calls functions over Responses only; {elsewhere}")


def taken(request: GenerationRequest, model: OpenAIModel, fields: dict[str, object]) -> dict[str, object]:
    """Returns a provider's fields without those that are refused at any value, but mean nothing as they are."""
    left_out: set[str] = set()
    if not model.samples(request.reasoning_effort):
        left_out |= _SAMPLING.keys() | _PENALTIES.keys()
    if model.o_series:
        # They call one function after the other in any case.
        left_out.add("parallel_tool_calls")
    return {name: value for name, value in fields.items() if name not in left_out}
