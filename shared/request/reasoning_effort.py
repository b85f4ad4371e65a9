"""The effort that a budget of reasoning is, for those who take no number."""

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.claude_models import NO_BUDGET, claude_version
from shared.request.generation_request import GenerationRequest

EFFORTS = ((4_096, "low"), (12_288, "medium"))
"""Most tokens of each effort; what is more is `high`. These three are known wherever there are efforts, and the budgets
that Anthropic's builder makes of them are the same efforts again."""


def with_effort(
    request: GenerationRequest, protocol: Protocol, model: str, endpoint: ProviderSettings | None
) -> GenerationRequest:
    """Returns the request with an effort in the place of a budget that its provider does not take; else as it is."""
    if request.reasoning_budget is None or _takes_budget(protocol, model, endpoint):
        return request
    effort = next((effort for most, effort in EFFORTS if request.reasoning_budget <= most), "high")
    return request.model_copy(update={"reasoning_budget": None, "reasoning_effort": effort})


def _takes_budget(protocol: Protocol, model: str, endpoint: ProviderSettings | None) -> bool:
    if protocol == "anthropic":
        return (claude_version(model) or (0, 0)) < NO_BUDGET
    if protocol == "openai-chat":
        return endpoint is not None and endpoint.reasoning == "openrouter"
    return protocol == "gemini"
