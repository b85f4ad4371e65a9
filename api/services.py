"""What the routes work with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from api.admission import refusal
from api.answers import ID_EXAMPLE
from api.hub import Hub
from api.problems import gone, not_found
from api.promises import Promises
from shared.generations import Generations, Record
from shared.log import Log
from shared.settings import Settings

_ID = re.compile(r"gen_[a-z2-7]{32}")


@dataclass(frozen=True, slots=True)
class Services:
    """One of each for the whole app."""

    settings: Settings
    log: Log
    generations: Generations
    hub: Hub
    promises: Promises

    async def record(self, generation_id: str, owner: str) -> Record:
        """The owner's record. Raises Problem 404 or 410, and redis.exceptions.RedisError."""
        found = await self.generations.find(generation_id)
        match refusal(found, owner):
            case "not_found":
                raise not_found()
            case "gone":
                raise gone()
        assert found.record is not None
        return found.record


# Async although nothing is awaited: FastAPI would run it in a thread.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _known_shape(id: Annotated[str, Path(description="The generation's id.", examples=[ID_EXAMPLE])]) -> str:
    # Nothing else was ever given out, so Redis need not be asked, and no key is built from it.
    if not _ID.fullmatch(id):
        raise not_found()
    return id


Use = Annotated[Services, Depends(_services)]
GenerationId = Annotated[str, Depends(_known_shape)]
