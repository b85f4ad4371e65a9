"""From a valid request to an accepted generation, once for each idempotency key."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from redis.exceptions import RedisError, ResponseError

from api.exchange.permission import permit
from api.exchange.previous import chain_of
from api.intake.request_body import ReadRequest
from api.problems.limits import refused
from api.problems.problem import FieldError, ProblemError, conversation_full, gone, not_on_disk, unprocessable
from api.request_trace import sending
from api.services import ApiServices
from shared.errors import GoneError, NotOnDiskError
from shared.generations.generations import Accepted, ConversationFullError, Existence, LimitedError
from shared.record import Acceptance, Chain
from shared.tracing.trace_context import TraceContext

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_UNACCEPTED = LimitedError, GoneError, ConversationFullError
"""What says that a generation is not accepted."""


def check_key(key: str | None) -> None:
    """Raises ProblemError 400 for an idempotency key that is none."""
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError(
            400,
            "invalid_idempotency_key",
            "The idempotency key is malformed",
            "Idempotency-Key must be 1 to 255 printable ASCII characters.",
        )


async def accept(
    use: ApiServices, owner: str, taken: ReadRequest, key: str | None, new_id: str | None = None
) -> Accepted:
    """Accepts a request, under this id where one is given, or finds what was accepted with this idempotency key.

    Raises ProblemError 403, 409, 410, 422, 429 or 503, and redis.exceptions.RedisError; nothing is left half-written.
    """
    with sending(use.tracing) as sent:
        accepted = await _accept(use, owner, taken, key, new_id, sent.trace)
        sent.is_in(accepted.id)
        return accepted


async def _accept(
    use: ApiServices,
    owner: str,
    taken: ReadRequest,
    key: str | None,
    new_id: str | None,
    trace: TraceContext | None,
) -> Accepted:
    request = taken.request
    ttl = request.ttl if request.ttl is not None else use.settings.ttl
    generation_id = new_id or await use.generations.new_id(owner, key)
    await _permit(use, owner, taken, None if key is None else generation_id)
    chain = await _chain(use, owner, taken, None if key is None else generation_id)
    conversation = request.conversation
    if conversation is not None:
        ttl = max(ttl, use.generations.conversations.kept_ms / 1000)
    acceptance = Acceptance(
        id=generation_id,
        owner=owner,
        model=request.model,
        request=taken.stored,
        asked=taken.asked,
        shown=taken.shown,
        fingerprint=taken.fingerprint,
        on_interrupt=request.on_interrupt,
        ttl_ms=int(ttl * 1000),
        unwatched_ms=taken.unwatched_ms,
        conversation=conversation,
        previous=taken.previous or (chain.nearest[0] if chain and chain.nearest else None),
        chain=chain,
        trace=trace,
    )
    began = asyncio.get_running_loop().time()
    try:
        async with _noted(use, acceptance, request.deadline) as noted:
            accepted = await use.generations.accept(acceptance, again=key is not None)
    except LimitedError as error:
        raise refused(error.announcement, use.settings.limits(owner)) from None
    except GoneError:
        raise gone() from None
    except ConversationFullError:
        raise conversation_full() from None
    under_way = accepted.state in ("queued", "running")
    if noted and not (accepted.created or (accepted.same_request and under_way)):
        # Of one that was there before, which has ended, or whose deadline is not this request's to say.
        with suppress(RedisError):
            await use.deadlines.forget([acceptance.id])
    if not accepted.same_request:
        message = "another request was sent with this key before; use a new key for a new request"
        raise unprocessable([FieldError(pointer="Idempotency-Key", message=message)], "idempotency_key_reused")
    if under_way:
        # Also where it was there before: this may be the second try of a write whose reply was lost.
        use.unsynced.remember(replace(acceptance, created_ms=accepted.created_ms, number=accepted.number))
    try:
        # Also where it was there before: the POST that wrote it may not have had its answer yet.
        await use.disk_sync.confirm(began)
    except NotOnDiskError:
        raise not_on_disk() from None
    return accepted


async def _permit(use: ApiServices, owner: str, taken: ReadRequest, keyed: str | None) -> None:
    """Raises ProblemError 403 for what the owner may not ask; what was accepted before, under its key's id, it may."""
    try:
        permit(taken.request, use.settings.limits(owner), use.served)
    except ProblemError:
        if keyed is None or (await use.generations.find(keyed)).existence is Existence.NOTHING:
            raise


async def _chain(use: ApiServices, owner: str, taken: ReadRequest, keyed: str | None) -> Chain | None:
    """Returns what the request goes on from; None where it was accepted before, under the id that its key makes."""
    try:
        return await chain_of(use, owner, taken)
    except ProblemError:
        # What has become of that since is no matter of a repeated POST.
        if keyed is None or (await use.generations.find(keyed)).existence is Existence.NOTHING:
            raise
        return None


@asynccontextmanager
async def _noted(use: ApiServices, acceptance: Acceptance, deadline: float | None) -> AsyncIterator[bool]:
    """Notes a request's own times while it is accepted inside; where Redis refuses it, nothing of them is left.

    Yields whether its deadline was noted here, and not by an earlier request.
    """
    if acceptance.unwatched_ms is not None:
        await use.hub.audience.unwatched.put_off({acceptance.id: acceptance.unwatched_ms})
    noted = deadline is not None and await use.deadlines.note(acceptance.id, deadline)
    try:
        yield noted
    except Exception as error:
        with suppress(RedisError):  # what is not there is passed over when it is due, or cleared away by the sweeper
            refused = isinstance(error, ResponseError)
            # Where the reply was lost it may have been accepted, and keeps its deadline.
            if noted and (refused or isinstance(error, _UNACCEPTED)):
                await use.deadlines.forget([acceptance.id])
            if acceptance.unwatched_ms is not None and (refused or isinstance(error, _UNACCEPTED)):
                await use.hub.audience.unwatched.forget([acceptance.id])
            if refused and (await use.generations.find(acceptance.id)).existence is Existence.NOTHING:
                await use.generations.queue.indexes.settle([acceptance.id])
                await use.generations.queue.indexes.forget(acceptance.owner, [acceptance.id])
        raise
