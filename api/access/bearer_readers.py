"""Which kinds of tokens a server takes, by its settings."""

from collections.abc import Sequence
from importlib import import_module

from api.access.api_keys import ApiKeys
from api.access.bearer import BearerReader
from api.access.stored_keys import StoredKeys
from shared.config.settings import Settings
from shared.errors import SettingsError


def bearer_readers(settings: Settings, stored: StoredKeys | None) -> Sequence[BearerReader]:
    """Returns a reader for each kind. Raises SettingsError for malformed keys, and where a package is missing."""
    readers: list[BearerReader] = [ApiKeys(settings)]
    if stored is not None:
        readers.append(stored)
    if settings.jwt_issuer is not None:
        readers.append(_json_web_tokens(settings))
    return readers


def _json_web_tokens(settings: Settings) -> BearerReader:
    try:
        # The first is there without the second, which it needs for signatures.
        import_module("cryptography.hazmat.primitives.asymmetric.rsa")
        # Not at the top: without a token nobody needs it, nor waits for it to load.
        from api.access.issuer_keys import IssuerKeys
        from api.access.json_web_tokens import JsonWebTokens
    except ImportError:
        where = settings.sources.where(["jwt_issuer"])
        install = "install `midstream[jwt]`, in a clone `.venv/bin/pip install 'pyjwt[crypto]'`, or unset it"
        raise SettingsError(f"{where}: needs the packages PyJWT and cryptography: {install}") from None
    return JsonWebTokens(settings, IssuerKeys(str(settings.jwt_jwks_url)))
