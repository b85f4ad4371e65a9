"""Configuration: the command line wins over the environment, and that over `midstream.toml`.

Every field says its unit and ends with its default. Durations are in seconds, sizes in bytes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared.config import value_checks
from shared.config.access_settings import AccessSettings
from shared.config.allowed_values import CheckedModel, allowed, flawless, misplaced, own_table, table_depth, table_entry
from shared.config.chat_settings import ChatSettings
from shared.config.loopback import is_loopback
from shared.config.owner_settings import LimitSettings
from shared.config.provider_settings import BUILT_IN, ProviderSettings, built_in
from shared.config.redis_url import flaw_of_url
from shared.config.sources import Sources, near, read_sources
from shared.config.variables import VARIABLE_PREFIX, Known
from shared.config.visibility_settings import VisibilitySettings
from shared.errors import SettingsError

Transport = Literal["auto", "direct", "asgi"]

MAX_KEPT_S = 315_360_000
"""Seconds (10 years) that anything may be kept: what Redis adds to its clock must stay a number that it can hold."""

Price = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, decimal_places=6, allow_inf_nan=False)]
"""USD for a million tokens."""


class PriceSettings(CheckedModel):
    """What a model costs: `[prices."PROVIDER/MODEL"]` in `midstream.toml`."""

    input: Price = Field(description="USD for a million tokens of input, as text so that no digit is lost.")
    output: Price = Field(description="USD for a million tokens of output, reasoning included.")
    cached: Price | None = Field(
        default=None, description="USD for a million tokens read from a cache. Defaults to `input`."
    )
    cache_write: Price | None = Field(
        default=None, description="USD for a million tokens written to a cache. Defaults to `input`."
    )
    cache_write_1h: Price | None = Field(
        default=None,
        description="USD for a million tokens written to Anthropic's cache of an hour. Defaults to twice `input`.",
    )


class Settings(VisibilitySettings, AccessSettings, LimitSettings, CheckedModel, BaseSettings):
    """All settings of the API, the worker and the command line. Environment names are `MIDSTREAM_` + the field's."""

    model_config = SettingsConfigDict(validate_default=True)
    sources: ClassVar[Sources] = Sources()
    fallback: ClassVar[Mapping[str, Any]] = {}
    """What counts where neither the command line nor the environment nor the file says anything."""

    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Redis that holds records and logs (`redis://`, `rediss://`, `unix://`, or `redis+sentinel://` and "
        "`rediss+sentinel://` with the Sentinels that know it). Defaults to redis://127.0.0.1:6379/0; `midstream up` "
        "sets it to the embedded Valkey.",
    )
    queue_url: str | None = Field(
        default=None, description="Redis that holds the queue and the indexes. Defaults to `redis_url`."
    )
    redis_timeout: float = Field(
        default=5.0,
        ge=0.05,
        le=300,
        description="Seconds that one Redis command may take before it is retried. Defaults to 5.",
    )
    redis_connections: int = Field(
        default=10,
        ge=2,
        le=1_000,
        description="Connections that one process has open to each Redis for its commands at most; for what waits or "
        "listens it has up to 3 more; with `durability=disk` an API also up to 25 times this number. Defaults to 10.",
    )
    durability: Literal["second", "disk"] = Field(
        default="second",
        description="What a 202 waits for: `second`, that Redis has it, which syncs its file each second; `disk`, that "
        "it is on the disk of both Redis, which need `appendfsync always`, or Redis 8.2.3 with `everysec`. "
        "Defaults to second.",
    )

    host: str = Field(
        default="127.0.0.1",
        description="Address the API listens on, or a name, for all its addresses; any but loopback needs `api_keys`. "
        "127.0.0.1 is served as `localhost`, which may be ::1 too. Defaults to 127.0.0.1.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port of the API. Defaults to 8000.")
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Comma-separated `owner:key` pairs; a caller sends the key as `Authorization: Bearer` or "
        "`x-api-key`. Defaults to none: every caller is the owner `local`.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Comma-separated names that callers without keys may use for this server beside those of loopback, "
        "such as `dev.example.org`, `*.example.org` or `*`. Defaults to none.",
    )
    max_body: int = Field(
        default=8_000_000,
        ge=1_000,
        le=256_000_000,
        description="Bytes of the largest request body. Defaults to 8,000,000.",
    )
    max_headers: int = Field(
        default=65_536,
        ge=1_024,
        le=1_048_576,
        description="Bytes of a request's head at most, past which the answer is 431; so much may trailers have too. "
        "Defaults to 65,536.",
    )
    header_timeout: float = Field(
        default=10.0,
        ge=0.05,
        le=3_600,
        description="Seconds from a head's first byte to its last. Defaults to 10.",
    )
    body_timeout: float = Field(
        default=60.0,
        ge=0.05,
        le=3_600,
        description="Seconds from a head's end to that of the body, and 1 s more for each 16 kB. Defaults to 60.",
    )
    keep_alive: float = Field(
        default=75.0,
        ge=1,
        le=3_600,
        description="Seconds that a connection without a request is kept: longer than proxies in front keep theirs. "
        "Defaults to 75.",
    )
    max_connections: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Connections that one API process takes; others are answered 503. Defaults to what its file "
        "descriptors allow, less a reserve of 128, and 20,000 at most.",
    )
    max_values: int = Field(
        default=100_000,
        ge=1_000,
        le=10_000_000,
        description="JSON values in a request body: the body itself, and every entry of every list and object, at any "
        "depth. Defaults to 100,000.",
    )
    max_pending: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Accepted generations that have not ended, over all owners; past it a POST answers 429. "
        "Defaults to 100,000.",
    )
    heartbeat: float = Field(
        default=15.0,
        ge=0.05,
        le=3_600,
        description="Seconds without an event after which a viewer gets a comment. Defaults to 15.",
    )
    viewer_stall: float = Field(
        default=30.0,
        ge=0.05,
        le=3_600,
        description="Seconds a viewer's full socket is waited for before it is cut. Defaults to 30.",
    )
    send_buffer: int = Field(
        default=65_536,
        ge=1_024,
        le=16_777_216,
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
        description="Seconds for which a worker gathers events before it appends them, where its last append is not "
        "twice as long ago: less CPU for each. First words, ends and tool calls are not held. Defaults to 0.003.",
    )
    concurrency: int = Field(
        default=500, ge=1, le=10_000, description="Generations that one worker process runs at a time. Defaults to 500."
    )
    lease: float = Field(
        default=5.0,
        ge=0.2,
        le=600,
        description="Seconds a worker owns a queue entry without renewing it; a killed worker's generations start "
        "again after it. Defaults to 5.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=1_000,
        description="Failed attempts before the next model of its `fallback`, or before `failed`. Defaults to 3.",
    )
    drain_timeout: float = Field(
        default=20.0,
        ge=0,
        le=86_400,
        description="Seconds a stopping worker lets its generations finish before it hands them over. Defaults to 20.",
    )
    idle_timeout: float | None = Field(
        default=None,
        ge=0.1,
        le=3_600,
        description="Seconds a provider may send nothing at all, not even a keep-alive, before the call is ended. "
        "Defaults to 60 before the first word of an answer and 30 after it.",
    )
    silence_timeout: float = Field(
        default=300.0,
        ge=0.1,
        le=86_400,
        description="Seconds a provider may send nothing of the answer itself, only keep-alives, before the call is "
        "ended. Defaults to 300.",
    )
    deadline: float = Field(
        default=1800.0,
        ge=0.1,
        le=86_400,
        description="Seconds from the acceptance of a generation to its end at most, over all its attempts and what it "
        "waits. Defaults to 1,800.",
    )
    max_log: int = Field(
        default=128_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="Bytes of event data in one attempt; past it the generation fails. Defaults to 128,000,000.",
    )
    pack: bool = Field(
        default=True,
        description="Whether logs of generations that have ended are kept packed; all APIs must be of a version that "
        "reads these. Defaults to true.",
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=20,
        description="Times a provider call is tried again before its first event. Defaults to 2.",
    )
    retry_after: float = Field(
        default=20.0,
        ge=0.1,
        le=3_600,
        description="Seconds at most that a provider's `Retry-After` is obeyed. Defaults to 20.",
    )

    circuit_failures: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="Failures of a model in a row, within 60 s, after which it is skipped where a request has a "
        "fallback. Defaults to 5.",
    )
    circuit_pause: float = Field(
        default=15.0,
        ge=0.1,
        le=300,
        description="Seconds for which a failing model is skipped before it is probed; doubled at each failed probe, "
        "to 300 at most. Defaults to 15.",
    )

    running_ttl: float = Field(
        default=7 * 86_400.0,
        ge=7_200,
        le=MAX_KEPT_S,
        description="Seconds a record without an end is kept, renewed meanwhile. Defaults to 604,800 (7 days).",
    )
    ttl: float = Field(
        default=86_400.0,
        ge=1,
        le=MAX_KEPT_S,
        description="Seconds a log is kept after its end. Defaults to 86,400 (24 h).",
    )
    tombstone_ttl: float = Field(
        default=604_800.0,
        ge=1,
        le=MAX_KEPT_S,
        description="Seconds after expiry or deletion during which the answer is 410 and not 404: what a generation "
        "leaves is gone after them. Defaults to 604,800.",
    )

    conversation_ttl: float = Field(
        default=2_592_000.0,
        ge=1,
        le=MAX_KEPT_S,
        description="Seconds for which a conversation is kept after its last turn, with all its generations. Defaults "
        "to 2,592,000.",
    )

    usage_ttl: int = Field(
        default=400, ge=1, le=3650, description="Days for which totals of usage are kept. Defaults to 400."
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
        description="Model or alias that the chat page and `midstream chat` use, and requests that name none. Defaults "
        "to none: the first alias, else the usual model of the first provider with a key, else the simulator's.",
    )
    chat_provider: str | None = Field(
        default=None,
        description="Provider that gets a model's bare name, such as `gpt-5`, from clients of Chat Completions. "
        "Defaults to the only one that speaks OpenAI Chat; the simulator's counts where there is no other, and no "
        "provider has a key.",
    )
    responses_provider: str | None = Field(
        default=None,
        description="The same for clients of Responses. Defaults to the only one that speaks these, likewise.",
    )
    messages_provider: str | None = Field(
        default=None,
        description="The same for clients of Messages. Defaults to the only one that speaks these, likewise.",
    )
    chat: ChatSettings = Field(
        default_factory=ChatSettings,
        description="What is fixed for all chats of the AI SDK, so that a browser cannot choose it. Defaults to "
        "nothing.",
    )
    simulator_url: str | None = Field(
        default=None,
        description="Root of a running simulator. Defaults to none; `midstream up` starts one and sets it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity that is logged. Defaults to info."
    )

    @property
    def open_to_all(self) -> bool:
        """Says whether callers need not prove who they are: all of them are the owner `local`."""
        return not (self.api_keys.get_secret_value() or self.keys == "redis" or self.jwt_issuer)

    @property
    def many_owners(self) -> bool:
        """Says whether more than one owner is known, so that none may hold every place."""
        by_others = self.keys == "redis" or self.jwt_issuer is not None
        return by_others or len(set(self.key_owners().values()) | self.owners.keys()) > 1

    @property
    def conversation_kept(self) -> float:
        """Returns the seconds for which a conversation is kept when it is renewed.

        A sixteenth more than it must be: what belongs to it needs not be renewed with each turn.
        """
        return self.conversation_ttl * 17 / 16

    @property
    def queue_apart(self) -> bool:
        """Says whether the queue has a Redis of its own."""
        return self.queue_url not in (None, self.redis_url)

    @field_validator("redis_url", "queue_url")
    @classmethod
    def _redis_address(cls, url: str | None) -> str | None:
        return url if url is None else flawless(url, flaw_of_url)

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        return flawless(host, value_checks.of_host)

    @field_validator("allowed_hosts")
    @classmethod
    def _allowed_hosts(cls, hosts: str) -> str:
        return flawless(hosts, value_checks.of_allowed_hosts)

    @field_validator("simulator_url")
    @classmethod
    def _no_slash(cls, url: str | None) -> str | None:
        return flawless(url, value_checks.of_plain_url).rstrip("/") if url else None

    @field_validator("providers")
    @classmethod
    def _provider_names(cls, providers: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        for name in providers:
            if "/" in name or value_checks.of_name(name):
                raise ValueError(f"provider name {name!a} must not be empty, or hold a slash or spaces around it")
        return providers

    @field_validator("models")
    @classmethod
    def _alias_names(cls, models: dict[str, str]) -> dict[str, str]:
        for name in models:
            if value_checks.of_name(name):
                raise ValueError(f"alias {name!a} must not be empty, or hold spaces around it")
        return models

    @field_validator("prices")
    @classmethod
    def _priced_names(cls, prices: dict[str, PriceSettings]) -> dict[str, PriceSettings]:
        for name in prices:
            provider, slash, model = name.partition("/")
            if not (provider and slash and model) or ("*" in model and model != "*"):
                raise ValueError(f"{name!a} must be provider/model, or provider/* for all its models")
        return prices

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        known = self.endpoints()
        remedy = f"known are {', '.join(known)}" if known else "none is known; set a provider's key"
        named: dict[tuple[str, ...], str] = {("models", alias): target for alias, target in self.models.items()}
        if self.default_model is not None and self.default_model not in self.models:
            named["default_model",] = self.default_model
        if self.chat.model is not None and self.chat.model not in self.models:
            named["chat", "model"] = self.chat.model
        for place, target in named.items():
            provider, slash, model = target.partition("/")
            if provider not in known or not slash:
                raise misplaced(place, f"{target!a} names no provider; {remedy}")
            if value_checks.of_name(model):
                raise misplaced(place, f"{target!a} names no model; write {provider}/MODEL")
        for place in (("chat_provider",), ("responses_provider",), ("messages_provider",)):
            if (chosen := getattr(self, place[0])) is not None and chosen not in known:
                raise misplaced(place, f"{chosen!a} names no provider; {remedy}")
        # A file of prices may serve also where the key of one of the providers that we know is not set.
        priced = [*known, *(name for name in BUILT_IN if name not in known)]
        for name in self.prices:
            if name.partition("/")[0] not in priced:
                raise misplaced(("prices", name), f"names no provider; known are {', '.join(priced)}")
        for owner, own in self.owners.items():
            for name in own.models or ():
                provider, slash, model = name.partition("/")
                if name not in self.models and not (provider in priced and slash and model):
                    what = f"{name!a} is no alias, and neither PROVIDER/MODEL nor PROVIDER/*"
                    raise misplaced(("owners", owner, "models"), f"{what}; known are {', '.join(priced)}")
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
        """Returns the sources in their order: command line, environment, file, fallback; an earlier one wins."""
        return init_settings, *(
            InitSettingsSource(settings_cls, init_kwargs=dict(written))
            for written in (cls.sources.variables, cls.sources.file, cls.fallback)
        )

    def endpoints(self) -> dict[str, ProviderSettings]:
        """Returns every provider a request may name: built-in ones that have what they need, and configured ones."""
        return built_in(self.simulator_url) | self.providers

    def known(self) -> Known:
        """Returns the known names after `MIDSTREAM_`: settings, and variables that hold the key of an entry."""
        keys = [entry.api_key_env or "" for entry in self.endpoints().values()]
        return {
            **SETTING_DEPTHS,
            **{name.removeprefix(VARIABLE_PREFIX).lower(): 0 for name in keys if name.startswith(VARIABLE_PREFIX)},
        }

    def hosts(self) -> frozenset[str]:
        """Returns the entries of `allowed_hosts`, in lower case, without the dot of the root."""
        entries = (entry.strip().lower().removesuffix(".") for entry in self.allowed_hosts.split(","))
        return frozenset(filter(None, entries))

    def key_owners(self) -> dict[str, str]:
        """Returns the owner of each API key; empty where no keys are set.

        Raises SettingsError where an entry is not `owner:key` or a key is given twice.
        """
        owners: dict[str, str] = {}
        written = self.api_keys.get_secret_value()
        entries = [entry for part in written.split(",") if (entry := part.strip(" "))]
        where = self.sources.where(["api_keys"])
        if written and not entries:
            raise SettingsError(f"{where}: must hold owner:key, separated by commas; without keys unset it")
        if any(entry.lstrip().startswith(_NO_OWNER_BEGINS_WITH) for entry in entries):
            # Read as pairs, a key would be taken for an owner's name, which logs show.
            raise SettingsError(f"{where}: is JSON, or in quotes; it must hold owner:key, separated by commas")
        # No line names an owner: where the two are the wrong way round, that is a key.
        for number, entry in enumerate(entries, 1):
            owner, colon, key = entry.partition(":")
            if not (owner and colon and key):
                raise SettingsError(f"{where}: every entry must be owner:key, separated by commas")
            if value_checks.of_name(owner):
                raise SettingsError(f"{where}: an owner {value_checks.of_name(owner)}")
            if owner == "*":
                raise SettingsError(f"{where}: an owner must not be *, which stands for all owners")
            if flaw := value_checks.of_key(key):
                raise SettingsError(f"{where}: the key of entry {number} {flaw}; give it another")
            if key in owners:
                first = 1 + [*owners].index(key)
                raise SettingsError(f"{where}: entries {first} and {number} have the same key; give each its own")
            owners[key] = owner
        return owners


_NO_OWNER_BEGINS_WITH = ("{", "[", '"', "'")
"""What JSON and quotes begin with."""

SETTING_DEPTHS: Known = {name: table_depth(field) for name, field in Settings.model_fields.items()}
"""The settings, and how deep those lie that are tables."""


def load(*, fallback: Mapping[str, Any] | None = None, **overrides: Any) -> Settings:
    """Returns the settings of this process: `overrides` win over every other source, and every other over `fallback`.

    An override of None counts as not given. The file is `MIDSTREAM_CONFIG`, else `midstream.toml` in the current
    folder where there is one. Raises SettingsError with one line for the first thing that is wrong.
    """
    options = {name: value for name, value in overrides.items() if value is not None}

    class WrittenSettings(Settings):
        sources: ClassVar[Sources] = read_sources(options, SETTING_DEPTHS)

    WrittenSettings.fallback = fallback or {}
    where = WrittenSettings.sources.where
    try:
        settings = WrittenSettings(**options)
    except ValidationError as error:
        raise SettingsError(_one_line(error, where)) from None
    _check_providers(settings)
    if not is_loopback(settings.host) and settings.open_to_all:
        raise SettingsError(
            f"MIDSTREAM_API_KEYS: must be set (owner:key,…) to listen on {settings.host}; without keys use 127.0.0.1"
        )
    owners = settings.key_owners()
    if not is_loopback(settings.host):
        for number, key in enumerate(owners, 1):
            if len(key) < value_checks.MIN_KEY_CHARS:
                raise SettingsError(
                    f"{settings.sources.where(['api_keys'])}: the key of entry {number} is too short to listen on "
                    f"{settings.host}: give it one of {value_checks.MIN_KEY_CHARS} characters at least"
                )
    return settings


def _check_providers(settings: Settings) -> None:
    """Raises SettingsError for an address that cannot be asked, and for a key that cannot be sent."""
    for name, entry in settings.endpoints().items():
        if flaw := value_checks.of_base_url(entry.address if entry.base_url is None else entry.base_url):
            own = settings.providers.get(name)
            written = own is not None and own.base_url is not None and "base_url" in own.model_fields_set
            variable = None if written else entry.base_url_variable(name)
            raise SettingsError(f"{variable or settings.sources.where(['providers', name, 'base_url'])}: {flaw}")
        if flaw := value_checks.of_key(os.environ.get(entry.api_key_env or "", "")):
            raise SettingsError(f"{entry.api_key_env}: {flaw}; set it again, as the provider gave it")


def _one_line(error: ValidationError, where: Callable[[Sequence[str | int]], str]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = first.get("ctx", {}).get("place") or first["loc"]
    field, known = _field(place)
    if first["type"] == "extra_forbidden":
        return f"{where(place)}: no such setting; {near(str(place[-1]), known)}"
    if first["type"] == "missing":
        return f"{where(place)}: is missing; it must be {allowed(field) if field else 'given'}"
    if first["type"] in ("value_error", "misplaced"):
        return f"{where(place)}: {str(first['msg']).removeprefix('Value error, ')}"
    return f"{where(place)}: must be {allowed(field) if field else _entry(place)}"


def _entry(place: Sequence[str | int]) -> str:
    """Returns what an entry of a table must be."""
    return "text" if table_entry(Settings.model_fields.get(str(place[0]))) is None else "a table"


def _field(place: Sequence[str | int]) -> tuple[FieldInfo | None, Sequence[str]]:
    """Returns the field at a place, None for an entry of a table, and the names that are known there."""
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    field = fields.get(str(place[0]))
    if len(place) > 2 and (entry := table_entry(field)) is not None:
        return entry.model_fields.get(str(place[2])), [*entry.model_fields]
    if len(place) == 2 and (table := own_table(field)) is not None:
        return table.model_fields.get(str(place[1])), [*table.model_fields]
    return (field if len(place) == 1 else None), [*fields]
