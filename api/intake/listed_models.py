"""Which models have a name here, and which of them is asked where a request names none."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.config.presets import PRESETS
from shared.config.protocols import PROTOCOLS
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings

SIMULATED = ("demo", "lorem", "echo", "reasoning", "tools", "clock")
"""The simulator's models, but for the one that always refuses: that is for tests."""

_FIRST = {facts.vendor: f"{facts.vendor}/{facts.first_model}" for facts in PROTOCOLS.values() if facts.first_model}
_FIRST |= {name: preset.first_model for name, preset in PRESETS.items() if preset.first_model}


class ListedModels(NamedTuple):
    """The models that the settings name."""

    aliases: Mapping[str, Sequence[str]]
    """The aliases of each, by `provider/model`."""
    default: str | None
    """`provider/model` of the one that is asked where a request names none."""


def listed_models(settings: Settings, endpoints: Mapping[str, ProviderSettings]) -> ListedModels:
    """Returns what the settings name; the default is `default_model`, else an alias, else the first provider's.

    The simulator's is the default only where no provider has a key: who has set one wants its answers.
    """
    named: dict[str, list[str]] = {}
    for alias, target in settings.models.items():
        named.setdefault(target, []).append(alias)
    for provider in sorted(endpoints, key=simulates):
        names = [_FIRST[provider]] if provider in _FIRST else []
        if simulates(provider):
            names = [f"{provider}/{name}" for name in SIMULATED]
        for name in names:
            named.setdefault(name, [])
    default = settings.models.get(settings.default_model or "", settings.default_model)
    if default is not None:
        named.setdefault(default, [])
    default = default or next((name for name in named if not (keyed(endpoints) and simulates(name))), None)
    return ListedModels(named, default)


def simulates(name: str) -> bool:
    """Says whether a provider, or a `provider/model`, is the simulator's."""
    return name.startswith("simulator")


def keyed(endpoints: Mapping[str, ProviderSettings]) -> bool:
    """Says whether any provider has a key, so that nobody wants simulated answers unasked."""
    return any(endpoint.keyed for endpoint in endpoints.values())
