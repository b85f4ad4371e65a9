"""Which models an owner may ask: those that its allow-list names, each by any of its names."""

from collections.abc import Sequence

from api.intake.listed_models import ListedModels
from api.intake.model_names import ServedModels


class AllowedModels:
    """The models that one owner may ask; `entries` are aliases, `provider/model` or `provider/*`, None for all."""

    def __init__(self, entries: Sequence[str] | None, served: ServedModels) -> None:
        self._served = served
        self._names = None if entries is None else [served.models.get(entry, entry) for entry in entries]

    def __contains__(self, model: str) -> bool:
        """Says whether a `provider/model` is one of them, whatever parameters follow its name (the simulator's)."""
        if self._names is None:
            return True
        names = (model, model.partition("?")[0], model.partition("/")[0] + "/*")
        return any(name in self._names for name in names)

    def served(self) -> ServedModels:
        """Returns what is served, without what is not allowed; models of the allow-list are listed too."""
        served = self._served
        if self._names is None:
            return served
        listed = {name: aliases for name, aliases in served.listed.aliases.items() if name in self}
        for name in self._names:
            if not name.endswith("/*") and name.partition("/")[0] in served.endpoints:
                listed.setdefault(name, [])
        default = served.listed.default
        providers = {name.partition("/")[0] for name in self._names}
        return ServedModels(
            models={alias: target for alias, target in served.models.items() if target in self},
            endpoints={name: entry for name, entry in served.endpoints.items() if name in providers},
            listed=ListedModels(listed, default if default is not None and default in self else None),
            providers=served.providers,
        )
