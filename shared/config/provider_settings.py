"""What is configured of a provider: how an endpoint is reached, and where it differs from others of its protocol.

Every field ends with its default.
"""

import os
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.config import value_checks
from shared.config.allowed_values import CheckedModel, flawless
from shared.config.presets import PRESETS
from shared.config.protocols import PROTOCOLS, KeyHeader, Prefill, Protocol

BUILT_IN = (
    *(facts.vendor for facts in PROTOCOLS.values()),
    *PRESETS,
    *(facts.simulator for facts in PROTOCOLS.values()),
)
"""Names of providers that need not be configured."""


class ProviderSettings(CheckedModel):
    """One upstream endpoint: `[providers.NAME]` in `midstream.toml`."""

    preset: str | None = Field(
        default=None,
        description="A known endpoint, by its name in [providers](providers.md#endpoints): what is not given here is "
        "as with it. Defaults to none.",
    )
    protocol: Protocol = Field(description="Wire protocol: `openai-chat`, `openai-responses`, `anthropic` or `gemini`.")
    base_url: str | None = Field(
        default=None,
        description="Root of the endpoint, as the protocol's SDK takes it; its query (`?api-version=…`) goes behind "
        "the path of each request. Defaults to the SDK's.",
    )
    api_key_env: str | None = Field(
        default=None,
        description="Name of the environment variable with the API key. Defaults to none: no key is sent.",
    )
    key_header: KeyHeader | None = Field(
        default=None,
        description="The header with the key: `authorization` (as `Bearer`), `x-api-key`, `api-key` (Azure) or "
        "`x-goog-api-key`. Defaults to the protocol's: `authorization` for Chat and Responses, `x-api-key` for "
        "Messages, `x-goog-api-key` for Gemini.",
    )
    idle_timeout: float | None = Field(
        default=None,
        ge=0.1,
        le=3_600,
        description="Seconds it may send nothing at all before a call is ended, where the request does not say. "
        "Defaults to the worker's `idle_timeout`.",
    )

    max_concurrent: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Calls of it that all workers together have open at a time; further ones wait. Defaults to none.",
    )

    stream_options: bool = Field(
        default=True,
        description="Chat only: whether it takes `stream_options`. One that refuses it is asked again without. "
        "Defaults to true.",
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None,
        description="Chat only: its name of `max_tokens`. Defaults to `max_completion_tokens` at OpenAI, `max_tokens` "
        "elsewhere.",
    )
    seed_field: Literal["seed", "random_seed"] = Field(
        default="seed", description="Chat only: its name of `seed`. Defaults to `seed`."
    )
    developer_role: bool | None = Field(
        default=None,
        description="Chat only: whether it knows the role `developer`, which is else sent as `system`. Defaults to "
        "true at OpenAI, false elsewhere.",
    )
    reasoning: Literal["effort", "reasoning_content", "reasoning", "openrouter", "litellm", "thinking"] = Field(
        default="effort",
        description="Chat only: how it takes reasoning. All take `reasoning_effort`; `reasoning_content`, `reasoning` "
        "(the field's newer name: vLLM, Cerebras) and `litellm` also an earlier answer's reasoning, `openrouter` that "
        "and a budget, in fields of their own, `thinking` as a list in the content (Mistral). Defaults to `effort`.",
    )
    cache_control: bool | None = Field(
        default=None,
        description="Chat only: whether it takes `cache_control`, which is else left out. Defaults to true where "
        "`reasoning` is `openrouter` or `litellm`, false elsewhere.",
    )

    background: bool = Field(
        default=True,
        description="Responses only: whether it runs answers in the background, so that `on_interrupt: continue` can "
        "go on. One that refuses it is asked again without. Defaults to true.",
    )
    prefill: Prefill = Field(
        default="none",
        description="Chat and Messages: how it is given the beginning of an answer, to go on from there "
        "(`on_interrupt` `continue`). `none`: not at all. `assistant`: as the last message, as it is. `prefix`: with "
        "`prefix: true` in that message. `mistral`: as `prefix`, and the answer repeats the beginning. `deepseek`: as "
        "`prefix`, at `/beta`, with the reasoning. `vllm`: with `continue_final_message: true`. Messages has `none` "
        "and `assistant`. "
        "Defaults to `none`.",
    )
    anthropic_version: str | None = Field(
        default=None,
        description="Messages only: the `anthropic-version` that every request is of. Defaults to the newest that "
        "takes the request: 2026-10-21, or 2023-06-01 where it has what only that takes, as `temperature`.",
    )

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        return flawless(name, value_checks.of_variable) if name else None

    @field_validator("anthropic_version")
    @classmethod
    def _is_dated(cls, version: str | None) -> str | None:
        return version if version is None else flawless(version, value_checks.of_version)

    @model_validator(mode="before")
    @classmethod
    def _as_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("preset") is None:
            return data
        preset = PRESETS.get(data["preset"]) if isinstance(data["preset"], str) else None
        if preset is None:
            raise ValueError(f"no preset {data['preset']!a}; there are {', '.join(PRESETS)}")
        return preset.settings(os.environ) | data

    @model_validator(mode="after")
    def _prefills_as_its_protocol(self) -> Self:
        if self.prefill not in PROTOCOLS[self.protocol].prefills:
            raise ValueError(f"prefill {self.prefill!r} is not one that the protocol {self.protocol} has")
        return self

    @property
    def keyed(self) -> bool:
        """Says whether it has an API key."""
        return bool(os.environ.get(self.api_key_env or ""))

    @property
    def address(self) -> str:
        """Root of the endpoint that is asked: `base_url`, else the SDK's."""
        facts = PROTOCOLS[self.protocol]
        return self.base_url or os.environ.get(facts.base_url_variable) or facts.base_url

    @property
    def root(self) -> str:
        """The address without its query, to which paths are added."""
        return self.address.partition("?")[0]

    @property
    def key_headers(self) -> dict[str, str]:
        """The one header that has the key."""
        name = self.key_header or PROTOCOLS[self.protocol].key_header
        return {name: f"Bearer {self.api_key()}" if name == "authorization" else self.api_key()}

    def base_url_variable(self, name: str) -> str | None:
        """Returns the variable that `address` comes from, if this entry has that name; None where there is none."""
        preset = PRESETS.get(self.preset or name)
        candidates = [preset.base_url_env] if preset else []
        candidates += [f"{facts.prefix}_BASE_URL" for facts in PROTOCOLS.values() if facts.vendor == name]
        candidates.append(PROTOCOLS[self.protocol].base_url_variable)
        return next((one for one in candidates if os.environ.get(one) == self.address), None)

    def api_key(self) -> str:
        """Returns the key from the environment; a placeholder where there is none, as the SDKs refuse an empty one."""
        return os.environ.get(self.api_key_env or "", "") or "none"


def built_in(simulator_url: str | None) -> dict[str, ProviderSettings]:
    """Returns the providers that need no configuration: those whose keys or addresses are in the environment.

    Those of the simulator are among them where `simulator_url` says that it runs.
    """
    found: dict[str, ProviderSettings] = {}
    for protocol, facts in PROTOCOLS.items():
        base_url, api_key_env = os.environ.get(f"{facts.prefix}_BASE_URL") or None, f"{facts.prefix}_API_KEY"
        if os.environ.get(api_key_env) or base_url:
            found[facts.vendor] = ProviderSettings(
                protocol=protocol, base_url=base_url, api_key_env=api_key_env, prefill=facts.vendor_prefill
            )
    for name, preset in PRESETS.items():
        if preset.active(os.environ):
            found[name] = ProviderSettings.model_validate({"preset": name})
    if simulator_url:
        for protocol, facts in PROTOCOLS.items():
            found[facts.simulator] = ProviderSettings(
                protocol=protocol,
                base_url=f"{simulator_url}{facts.simulator_path}",
                prefill=facts.simulator_prefill,
            )
    return found
