"""Which models have a name here."""

from collections.abc import Mapping

from fastapi import APIRouter

from api.access.api_keys import Owner
from api.problems.problem import documented
from api.schemas.generation import ModelAnswer, ModelList, ProviderAnswer
from api.schemas.no_store import no_store
from api.services import Use
from shared.config.presets import PRESETS
from shared.config.protocols import PROTOCOLS
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[no_store])

_FIRST = {facts.vendor: f"{facts.vendor}/{facts.first_model}" for facts in PROTOCOLS.values() if facts.first_model}
_FIRST |= {name: preset.first_model for name, preset in PRESETS.items() if preset.first_model}
_SIMULATED = ("demo", "lorem", "echo", "reasoning", "tools", "clock")


@router.head("", include_in_schema=False)
@router.get("", response_model=ModelList, responses=documented(401))
async def models(owner: Owner, use: Use) -> ModelList:
    """Aliases, the default model, and the providers."""
    return listing(use.settings, use.served.endpoints)


def listing(settings: Settings, endpoints: Mapping[str, ProviderSettings]) -> ModelList:
    """Returns what the settings name; the default is `default_model`, else an alias, else the first provider's.

    The simulator's is the default only where no provider has a key: who has set one wants its answers.
    """
    named: dict[str, list[str]] = {}
    for alias, target in settings.models.items():
        named.setdefault(target, []).append(alias)
    for provider in sorted(endpoints, key=_simulates):
        names = [_FIRST[provider]] if provider in _FIRST else []
        if _simulates(provider):
            names = [f"{provider}/{name}" for name in _SIMULATED]
        for name in names:
            named.setdefault(name, [])
    default = settings.models.get(settings.default_model or "", settings.default_model)
    if default is not None:
        named.setdefault(default, [])
    keyed = any(endpoint.keyed for endpoint in endpoints.values())
    default = default or next((name for name in named if not (keyed and _simulates(name))), None)
    return ModelList(
        data=[
            ModelAnswer(id=name, provider=name.partition("/")[0], aliases=aliases, default=name == default)
            for name, aliases in named.items()
        ],
        providers=[ProviderAnswer(name=name, protocol=entry.protocol) for name, entry in endpoints.items()],
        simulated=_simulates(default or ""),
    )


def _simulates(name: str) -> bool:
    return name.startswith("simulator")
