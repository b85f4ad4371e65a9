"""API keys of the settings: each names an owner."""

import hashlib
from collections.abc import Collection

from api.access.caller import Caller
from shared.config.settings import Settings


class ApiKeys:
    """The owner of each API key of the settings, by the key's digest; made once at start.

    A key is looked up by its SHA-256. The time of a look-up can reveal something of that digest only, and nobody can
    choose a key by its digest: so it reveals nothing of a valid key, which the caller would have to know first.
    """

    def __init__(self, settings: Settings) -> None:
        self._owners = {_digest(key): owner for key, owner in settings.key_owners().items()}

    async def holder(self, token: str) -> Caller | None:
        """Returns whose key it is; None where it is none of ours."""
        owner = self._owners.get(_digest(token))
        return None if owner is None else Caller(owner)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns nothing: these keys end with the process."""
        return ()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
