"""What owners may: limits for each of them, in settings for all and in `[owners.NAME]` for one.

Every field ends with its default.
"""

from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from shared.config.allowed_values import CheckedModel
from shared.config.variables import Text


def _listed(value: Any) -> Any:
    """Returns the entries of a list that a variable has as text."""
    return [entry.strip() for entry in value.split(",") if entry.strip()] if isinstance(value, Text) else value


TextList = Annotated[list[str], BeforeValidator(_listed)]
"""In the file a list, in a variable text with commas."""


class OwnerSettings(CheckedModel):
    """One owner: `[owners.NAME]` in `midstream.toml`."""

    max_running: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Its generations that run at a time; further ones wait in its line. Defaults to the setting.",
    )
    max_queued: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Its generations that wait; past it a POST answers 429. Defaults to the setting.",
    )
    max_viewers: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Its open streams on all API nodes; past it a further one answers 429. Defaults to the setting.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests in a minute; past it a POST answers 429. Defaults to the setting.",
    )
    cost_per_day: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="USD that its generations of a day (UTC) may cost; past it a POST answers 429. Defaults to the "
        "setting.",
    )
    weight: float = Field(
        default=1.0,
        ge=0.01,
        le=1_000,
        description="Times that its line is taken from, where others wait too, for once that one of weight 1 is. "
        "Defaults to 1.",
    )
    models: TextList | None = Field(
        default=None,
        description="Models that it may ask, as `provider/model`, `provider/*` or an alias; in a variable with commas "
        "between them. Defaults to all.",
    )
    extra: bool = Field(
        default=True,
        description="Whether its requests may hold `extra`, fields that only a provider knows, which may raise what it "
        "costs. Defaults to true.",
    )


class OwnerLimits(NamedTuple):
    """What one owner may, with the settings for all where its own say nothing; None is no limit."""

    max_running: int | None
    max_queued: int | None
    max_viewers: int | None
    requests_per_minute: int | None
    cost_per_day: float | None
    weight: float
    models: tuple[str, ...] | None
    extra: bool


class LimitSettings(CheckedModel):
    """The settings that bound each owner."""

    max_share: float = Field(
        default=0.8,
        ge=0.01,
        le=1,
        description="Parts of all workers' places that one owner's generations may hold where more than one owner is "
        'known: with two in `api_keys` or `owners`, with `keys = "redis"` or with `jwt_issuer`. Defaults to 0.8.',
    )
    max_running: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Generations of each owner that run at a time; further ones wait in its line. Defaults to none.",
    )
    max_queued: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Generations of each owner that wait; past it a POST answers 429. Defaults to none.",
    )
    max_viewers: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Open streams of each owner on all API nodes; past it a further one answers 429. Defaults to none.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests of each owner in a minute; past it a POST answers 429. Defaults to none.",
    )
    cost_per_day: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="USD that each owner's generations of a day (UTC) may cost; past it a POST answers 429. Defaults "
        "to none.",
    )
    owners: dict[str, OwnerSettings] = Field(
        default_factory=dict, description="What one owner may, by its name, where it differs. Defaults to none."
    )

    def limits(self, owner: str) -> OwnerLimits:
        """Returns what an owner may."""
        own = self.owners.get(owner, _NOTHING_OF_ITS_OWN)
        return OwnerLimits(
            max_running=_either(own.max_running, self.max_running),
            max_queued=_either(own.max_queued, self.max_queued),
            max_viewers=_either(own.max_viewers, self.max_viewers),
            requests_per_minute=_either(own.requests_per_minute, self.requests_per_minute),
            cost_per_day=_either(own.cost_per_day, self.cost_per_day),
            weight=own.weight,
            models=None if own.models is None else tuple(own.models),
            extra=own.extra,
        )


def _either(own: Any, of_all: Any) -> Any:
    return of_all if own is None else own


_NOTHING_OF_ITS_OWN = OwnerSettings()
