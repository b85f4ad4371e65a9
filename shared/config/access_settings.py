"""Who is let in, and how: keys, tokens of an identity provider, browsers.

Every field ends with its default.
"""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.config import value_checks
from shared.config.allowed_values import CheckedModel, flawless, misplaced

PORT_OF_SCHEME = {"http": "80", "https": "443"}
"""What no origin says, as it is understood."""


class AccessSettings(CheckedModel):
    """The settings of who is let in."""

    keys: Literal["settings", "redis"] = Field(
        default="settings",
        description="Where API keys are: `settings`, in `api_keys` alone; `redis`, also those that `midstream keys` "
        "made, in the queue's Redis. Defaults to settings.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        description="The `iss` of JSON Web Tokens that are taken as `Authorization: Bearer`; needs the extra `jwt`, "
        "`jwt_audience` and `jwt_jwks_url`. Defaults to none: no token is taken.",
    )
    jwt_audience: str | None = Field(default=None, description="The `aud` that these tokens must have.")
    jwt_jwks_url: str | None = Field(
        default=None, description="Where the keys are with which these tokens are signed (RFC 7517)."
    )
    jwt_owner_claim: str = Field(
        default="sub", description="The claim of these tokens that names their owner. Defaults to sub."
    )
    jwt_owner_prefix: str = Field(
        default="",
        description="What stands before that claim in the owner's name, such as `user:`, so that no token names the "
        "owner of an API key. Defaults to none: who has the name of a key's owner is that owner.",
    )
    public_url: str | None = Field(
        default=None,
        description="Root of this server as browsers see it, for links that are shared. Defaults to the origin of the "
        "request.",
    )
    trusted_proxies: str = Field(
        default="127.0.0.1,::1",
        description="Comma-separated addresses or networks of proxies whose `X-Forwarded-Proto` and `X-Forwarded-For` "
        "count; `*` for any. Defaults to 127.0.0.1,::1.",
    )
    cors_origins: str = Field(
        default="",
        description="Comma-separated origins of pages that may use this server from a browser, like "
        "https://app.example.com. Defaults to none.",
    )

    @field_validator("public_url")
    @classmethod
    def _public_root(cls, url: str | None) -> str | None:
        return flawless(url, value_checks.of_plain_url).rstrip("/") if url else None

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        return flawless(origins, value_checks.of_origins)

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, proxies: str) -> str:
        return flawless(proxies, value_checks.of_proxies)

    def origins(self) -> frozenset[str]:
        """Returns the entries of `cors_origins` as browsers write them: in lower case, without the scheme's port."""
        entries = (entry.strip().lower() for entry in self.cors_origins.split(","))
        return frozenset(map(_as_browsers_write_it, filter(None, entries)))

    @field_validator("jwt_issuer", "jwt_audience", "jwt_owner_claim")
    @classmethod
    def _names(cls, name: str | None) -> str | None:
        return name if name is None else flawless(name, value_checks.of_name)

    @field_validator("jwt_owner_prefix")
    @classmethod
    def _prefix(cls, prefix: str) -> str:
        return flawless(prefix, value_checks.of_owner_prefix)

    @field_validator("jwt_jwks_url")
    @classmethod
    def _keys_address(cls, url: str | None) -> str | None:
        return url if url is None else flawless(url, value_checks.of_keys_url)

    @model_validator(mode="after")
    def _tokens_can_be_verified(self) -> Self:
        if self.jwt_issuer is None:
            for name in ("jwt_audience", "jwt_jwks_url"):
                if getattr(self, name) is not None:
                    raise misplaced((name,), "is for tokens, of which none is taken without `jwt_issuer`; set that too")
            return self
        for name, what in (("jwt_audience", "the `aud` of"), ("jwt_jwks_url", "where the keys are of")):
            if getattr(self, name) is None:
                raise misplaced((name,), f"must be set with `jwt_issuer`: {what} its tokens")
        return self


def _as_browsers_write_it(origin: str) -> str:
    return origin.removesuffix(":" + PORT_OF_SCHEME[origin.partition(":")[0]])
