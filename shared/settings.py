"""Configuration: the command line wins over the environment, and that over `midstream.toml`.

Every field says its unit and ends with its default. Durations are in seconds, sizes in bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shared.loopback import is_loopback
from shared.provider_settings import ProviderSettings, built_in
from shared.settings_error import SettingsError as SettingsError

Transport = Literal["auto", "direct", "asgi"]

CLIENT_VARIABLES = frozenset({"MIDSTREAM_URL", "MIDSTREAM_KEY"})
"""Where the client commands find the API; of no meaning to the programs themselves."""


Price = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, decimal_places=6, allow_inf_nan=False)]
"""USD for a million tokens."""


class PriceSettings(BaseModel):
    """What a model costs: `[prices."PROVIDER/MODEL"]` in `midstream.toml`."""

    model_config = ConfigDict(extra="forbid")

    input: Price = Field(description="USD for a million tokens of input, as text so that no digit is lost.")
    output: Price = Field(description="USD for a million tokens of output, reasoning included.")
    cached: Price | None = Field(
        default=None, description="USD for a million tokens read from a cache. Defaults to `input`."
    )
    cache_write: Price | None = Field(
        default=None, description="USD for a million tokens written to a cache. Defaults to `input`."
    )


class Settings(BaseSettings):
    """All settings of the API, the worker and the command line. Environment names are `MIDSTREAM_` + the field's."""

    model_config = SettingsConfigDict(
        env_prefix="MIDSTREAM_",
        env_nested_delimiter="__",
        extra="forbid",
        env_ignore_empty=True,
        validate_default=True,
    )
    config_file: ClassVar[Path | None] = None
    fallback: ClassVar[Mapping[str, Any]] = {}
    """What counts where neither the command line nor the environment nor the file says anything."""

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Redis that holds records and logs (`redis://`, `rediss://` or `unix://`). "
        "Defaults to redis://127.0.0.1:6379/0; `midstream up` sets it to the embedded Valkey.",
    )
    queue_url: str | None = Field(
        default=None, description="Redis that holds the queue and the indexes. Defaults to `redis_url`."
    )
    redis_timeout: float = Field(
        default=5.0,
        gt=0,
        description="Seconds that one Redis command may take before it is retried. Defaults to 5.",
    )

    host: str = Field(
        default="127.0.0.1",
        description="Address the API listens on; any but loopback needs `api_keys`. Defaults to 127.0.0.1.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port of the API. Defaults to 8000.")
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Comma-separated `owner:key` pairs; a caller sends the key as `Authorization: Bearer`. "
        "Defaults to none: every caller is the owner `local`.",
    )
    max_body: int = Field(
        default=8_000_000, gt=0, description="Bytes of the largest request body. Defaults to 8,000,000."
    )
    max_pending: int = Field(
        default=100_000,
        gt=0,
        description="Accepted generations that have not ended, over all owners; past it a POST answers 429. "
        "Defaults to 100,000.",
    )
    heartbeat: float = Field(
        default=15.0,
        gt=0,
        description="Seconds without an event after which a viewer gets a comment. Defaults to 15.",
    )
    viewer_stall: float = Field(
        default=30.0,
        gt=0,
        description="Seconds a viewer's full socket is waited for before it is cut. Defaults to 30.",
    )
    send_buffer: int = Field(
        default=65_536,
        gt=0,
        description="Bytes of the kernel's send buffer for each viewer (SO_SNDBUF). Defaults to 65,536.",
    )
    transport: Transport = Field(
        default="auto",
        description="How viewers are written to: `direct` takes their connections over from the HTTP server, `asgi` "
        "leaves them there, `auto` is `direct` where the installed uvicorn allows it. Defaults to auto.",
    )
    flush_window: float = Field(
        default=0.0,
        ge=0,
        le=0.05,
        description="Seconds for which a generation's events are gathered after it has last been written to its "
        "viewers: less CPU for later events. Defaults to 0.",
    )

    append_window: float = Field(
        default=0.003,
        ge=0,
        le=0.05,
        description="Seconds for which a worker gathers events after it has last begun to append: less CPU for later "
        "events. First words, ends and tool calls are not held. Defaults to 0.003.",
    )
    concurrency: int = Field(
        default=500, gt=0, description="Generations that one worker process runs at a time. Defaults to 500."
    )
    lease: float = Field(
        default=5.0,
        ge=0.2,
        description="Seconds a worker owns a queue entry without renewing it; a killed worker's generations start "
        "again after it. Defaults to 5.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="Failed attempts after which a generation ends as `failed`; a lost worker that another generation "
        "may be to blame for does not count, as often. Defaults to 3.",
    )
    drain_timeout: float = Field(
        default=20.0,
        ge=0,
        description="Seconds a stopping worker lets its generations finish before it hands them over. Defaults to 20.",
    )
    idle_timeout: float = Field(
        default=30.0,
        gt=0,
        description="Seconds a provider may send no event before the call is ended. Defaults to 30.",
    )
    deadline: float = Field(
        default=1800.0,
        gt=0,
        description="Seconds one generation may run over all its attempts. Defaults to 1,800.",
    )
    max_log: int = Field(
        default=32_000_000,
        gt=0,
        description="Bytes of event data in one attempt; past it the generation fails. Defaults to 32,000,000.",
    )
    pack: bool = Field(
        default=True,
        description="Whether logs of generations that have ended are kept packed; all APIs must be of a version that "
        "reads these. Defaults to true.",
    )
    retries: int = Field(
        default=2,
        ge=0,
        description="Times a provider call is tried again before its first event. Defaults to 2.",
    )
    retry_after: float = Field(
        default=20.0,
        gt=0,
        description="Seconds at most that a provider's `Retry-After` is obeyed. Defaults to 20.",
    )

    circuit_failures: int = Field(
        default=5,
        gt=0,
        description="Failures of a model in a row, within 60 s, after which it is skipped where a request has a "
        "fallback. Defaults to 5.",
    )
    circuit_pause: float = Field(
        default=15.0,
        gt=0,
        description="Seconds for which a failing model is skipped before it is probed; doubled at each failed probe, "
        "to 300 at most. Defaults to 15.",
    )

    append_journal: Path | None = Field(
        default=None,
        description="For fault tests: file to which every append and the log's answer is written, ids and a hash of "
        "the bytes, never texts. Defaults to none.",
    )

    running_ttl: float = Field(
        default=7 * 86_400.0,
        gt=0,
        description="Seconds a record without an end is kept, renewed meanwhile. Defaults to 604,800 (7 days).",
    )
    ttl: float = Field(
        default=86_400.0, gt=0, description="Seconds a log is kept after its end. Defaults to 86,400 (24 h)."
    )
    tombstone_ttl: float = Field(
        default=604_800.0,
        gt=0,
        description="Seconds after expiry or deletion during which the answer is 410 and not 404. Defaults to 604,800.",
    )

    usage_ttl: int = Field(
        default=400, gt=0, le=3650, description="Days for which totals of usage are kept. Defaults to 400."
    )

    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict,
        description="Endpoints by name. `openai`, `openai-responses`, `anthropic`, `gemini` and the presets are there "
        "when their keys are in the environment, `simulator`, `simulator-responses`, `simulator-anthropic` and "
        "`simulator-gemini` when `simulator_url` is set.",
    )
    models: dict[str, str] = Field(
        default_factory=dict, description="Aliases: name to `provider/model`. Defaults to none."
    )
    prices: dict[str, PriceSettings] = Field(
        default_factory=dict,
        description="Prices by `provider/model`, or `provider/*` for all its models; they win over those that come "
        "with Midstream. Defaults to none.",
    )
    default_model: str | None = Field(
        default=None,
        description="Model or alias that the chat page and `midstream chat` use. Defaults to none: the first alias, "
        "else the usual model of the first provider with a key, else the simulator's.",
    )
    simulator_url: str | None = Field(
        default=None,
        description="Root of a running simulator. Defaults to none; `midstream up` starts one and sets it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged. Defaults to info."
    )

    @field_validator("redis_url", "queue_url")
    @classmethod
    def _redis_scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("simulator_url")
    @classmethod
    def _no_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @field_validator("providers")
    @classmethod
    def _provider_names(cls, providers: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        for name in providers:
            if not name or "/" in name:
                raise ValueError(f"provider name {name!r} must not be empty or hold a slash")
        return providers

    @field_validator("prices")
    @classmethod
    def _priced_names(cls, prices: dict[str, PriceSettings]) -> dict[str, PriceSettings]:
        for name in prices:
            provider, slash, model = name.partition("/")
            if not (provider and slash and model):
                raise ValueError(f"{name!r} must be provider/model, or provider/* for all its models")
        return prices

    @model_validator(mode="after")
    def _models_resolve(self) -> Settings:
        known = self.endpoints()
        named = {f"models.{alias}": target for alias, target in self.models.items()}
        if self.default_model is not None and self.default_model not in self.models:
            named["default_model"] = self.default_model
        for setting, target in named.items():
            provider, _, model = target.partition("/")
            if provider not in known:
                raise ValueError(f"{setting}: {target!r} names no provider; known are {', '.join(known) or 'none'}")
            if not model.strip():
                raise ValueError(f"{setting}: {target!r} names no model; write {provider}/MODEL")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file over fallback."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=cls.config_file)
        return init_settings, env_settings, file, InitSettingsSource(settings_cls, init_kwargs=dict(cls.fallback))

    def endpoints(self) -> dict[str, ProviderSettings]:
        """Every provider a request may name: the built-in ones that have what they need, and the configured ones."""
        return built_in(self.simulator_url) | self.providers

    def owners(self) -> dict[str, str]:
        """API key to owner; empty where no keys are set.

        Raises SettingsError where an entry is not `owner:key` or a key is given twice.
        """
        owners: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in self.api_keys.get_secret_value().split(","))):
            owner, colon, key = entry.partition(":")
            if not (owner and colon and key):
                raise SettingsError("MIDSTREAM_API_KEYS: every entry must be owner:key, separated by commas")
            if key in owners:
                raise SettingsError(
                    f"MIDSTREAM_API_KEYS: the key of {owner!r} is also that of {owners[key]!r}; give each its own"
                )
            owners[key] = owner
        return owners


def load(*, fallback: Mapping[str, Any] | None = None, **overrides: Any) -> Settings:
    """Settings of this process: `overrides` (None means: not given) win over everything, everything over `fallback`.

    The file is `MIDSTREAM_CONFIG`, else `midstream.toml` in the current folder where there is one.
    Raises SettingsError with one line for the first thing that is wrong.
    """
    _refuse_unknown_variables()
    named = os.environ.get("MIDSTREAM_CONFIG")
    path = Path(named or "midstream.toml")
    if named and not path.is_file():
        raise SettingsError(f"MIDSTREAM_CONFIG: no file at {named}; correct the path or unset it")

    class FileSettings(Settings):
        config_file: ClassVar[Path | None] = path

    FileSettings.fallback = fallback or {}

    try:
        settings = FileSettings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_one_line(error, path)) from None
    except ValueError as error:
        raise SettingsError(f"{path}: {str(error).splitlines()[0]}") from None
    settings.owners()
    if not is_loopback(settings.host) and not settings.owners():
        raise SettingsError(
            f"MIDSTREAM_API_KEYS: must be set (owner:key,…) to listen on {settings.host}; without keys use 127.0.0.1"
        )
    return settings


def _refuse_unknown_variables() -> None:
    # A misspelt variable would otherwise be a setting that silently has no effect.
    known = {f"MIDSTREAM_{field.upper()}" for field in Settings.model_fields} | CLIENT_VARIABLES
    known.add("MIDSTREAM_CONFIG")
    for name in os.environ:
        if name.startswith("MIDSTREAM_") and name.partition("__")[0] not in known:
            raise SettingsError(f"{name}: no such setting; check its spelling against docs/configuration.md")


def _one_line(error: ValidationError, path: Path) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{where}: no such setting; check its spelling in {path} against docs/configuration.md"
    if not where:
        return message
    variable = f"MIDSTREAM_{where.upper().replace('.', '__')}"
    return f"{where}: {message}; correct {variable} or {where} in {path}"
