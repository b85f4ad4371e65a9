"""What a model's name stands for: an alias's target, `provider/model`, or a bare name, as clients of a dialect send it.

Unmodified clients name models as their vendor does: `gpt-5`, `claude-opus-5`. Such a name is a model of the one
provider that speaks the dialect's protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from api.intake.listed_models import ListedModels, keyed, listed_models, simulates
from api.problems.problem import ProblemError
from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.record import DialectName

PROTOCOL_OF_DIALECT: Mapping[DialectName, Protocol] = {
    "openai-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic": "anthropic",
}
"""The protocol of the vendor that each dialect is taken from; the native one is nobody's, nor is the AI SDK's."""
SETTINGS: Mapping[DialectName, str] = {
    "openai-chat": "chat_provider",
    "openai-responses": "responses_provider",
    "anthropic": "messages_provider",
}
"""The setting that chooses a dialect's provider."""
MAX_NAMED_PROVIDERS = 8
"""Most providers that an error names."""


class ServedModel(NamedTuple):
    """A model that can be asked."""

    provider: str
    protocol: Protocol
    model: str
    """Its name at the provider."""

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"


class ServedModels(NamedTuple):
    """The models that requests can name, put together once at start: aliases, and the endpoints by their names."""

    models: Mapping[str, str]
    endpoints: Mapping[str, ProviderSettings]
    listed: ListedModels
    providers: Mapping[DialectName, str]
    """The provider of bare names, for each dialect that has one."""

    @classmethod
    def by(cls, settings: Settings) -> ServedModels:
        """Returns what these settings name, which validates every endpoint."""
        return cls.among(settings, settings.endpoints())

    @classmethod
    def among(cls, settings: Settings, endpoints: Mapping[str, ProviderSettings]) -> ServedModels:
        """Returns what these settings name where there are these endpoints."""
        chosen = {
            dialect: getattr(settings, setting) or _only(speakers(endpoints, PROTOCOL_OF_DIALECT[dialect]))
            for dialect, setting in SETTINGS.items()
        }
        providers = {dialect: provider for dialect, provider in chosen.items() if provider is not None}
        return cls(settings.models, endpoints, listed_models(settings, endpoints), providers)


def speakers(endpoints: Mapping[str, ProviderSettings], protocol: Protocol) -> Sequence[str]:
    """Returns the providers that speak a protocol; the simulator's only where no other does and none has a key."""
    found = [name for name, endpoint in endpoints.items() if endpoint.protocol == protocol]
    others = [name for name in found if not simulates(name)]
    return others if others or keyed(endpoints) else found


def resolve_name(name: str, dialect: DialectName, served: ServedModels) -> ServedModel:
    """Returns the model that a name in a dialect's request stands for. Raises ProblemError 404 `model_not_found`.

    A bare name may hold slashes, as `meta-llama/Llama-3-70b` does; one that begins with a provider's name is its.
    """
    provider, slash, model = served.models.get(name, name).partition("/")
    if not slash or provider not in served.endpoints:
        provider, model = served.providers.get(dialect, ""), name
    if not (provider and model):
        raise _not_found(dialect, served, named=bool(model))
    return ServedModel(provider, served.endpoints[provider].protocol, model)


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _not_found(dialect: DialectName, served: ServedModels, *, named: bool) -> ProblemError:
    if dialect not in PROTOCOL_OF_DIALECT:
        why, way = "No alias and no provider has this name.", "Write provider/model."
    else:
        protocol = PROTOCOL_OF_DIALECT[dialect]
        names = speakers(served.endpoints, protocol)
        if not named:
            why = "The name has no model in it."
        elif names:
            why = f"A bare name could be a model of each provider that speaks {protocol}: {_listing(names)}."
        else:
            why = f"A bare name is a model of the provider that speaks {protocol}, and there is none."
        way = f"Write provider/model, or have the operator set MIDSTREAM_{SETTINGS[dialect].upper()}."
    return ProblemError(
        404, "model_not_found", "No such model", f"{why} {way} GET /v1/models lists models and providers."
    )


def _listing(names: Iterable[str]) -> str:
    all_names = sorted(names)
    rest = len(all_names) - MAX_NAMED_PROVIDERS
    return ", ".join(all_names[:MAX_NAMED_PROVIDERS]) + (f" and {rest} more" if rest > 0 else "")
