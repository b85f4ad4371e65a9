"""The wire protocols that we speak to providers: all that a protocol is outside its adapter, in one table.

A new one is a row here, a folder in worker/providers with a line in its registry, and what it cannot say in
shared/request/capabilities.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["openai-chat", "openai-responses", "anthropic", "gemini"]
KeyHeader = Literal["authorization", "x-api-key", "api-key", "x-goog-api-key"]
Prefill = Literal["none", "assistant", "prefix", "mistral", "deepseek", "vllm"]


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """What is particular about one protocol."""

    vendor: str
    """Name of the provider that is there where the vendor's variables are."""
    prefix: str
    """Prefix of the variables that alone configure the vendor: `<prefix>_API_KEY` and `<prefix>_BASE_URL`."""
    base_url_variable: str
    """The variable in which the vendor's SDK looks for an address where none is configured."""
    base_url: str
    """The address that the SDK asks where that variable is not set either."""
    key_header: KeyHeader
    """The header that has the key, unless an endpoint's entry says another."""
    simulator: str
    """Name of the simulator's provider of this protocol."""
    simulator_path: str = ""
    """What follows the simulator's root."""
    first_model: str | None = None
    """The vendor's model that is proposed where none is configured."""
    prefills: tuple[Prefill, ...] = ("none",)
    """How an endpoint may be given the beginning of an answer."""
    vendor_prefill: Prefill = "none"
    """How the vendor's own endpoint may be given it: models of OpenAI and Google answer a beginning, or refuse it."""
    simulator_prefill: Prefill = "none"
    no_fields: tuple[str, ...] = ()
    """Fields of a request that it has no way to say."""


PROTOCOLS: Mapping[Protocol, ProtocolFacts] = {
    "openai-chat": ProtocolFacts(
        vendor="openai",
        prefix="OPENAI",
        base_url_variable="OPENAI_BASE_URL",
        base_url="https://api.openai.com/v1",
        key_header="authorization",
        simulator="simulator",
        simulator_path="/v1",
        first_model="gpt-5-mini",
        prefills=("none", "assistant", "prefix", "mistral", "deepseek", "vllm"),
        simulator_prefill="assistant",
    ),
    "openai-responses": ProtocolFacts(
        vendor="openai-responses",
        prefix="OPENAI",
        base_url_variable="OPENAI_BASE_URL",
        base_url="https://api.openai.com/v1",
        key_header="authorization",
        simulator="simulator-responses",
        simulator_path="/v1",
        no_fields=("stop", "seed", "frequency_penalty", "presence_penalty", "top_k", "logit_bias"),
    ),
    "anthropic": ProtocolFacts(
        vendor="anthropic",
        prefix="ANTHROPIC",
        base_url_variable="ANTHROPIC_BASE_URL",
        base_url="https://api.anthropic.com",
        key_header="x-api-key",
        simulator="simulator-anthropic",
        first_model="claude-haiku-4-5",
        prefills=("none", "assistant"),
        vendor_prefill="assistant",
        simulator_prefill="assistant",
        no_fields=(
            "seed",
            "frequency_penalty",
            "presence_penalty",
            "logprobs",
            "top_logprobs",
            "logit_bias",
            "verbosity",
        ),
    ),
    "gemini": ProtocolFacts(
        vendor="gemini",
        prefix="GEMINI",
        base_url_variable="GOOGLE_GEMINI_BASE_URL",
        base_url="https://generativelanguage.googleapis.com",
        key_header="x-goog-api-key",
        simulator="simulator-gemini",
        first_model="gemini-2.5-flash",
        no_fields=("logit_bias", "verbosity"),
    ),
}
