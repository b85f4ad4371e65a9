"""What the routes work with."""

import re
import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Path, Request

from api.encoded_paths import decoded
from api.intake.large_bodies import LargeBodies
from api.intake.model_names import ServedModels
from api.intake.retries import Retries
from api.problems.problem import conversation_gone, conversation_not_found, gone, not_found, unavailable, unreadable
from api.schemas.generation import ID_EXAMPLE
from api.unsynced import Unsynced
from api.viewing.conversation.watched import WatchedConversations
from api.viewing.hub import Hub
from api.viewing.resume import refusal
from shared.config.settings import Settings
from shared.conversations.conversations import MAX_CONVERSATION_CHARS, About
from shared.generations.deadlines import Deadlines
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.queue.workers import Workers
from shared.record import Record
from shared.storage.clock import read_server
from shared.storage.disk_sync import DiskSync
from shared.tracing.tracing import NO_TRACING, Tracing

_ID = re.compile(r"gen_[a-z2-7]{32}")


@dataclass(frozen=True, slots=True)
class ApiServices:
    """One of each for the whole app."""

    settings: Settings
    log: Log
    generations: Generations
    hub: Hub
    watched: WatchedConversations
    unsynced: Unsynced
    deadlines: Deadlines
    workers: Workers
    disk_sync: DiskSync
    served: ServedModels
    askers: Retries
    large_bodies: LargeBodies
    tracing: Tracing = NO_TRACING
    demo: str | None = None
    """The socket of the `midstream up` that shows what it survives (`api/routes/demo.py`)."""
    started: float = field(default_factory=time.monotonic)
    cancel_wait_s: float = 3.0
    """Seconds that a cancel waits for the generation's end."""
    ask_timeout_s: float = 2.0
    """Seconds in which Redis must say what is under an id; after them a stream is opened without knowing."""

    async def just_restarted(self, *, sure: bool) -> bool:
        """Says whether Redis may lack what a worker or an API node is about to write again.

        `sure` asks whether it restarted under this process; one that was there before is not thought to have forgotten.
        """
        server = await read_server(self.log.redis)
        young = server.young(self.generations.durability.given_up_ms)
        return young and (not sure or server.began_after(self.started))

    async def record(self, generation_id: str, owner: str) -> Record:
        """Returns the owner's record. Raises ProblemError 404, 410 or 503, and redis.exceptions.RedisError."""
        found = await self.generations.find(generation_id)
        match refusal(found, owner):
            case "not_found":
                if await self.just_restarted(sure=True):
                    raise unavailable()
                raise not_found()
            case "gone":
                raise gone()
            case "unreadable":
                raise unreadable()
        assert found.record is not None
        return found.record

    async def conversation(self, name: str, owner: str) -> About:
        """Returns the owner's conversation. Raises ProblemError 404, 410 or 503, and redis.exceptions.RedisError."""
        conversations = self.generations.conversations
        if (about := await conversations.find(owner, name)) is not None:
            return about
        if await conversations.ended(owner, name):
            raise conversation_gone()
        if await self.just_restarted(sure=True):
            raise unavailable()
        raise conversation_not_found()


# Async although nothing is awaited: FastAPI would run it in a thread.
async def _services(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.services
    return services


def of_known_shape(id: str) -> str:
    """Returns a generation's id. Raises ProblemError 404 for anything else.

    Nothing else was ever given out, so Redis need not be asked, and no key is built from it.
    """
    if not _ID.fullmatch(id):
        raise not_found()
    return id


async def _known_shape(id: Annotated[str, Path(description="The generation's id.", examples=[ID_EXAMPLE])]) -> str:
    return of_known_shape(id)


async def _conversation_name(
    id: Annotated[str, Path(description="The conversation's name, percent-encoded.", examples=["trip%20to%20Rome"])],
) -> str:
    # The path of these routes is as it came (api/encoded_paths.py): a name may hold a slash.
    name = decoded(id)
    if not 0 < len(name) <= MAX_CONVERSATION_CHARS or not name.isprintable():
        raise conversation_not_found()
    return name


Use = Annotated[ApiServices, Depends(_services)]
GenerationId = Annotated[str, Depends(_known_shape)]
ConversationName = Annotated[str, Depends(_conversation_name)]
