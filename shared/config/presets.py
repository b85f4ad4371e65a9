"""Endpoints that we know by name: where they are, which variables configure them, and what is particular about them.

From the vendors' API references, as of November 2026; `docs/providers.md` has the table and says what was run.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """What `[providers.NAME] preset = "…"` stands for."""

    prefix: str
    """Prefix of the endpoint's variables: `<prefix>_API_KEY` and `<prefix>_BASE_URL`."""
    base_url: str
    local: bool = False
    """A server of one's own: it may take no key, and is there when its base URL is set."""
    first_model: str | None = None
    """What `midstream chat` asks where nothing else is configured."""
    quirks: Mapping[str, Any] = {}
    """Fields of ProviderSettings that differ from their defaults."""

    @property
    def api_key_env(self) -> str:
        """The variable with the key."""
        return f"{self.prefix}_API_KEY"

    @property
    def base_url_env(self) -> str:
        """The variable with the root, for where it differs from `base_url`."""
        return f"{self.prefix}_BASE_URL"

    def settings(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Returns the fields of ProviderSettings, with what the environment says."""
        fields: dict[str, Any] = {
            "protocol": "openai-chat",
            "base_url": environment.get(self.base_url_env) or self.base_url,
        }
        if not self.local or environment.get(self.api_key_env):
            fields["api_key_env"] = self.api_key_env
        return fields | dict(self.quirks)

    def active(self, environment: Mapping[str, str]) -> bool:
        """Says whether the environment alone configures it."""
        key = not self.local and environment.get(self.api_key_env)
        return bool(key or environment.get(self.base_url_env))


PRESETS: dict[str, Preset] = {
    "groq": Preset(
        "GROQ",
        "https://api.groq.com/openai/v1",
        first_model="groq/openai/gpt-oss-120b",
        quirks={"max_tokens_field": "max_completion_tokens", "prefill": "assistant"},
    ),
    "deepseek": Preset(
        "DEEPSEEK",
        "https://api.deepseek.com",
        first_model="deepseek/deepseek-v4-flash",
        quirks={"reasoning": "reasoning_content", "prefill": "deepseek"},
    ),
    "openrouter": Preset(
        "OPENROUTER",
        "https://openrouter.ai/api/v1",
        first_model="openrouter/openai/gpt-5-mini",
        quirks={"reasoning": "openrouter"},
    ),
    "mistral": Preset(
        "MISTRAL",
        "https://api.mistral.ai/v1",
        first_model="mistral/mistral-small-latest",
        # Refused as an unknown field; the last chunk has the usage in any case.
        quirks={
            "stream_options": False,
            "seed_field": "random_seed",
            "prefill": "mistral",
            "reasoning": "thinking",
        },
    ),
    "together": Preset("TOGETHER", "https://api.together.xyz/v1", first_model="together/openai/gpt-oss-120b"),
    "vllm": Preset(
        "VLLM",
        "http://127.0.0.1:8000/v1",
        local=True,
        # From 0.16 on it reads no `reasoning_content` of an earlier answer any more (vllm-project/vllm#38488).
        quirks={"reasoning": "reasoning", "prefill": "vllm"},
    ),
    "ollama": Preset("OLLAMA", "http://127.0.0.1:11434/v1", local=True),
    "llamacpp": Preset(
        "LLAMACPP",
        "http://127.0.0.1:8080/v1",
        local=True,
        # With vLLM's field; without it, it goes on too, and repeats what it was given.
        quirks={"reasoning": "reasoning_content", "prefill": "vllm"},
    ),
    "litellm": Preset("LITELLM", "http://127.0.0.1:4000/v1", local=True, quirks={"reasoning": "litellm"}),
}
