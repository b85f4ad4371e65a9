"""What lets browsers in without a key in their hands: sessions, tokens for events, links that are shared."""

from collections.abc import Collection
from typing import Annotated

from fastapi import Depends, Request

from api.access import sessions
from api.access.caller import Caller, Credential
from api.access.callers import Callers
from api.access.event_tokens import EventTokens
from api.access.settings_grants import SettingsGrants
from api.access.shares import Shares
from shared.config.settings import Settings
from shared.generations.generations import Generations


class Browsers:
    """One of each for the whole app, beside the keys on which they rest."""

    def __init__(self, settings: Settings, generations: Generations, keys: Credential) -> None:
        open_to_all = settings.open_to_all
        redis = generations.queue.redis
        self._of_settings = SettingsGrants(settings, generations.secret)
        self._keys = keys
        self._kinds = {"settings"}
        self._kinds |= {"key"} if settings.keys == "redis" else set()
        self._kinds |= {"jwt"} if settings.jwt_issuer is not None else set()
        self.sessions = sessions.Sessions(redis, self._key_ended, open_to_all=open_to_all)
        self.tokens = EventTokens(generations.secret, self._ended, open_to_all=open_to_all)
        self.shares = Shares(redis)
        self.callers = Callers([self.shares, keys, self.tokens, self.sessions], open_to_all=open_to_all)
        """All who may call. A link counts before any key; a key before a token and a cookie."""

    async def grant(self, request: Request, caller: Caller) -> str:
        """Returns the grant for what a caller is given that outlives its request. Raises RedisError."""
        return caller.grant or await self._of_settings.of(request)

    async def _key_ended(self, grants: Collection[str]) -> set[str]:
        """Returns those of the given grants of keys that are good no more; none is of a kind that is not taken now."""
        unknown = {grant for grant in grants if grant.partition(":")[0] not in self._kinds}
        return {*unknown, *await self._of_settings.ended(grants), *await self._keys.ended(grants)}

    async def _ended(self, grants: Collection[str]) -> set[str]:
        """Returns those of the given grants, of keys or sessions, that are good no more."""
        by_session = {grant for grant in grants if grant.startswith(sessions.PREFIX)}
        by_key = set(grants) - by_session
        return {*await self._key_ended(by_key), *await self.sessions.ended(by_session)}


# Async although nothing is awaited: FastAPI would run it in a thread.
async def _browsers(request: Request) -> Browsers:
    browsers: Browsers = request.app.state.browsers
    return browsers


UseBrowsers = Annotated[Browsers, Depends(_browsers)]
